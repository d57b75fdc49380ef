import io
import json
import re

import pytest
import rich.console
from metarule.errors import BadInput
from metarule.launch.evaluation._rows import print_table
from metarule.launch.training import _progress
from metarule.launch.training._progress import Progress


ROW = {
    "encoder": "meta-trained", "task": "digits", "readout": "ridge", "accuracy": 0.8512, "stderr": 0.0049,
    "seeds": 10, "labelled": 100, "unlabelled": 12_800, "steps": 200, "seconds": 1.26, "statistics": "frozen",
    "features": 64, "other_rows": False,
}  # fmt: skip


def console(**options):
    return rich.console.Console(file=io.StringIO(), **options)


def test_table(tmp_path):
    screen, rows = console(), [ROW, ROW | {"encoder": "random-init", "accuracy": 0.5}]
    print_table(rows, "held out", json_file=tmp_path / "rows.json", console=screen)
    text = screen.file.getvalue()
    row = next(line for line in text.splitlines() if "meta-trained" in line)
    columns = re.split(r"\s{2,}", row.strip())
    assert columns == ["meta-trained", "digits", "ridge", "85.1 ±0.5", "64", "100", "12,800", "200", "1.3", "no"]
    assert "± is the standard error over 10 seeds" in text
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Can't write"):
        print_table(rows, "held out", json_file=tmp_path / "file" / "rows.json", console=screen)


def test_the_table_fits_80_columns_with_the_usual_names():
    screen = console(force_terminal=True, width=80)
    row = ROW | {"task": "fashion_mnist14", "readout": "logistic"}
    row |= {"features": 1000, "other_rows": True, "unlabelled": 60_000, "steps": 1000, "seconds": 123.4}
    print_table([row, row | {"encoder": "krotov-hopfield"}], "held out", console=screen)
    lines = re.sub("\x1b\\[[0-9;]*m", "", screen.file.getvalue()).splitlines()
    whole = "meta-trained fashion_mnist14 logistic 85.1 ±0.5 1,000 100 60,000 1,000 123 yes"
    assert whole in [" ".join(line.split()) for line in lines] and max(map(len, lines)) <= 80


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
