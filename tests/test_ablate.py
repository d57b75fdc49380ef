"""`metarule ablate`: a grid of small runs, and what it says of them."""

import csv
import json
import os
import signal

import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.options._ingredients import INGREDIENTS, MONOMIALS
from metarule.launch.options._presets import PRESETS
from metarule.launch.studies._ablation import variants_of
from metarule.launch.studies._intervals import Interval
from metarule.launch.training._progress import Progress
from scipy.stats import ttest_1samp


SIZES = (
    "--rule.hidden 4 --rule.signal 2 --rule.readout 1 --networks 4 --ways 3 --shots 2 --batch-sizes 6 "
    "--sources glyphs --augmentation none --estimator.population.tasks 2 --estimator.window.low 2 --horizon.low 4 "
    "--steps 4 --checkpoint-every 100 --validate-every 100 --evaluation-steps 3 --labels 2 --seeds 2"
)
OPTIONS = SIZES.replace("--", "--training.").split() + ["--ingredients", "hebb", "rbf", "--seeds", "2"]


def ablate(folder, *options):
    return main(["ablate", *OPTIONS, "--run", str(folder), *options])


slow = pytest.mark.slow  # Each variant is a program of its own, and takes twenty seconds to compile.


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation") / "whole"
    assert ablate(folder, "--json", str(folder.parent / "table.json")) == 0
    return folder


def accuracy(folder):
    rows = json.loads(folder.read_text())
    return np.mean([row["accuracy"] for row in rows if row["encoder"] == "meta-trained"])


@slow
def test_the_table_says_what_the_runs_say(whole):
    rows = json.loads((whole / "ablation.json").read_text())
    assert json.loads((whole.parent / "table.json").read_text()) == rows
    assert [row["variant"] for row in rows] == ["whole rule", "without hebb", "with rbf"]
    base = [accuracy(whole / "whole-rule" / f"seed{seed}" / "results.json") for seed in range(2)]
    for row in rows:
        folders = [whole / row["variant"].replace(" ", "-") / f"seed{seed}" for seed in range(2)]
        change = [accuracy(folder / "results.json") - b for folder, b in zip(folders, base)]
        np.testing.assert_allclose(row["change"], np.mean(change))
        if row["variant"] == "without hebb":
            off = [accuracy(folder / "switched-off.json") - b for folder, b in zip(folders, base)]
            np.testing.assert_allclose(row["switched_off_change"], np.mean(off))
        else:
            assert row["switched_off_change"] is None
    assert rows[0]["change"] == 0 and rows[1]["seeds"] == 2 and rows[1]["seconds"] > 0
    with open(whole / "ablation.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in table] == [row["accuracy"] for row in rows]
    assert (whole / "ablation.png").read_bytes().startswith(b"\x89PNG")


@slow
def test_a_variant_lacks_its_ingredient_and_one_more_is_put_back(whole):
    def without(name):
        return json.loads((whole / name / "seed0" / "configuration.json").read_text())["rule"]["without"]

    base = without("whole-rule")
    assert without("without-hebb") == [*base, "hebb"] and without("with-rbf") == [x for x in base if x != "rbf"]


@slow
def test_what_is_there_is_not_done_again(whole, capsys):
    made = ("rule.safetensors", "results.json")
    files = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.name in made}
    table = (whole / "ablation.json").read_text()
    assert ablate(whole) == 0
    assert {path: path.stat().st_mtime_ns for path in files} == files and len(files) == 12
    assert (whole / "ablation.json").read_text() == table
    assert ablate(whole, "--training.steps", "5") == 2
    assert "its steps is 4, not 5" in capsys.readouterr().err


@slow
def test_a_grid_that_is_told_to_stop_goes_on(whole, tmp_path, monkeypatch, capsys):
    update = Progress.update

    def stop(self, step, loss):
        update(self, step, loss)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "update", stop)
    assert ablate(tmp_path) == 0
    assert "the same command goes on" in capsys.readouterr().out and not (tmp_path / "ablation.json").exists()
    monkeypatch.undo()
    assert ablate(tmp_path) == 0
    drop = lambda text: [{k: v for k, v in row.items() if k != "seconds"} for row in json.loads(text)]
    assert drop((tmp_path / "ablation.json").read_text()) == drop((whole / "ablation.json").read_text())


def test_the_variants():
    """Every ingredient is either left out or put back, unless it makes no difference."""
    lean, without = PRESETS["quick"], PRESETS["quick"].rule.without
    others = {*MONOMIALS, "monomials", "unit_loss", "pair_loss"}  # Parts of other encodings.
    names = variants_of(lean, ())
    assert {name for name in names if name.startswith("with ")} == {f"with {name}" for name in without}
    assert {name.split(" ")[1] for name in names} >= set(INGREDIENTS) - {
        "lateral",
        "unit_identity",
        "batch_mixing",
        "momentum",
    } - others
    assert "without lateral" not in names and "without lin_upper_symm" in names  # The only lateral term it has.
    assert list(variants_of(lean, ("lateral",))) == ["without lateral"]
    assert {name.split(" ")[1] for name in variants_of(PRESETS["paper"], ())} == (
        set(INGREDIENTS) - others - {"momentum"}
    )
    with pytest.raises(BadInput, match="no ingredient 'batch_mixing'"):
        variants_of(lean, ("batch_mixing",))
    with pytest.raises(BadInput, match="Unknown ingredient 'heb'; did you mean hebb\\? The known ones are 0_order"):
        variants_of(lean, ("heb",))


def test_an_interval_holds_what_a_t_test_does_not_refuse():
    values = [0.1, 0.4, 0.2]
    found = Interval.of(values)
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.mean - found.half, found.mean + found.half], [low, high])
    assert found.text() == "23.3 ± 37.9" and Interval.of([0.1]).text(sign=True) == "+10.0"


@pytest.mark.parametrize("option", [["--seeds", "0"], ["--ingredients", "heb"], ["--preset", "nope"]])
def test_refusals(option, tmp_path):
    assert main(["ablate", *OPTIONS, "--run", str(tmp_path / "run"), *option]) == 2
    assert not (tmp_path / "run").exists()
