import csv
import io
import json
import re
from pathlib import Path

import pytest
import rich.console
from metarule.errors import BadInput
from metarule.launch.evaluation._rows import print_table
from metarule.launch.evaluation._verdict import verdict
from metarule.launch.records._tables import print_columns, TableFiles
from metarule.launch.training import _progress
from metarule.launch.training._progress import Progress


ROW = {
    "encoder": "meta-trained", "task": "digits", "readout": "ridge", "accuracy": 0.8512, "stderr": 0.0049,
    "seeds": 10, "labelled": 100, "unlabelled": 12_800, "steps": 200, "seconds": 1.26, "statistics": "frozen",
    "features": 64, "other_rows": False,
}  # fmt: skip


def console(**options):
    return rich.console.Console(file=io.StringIO(), **options)


LOGISTIC = ROW | {"readout": "logistic", "accuracy": 0.7, "stderr": 0.01}


def test_one_line_an_encoder_with_its_readouts_side_by_side():
    screen = console()
    random = ROW | {"encoder": "random-init", "accuracy": 0.5, "other_rows": True}
    print_table([ROW, LOGISTIC, random, random | {"readout": "logistic"}], "Held out", console=screen)
    lines = screen.file.getvalue().splitlines()
    assert lines[0] == "digits: held out" and not re.search("\x1b| $", screen.file.getvalue(), re.M)
    heading = " ".join(" ".join(lines[1:3]).split())
    assert heading == "ridge logistic encoder % % features unlabelled steps seconds"
    rows = [line.split() for line in lines[4:6]]
    assert rows[0] == ["meta-trained", "85.1", "±0.5", "70.0", "±1.0", "64", "12,800", "200", "1.3"]
    assert rows[1][0] == "random-init*" and "* features of an example depend on the other" in lines[7]
    assert lines[6] == "100 labelled examples; ± is the standard error over 10 seeds"


@pytest.mark.parametrize("width", [80, 40])
def test_no_heading_is_broken_and_the_best_is_bold(width):
    screen = console(force_terminal=True, width=width)
    row = ROW | {"task": "fashion_mnist14", "features": 1000, "unlabelled": 60_000, "steps": 1000, "seconds": 123.4}
    print_table([row, row | {"encoder": "krotov-hopfield", "accuracy": 0.9}], "Held out", console=screen)
    text = screen.file.getvalue()
    assert re.findall("\x1b\\[1m(.*?)\x1b", text.replace("\x1b[1m \x1b", "")).count("90.0 ±0.5") == 1
    lines = re.sub("\x1b\\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= width
    words = set(" ".join(lines).split())
    assert {"encoder", "ridge", "features", "unlabelled", "steps", "seconds", "krotov-hopfield", "1,000"} <= words


def test_columns_that_do_not_fit_stand_below_beside_the_first_one():
    screen = console(force_terminal=True, width=30)
    print_columns(
        "title", {"name": ["a", "b"], "first heading": ["1", "2"], "second heading": ["3", "4"]}, None, screen
    )
    lines = [line.split() for line in re.sub("\x1b\\[[0-9;]*m", "", screen.file.getvalue()).splitlines()]
    assert [line for line in lines if line[:1] in (["a"], ["b"])] == [["a", "1"], ["b", "2"], ["a", "3"], ["b", "4"]]
    assert ["name", "first", "heading"] in lines and ["name", "second", "heading"] in lines


def test_rows_are_written_before_and_although_the_table_can_not_be_printed(tmp_path):
    files = TableFiles(tmp_path / "rows.json", tmp_path / "rows.csv")

    def fail():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write_and(fail, [ROW | {"accuracies": [0.5, 1.0], "stderr": float("nan")}])
    assert json.loads((tmp_path / "rows.json").read_text())[0]["stderr"] is None
    (line,) = csv.DictReader((tmp_path / "rows.csv").read_text().splitlines())
    assert line["accuracies"] == "0.5 1.0" and line["encoder"] == "meta-trained"


def test_the_table_is_printed_although_its_rows_can_not_be_written(tmp_path):
    files, shown = TableFiles(tmp_path / "rows.json"), []
    (tmp_path / "rows.json").mkdir()
    with pytest.raises(BadInput, match="Can't write"):
        files.write_and(lambda: shown.append(1), [ROW])
    assert shown == [1]
    for path in (tmp_path, tmp_path / "rows.json", Path(__file__) / "rows.json"):
        with pytest.raises(BadInput, match="is a folder|Can't write"):
            TableFiles(path)


def test_the_verdict_says_how_far_the_rule_is_from_its_opponents():
    scores = {"meta-trained": 0.842, "untrained": 0.7, "random-init": 0.602, "raw": 0.874, "kmeans": 0.842, "vae": 0.5}
    rows = [ROW | {"encoder": name, "accuracy": accuracy} for name, accuracy in scores.items()]
    rows += [row | {"readout": "logistic"} for row in rows]
    rows.append(ROW | {"steps": 5, "accuracy": 0.1})  # Of a curve the last number of steps counts.
    rows.append(rows.pop(0))
    assert verdict(rows) == (
        "Mean of ridge and logistic: 84.2 %, 24.0 points above the random start, 3.2 below raw inputs, level with "
        "k-means and 34.2 above vae."
    )
    assert verdict(rows[1:3]) is None and verdict([ROW]) is None
    many = [row | {"task": task} for row in rows for task in ("a", "b")]
    assert verdict(many).startswith("Mean of ridge and logistic over 2 data sets: 84.2 %")


def test_plain_progress(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: clock[0])
    screen = console()
    with Progress(100, every=10.0, console=screen) as progress:
        for step in range(1, 101):
            clock[0] += 30.0 if step == 1 else 0.5
            progress.update(step, 2.0)
    lines = screen.file.getvalue().splitlines()
    assert lines[0] == "step 1/100  meta-loss 2.0000"
    # Ten seconds are twenty steps; the first step's thirty seconds of compilation are not in the estimate.
    assert lines[1] == "step 21/100  meta-loss 2.0000  2.00 steps/s  0:40 left"
    assert lines[-1] == "step 100/100  meta-loss 2.0000  2.00 steps/s  0:00 left" and len(lines) == 6


def test_live_progress():
    screen = console(force_terminal=True, width=120)
    with Progress(10, start=4, console=screen) as progress:
        progress.update(5, 0.25)
        progress.say("a note [not markup]")
        progress.update(6, 0.125)
    text = screen.file.getvalue()
    assert "step 6/10  meta-loss 0.1250" in text and "steps/s" in text and "a note [not markup]" in text
