"""A grid of runs is the grid that was asked for, and is summed up as such: with runs that are made up."""

import json
from pathlib import Path

import jax.random as jr
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.commands.learn import _ablate, _compare
from metarule.launch.options._presets import PRESETS
from metarule.launch.records._run_folder import RunFolder
from metarule.launch.training._meta_run import MetaRun
from metarule.meta import diagnose, GradientSamples
from metarule.meta.estimators import TruncatedBackprop


def row(encoder, accuracy):
    return {"encoder": encoder, "task": "digits", "readout": "ridge", "accuracy": accuracy}


@pytest.fixture
def cells(monkeypatch):
    """The runs of a grid, by folder: none is trained, and a rule's accuracy is made of its seed and its folder."""
    made: dict[Path, tuple] = {}

    def cell(training, run, devices=None):
        made[run.run] = training
        worse = 0.02 * (training.seed + 1) if "hebb" in training.rule.without else 0.0
        rows = [row("meta-trained", 0.5 + 0.1 * training.seed - worse), row("untrained", 0.4), row("random-init", 0.3)]
        return MetaRun(RunFolder(run.run), training.steps, 1.0, rows)

    monkeypatch.setattr(_ablate, "cell_run", cell)
    monkeypatch.setattr(_compare, "cell_run", cell)
    monkeypatch.setattr(_ablate, "switched_off", lambda *_: 0.45)
    monkeypatch.setattr(_ablate, "plot_ablation", lambda *_: None)
    return made


def test_an_ablation_trains_every_variant_with_every_seed_and_pairs_them(cells, tmp_path):
    options = "--training.seed 2 --seeds 3 --ingredients hebb".split()
    assert main(["ablate", *options, "--run", str(tmp_path / "grid"), "--json", str(tmp_path / "table.json")]) == 0
    found = {(folder.parent.name, folder.name): training.seed for folder, training in cells.items()}
    names = ("whole-rule", "without-hebb")
    assert found == {(name, f"seed{seed}"): seed for name in names for seed in (2, 3, 4)}
    whole, without = json.loads((tmp_path / "table.json").read_text())
    # Accuracies are 0.7, 0.8 and 0.9; without the ingredient they are lower by 0.06, 0.08 and 0.1.
    np.testing.assert_allclose([whole["accuracy"], without["accuracy"], without["change"]], [0.8, 0.72, -0.08])
    half = 4.302653 * 0.02 / np.sqrt(3)  # Student's t with two degrees of freedom, of differences seed by seed.
    np.testing.assert_allclose(without["change_interval"], half, rtol=1e-5)
    np.testing.assert_allclose(without["switched_off_change"], 0.45 - 0.8)


def test_a_comparison_trains_with_as_many_seeds_as_it_is_to(cells, tmp_path):
    arguments = _compare.Comparison(seeds=3, run=tmp_path)
    training = PRESETS["quick"]
    runs = _compare._meta_train(training, tmp_path / "pes", arguments)
    assert {folder.name: training.seed for folder, training in cells.items()} == {"seed0": 0, "seed1": 1, "seed2": 2}
    found = _compare.learned(runs)
    np.testing.assert_allclose(found["accuracy"], 0.6)
    np.testing.assert_allclose([found["above_untrained"], found["above_random_init"]], [0.2, 0.3])
    np.testing.assert_allclose(found["accuracy_interval"], 4.302653 * 0.1 / np.sqrt(3), rtol=1e-5)


def test_a_comparison_samples_its_reference_by_other_draws_and_four_times_as_often(monkeypatch, tmp_path):
    """Else what both have drawn alike would hide a bias."""
    asked = {}

    def sampled(kept, estimator, where, samples):
        problem, theta, key = where
        asked[kept.relative_to(tmp_path / "grid").as_posix()] = (tuple(jr.key_data(key).tolist()), samples)
        return GradientSamples(np.ones((samples, 3)), 1.0, 0.0, 4.0, 0.1, 0)

    monkeypatch.setattr(_compare, "sampled", sampled)
    monkeypatch.setattr(_compare, "plot_comparison", lambda *_: None)
    sizes = "--networks 4 --ways 3 --shots 2 --sources glyphs --augmentation none".replace("--", "--training.")
    options = [*sizes.split(), "--estimators", "es", "--samples", "3"]
    assert main(["compare", *options, "--run", str(tmp_path / "grid")]) == 0
    (reference, many), (other, few) = asked["reference.npz"], asked["es/samples.npz"]
    assert reference != other and (many, few) == (12, 3)


def test_only_what_chance_does_not_explain_is_called_a_bias():
    """Two samples apart by 0.4 or 0.2 tell their means to a variance of 0.04 and 0.01, together 0.05."""

    def sampled(*means):
        return GradientSamples(np.array(means)[:, None], 1.0, 0.0, 4.0, 0.1, 0)

    reference = sampled(0.9, 1.1)
    near, far = diagnose(sampled(1.0, 1.4), reference), diagnose(sampled(2.0, 2.4), reference)
    np.testing.assert_allclose([near.bias, near.resolution], [0, np.sqrt(0.05)], atol=1e-9)
    np.testing.assert_allclose([far.bias, far.resolution], [np.sqrt(1.2**2 - 0.05), np.sqrt(0.05)])


def test_rules_are_compared_by_what_they_learn_in_equal_time(cells, monkeypatch, tmp_path, capsys):
    slow = {"polynomial": 0.05, "local-loss": 0.2}  # Seconds of a meta-step.
    fake = lambda file, *_: GradientSamples(np.ones((2, 3)), 1.0, 0.0, 4.0, slow[file.parent.name], 0)
    monkeypatch.setattr(_compare, "sampled", fake)
    monkeypatch.setattr(_compare, "plot_rules", lambda *_: None)
    sizes = "--networks 4 --ways 3 --shots 2 --sources glyphs --augmentation none".replace("--", "--training.").split()
    grid = tmp_path / "grid"
    assert main(["compare", *sizes, "--rules", *slow, "--seconds", "2", "--run", str(grid)]) == 0
    found = {(folder.parent.name, training.seed): training.steps for folder, training in cells.items()}
    assert found == {("polynomial", seed): 40 for seed in range(3)} | {("local-loss", seed): 10 for seed in range(3)}
    assert all(type(each.estimator) is TruncatedBackprop for each in cells.values())
    rows = json.loads((grid / "comparison.json").read_text())
    assert [(row["rule"], row["numbers"], row["meta_steps"]) for row in rows] == [
        ("polynomial", 26, 40),
        ("local-loss", 131, 10),
    ]
    np.testing.assert_allclose([row["meta-trained on digits"] for row in rows], 0.6)
    assert "random starts: 30.0 on digits" in " ".join(capsys.readouterr().out.split())
    for options in ([], ["--seconds", "2", "--estimators", "es", "pes"], ["--seconds", "2", "--at", str(grid)]):
        assert main(["compare", *sizes, "--rules", "lean", *options, "--run", str(tmp_path / "none")]) == 2
        assert "--rules are compared by what they learn" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
