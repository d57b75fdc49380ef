"""`metarule compare`: estimators side by side, and what is left behind."""

import json

import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.records._metrics import read_metrics
from metarule.meta import diagnose, GradientSamples


SIZES = (
    "--rule.hidden 4 --rule.signal 2 --rule.readout 1 --networks 4 --ways 3 --shots 2 --batch-sizes 6 "
    "--sources glyphs --augmentation none --horizon.low 4 "
    "--evaluation-steps 3 --labels 2 --seeds 2"
)
OPTIONS = SIZES.replace("--", "--training.").split() + ["--samples", "2", "--seeds", "2"]
OPTIONS += ["--tasks-per-step", "2", "--window", "2"]


def compare(folder, *options):
    return main(["compare", *OPTIONS, "--run", str(folder), *options])


slow = pytest.mark.slow  # Each program of a meta-step takes ten seconds to compile, and there are several.


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison") / "whole"
    assert compare(folder, "--estimators", "tbptt", "evosax:SNES", "--seconds", "0.05") == 0
    return folder


@slow
def test_the_table_says_what_was_sampled(whole):
    rows = json.loads((whole / "comparison.json").read_text())
    assert [row["estimator"] for row in rows] == ["tbptt", "evosax:SNES"]
    samples = [whole / "reference.npz", whole / "tbptt" / "samples.npz"]
    arrays = ({name: x if x.ndim else x.item() for name, x in np.load(path).items()} for path in samples)
    right, found = (GradientSamples(**kept) for kept in arrays)
    assert right.means.shape[0] == 8 and found.means.shape[0] == 2
    expected = diagnose(found, right)
    for name in ("bias", "resolution", "variance", "cosine", "inner_steps", "memory"):
        np.testing.assert_allclose(rows[0][name], getattr(expected, name))
    assert rows[0]["inner_steps"] == 2 * 2 and rows[1]["inner_steps"] == 16 * 1 * 4
    assert (whole / "comparison.png").read_bytes().startswith(b"\x89PNG") and (whole / "comparison.csv").exists()


@slow
def test_what_was_meta_trained_for_equal_time(whole):
    for row in json.loads((whole / "comparison.json").read_text()):
        folder = whole / row["estimator"].replace(":", "-")
        tables = [json.loads((folder / f"seed{seed}" / "results.json").read_text()) for seed in range(2)]
        mean = np.mean([each["accuracy"] for table in tables for each in table if each["encoder"] == "meta-trained"])
        np.testing.assert_allclose(row["accuracy"], mean)
        steps = len(read_metrics(folder / "seed0" / "metrics.jsonl"))
        assert row["meta_steps"] == steps == max(1, round(0.05 / row["seconds"]))


@slow
def test_what_is_there_is_not_done_again(whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*.npz")}
    assert compare(whole, "--estimators", "tbptt", "--seconds", "0.05") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before and len(before) == 3
    assert compare(whole, "--estimators", "tbptt", "--samples", "3") == 2
    assert "samples is 2, not 3" in capsys.readouterr().err


@slow
def test_without_meta_training_against_the_smoothed_loss(tmp_path, capsys):
    assert compare(tmp_path, "--estimators", "full-es", "--reference", "full-es") == 0
    (row,) = json.loads((tmp_path / "comparison.json").read_text())
    assert "accuracy" not in row and row["bias"] <= 3 * row["resolution"]
    assert "full-es" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, said",
    [
        ("--samples 1", "--samples needs 2 or more"),
        ("--estimators gradient", "Unknown estimator 'gradient'; the known ones are tbptt, backprop, es"),
        ("--window 0", "1 <= low <= high"),
        ("--at nowhere", "no rule at nowhere"),
    ],
)
def test_refusals(options, said, tmp_path, capsys):
    assert compare(tmp_path / "run", *options.split()) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()
