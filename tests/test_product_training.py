"""Which rule a run leaves behind: the best validated moving average, also where it was interrupted."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import jax.random as jr
import metarule.launch.training._meta_training as meta_training
import numpy as np
import orbax.checkpoint as ocp
import pytest
import safetensors.numpy
from metarule.launch.__main__ import main
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._problems import problems_of
from metarule.launch.options._recipes import build
from metarule.launch.records._metrics import read_metrics
from metarule.launch.records._rule_file import load_rule
from metarule.launch.records._run_folder import RunFolder
from metarule.launch.training._experiment import optimiser_of
from metarule.meta import rollout_loss


# Those of `test_train.py`, so that both compile one program; validated at every step, and no table.
SIZES = (
    "--rule.hidden 4 --rule.signal 2 --rule.readout 1 --networks 4 --ways 3 --shots 2 --batch-sizes 6 --averaging 0.5 "
    "--sources glyphs --augmentation none --estimator.population.tasks 2 --estimator.window.low 2 --horizon.low 4 "
    "--steps 8 --checkpoint-every 2 --validate-every 1 --evaluation-steps 3 --labels 2 --seeds 2 --held-out"
).split()
LOSSES = [0.9, 0.5, 0.7, 0.8, 0.6, 0.55, 0.51, 0.7]
BEST = 2  # The step whose rule has the lowest of these.


def train(folder, *options):
    return main(["train", *SIZES, "--run", str(folder), *options])


def arrays(path):
    return {name: array.tobytes() for name, array in safetensors.numpy.load_file(path).items()}


def snapshots(folder):
    return {step: arrays(path) for step, path in RunFolder(folder).snapshots.items()}


def validations(folder):
    return [line["best_validation_loss"] for line in read_metrics(folder / "metrics.jsonl")]


def steered(folder, losses, *options):
    """A run whose validations end in these losses, one after the other; the rules that were validated."""
    coming, validated = iter(losses), []

    def steer(problem, theta, key, runs, steps):
        validated.append(sorted(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(theta)))
        return jnp.asarray(next(coming), float)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meta_training, "rollout_loss", steer)
        assert train(folder, *options) == 0
    return validated


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "steered"
    return folder, steered(folder, LOSSES)


def test_the_rule_is_the_best_validated_one(run):
    folder, _ = run
    kept, along = arrays(folder / "rule.safetensors"), snapshots(folder)
    assert list(along) == list(range(9))
    assert [step for step, found in along.items() if found == kept] == [BEST]
    np.testing.assert_allclose(validations(folder), np.minimum.accumulate(LOSSES), rtol=1e-6)


def test_what_is_validated_and_kept_along_the_way_is_the_moving_average(run):
    folder, validated = run
    along = snapshots(folder)
    assert validated == [sorted(along[step].values()) for step in range(1, 9)]
    saved = ocp.StandardCheckpointer().restore((folder / "checkpoints" / "8" / "state").absolute())
    part = lambda name: {
        path.removeprefix(f"meta.{name}."): np.asarray(leaf).tobytes()
        for path, leaf in saved.items()
        if path.startswith(f"meta.{name}.")
    }
    assert along[8] == part("average") != part("theta")


def test_a_resume_knows_how_good_the_best_rule_was(run, tmp_path):
    """Cut off after step 4, it does not take the next rule that is worse."""
    folder, _ = run
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for step in (6, 8):
        shutil.rmtree(tmp_path / "checkpoints" / str(step))
    (tmp_path / "rule.safetensors").unlink()
    steered(tmp_path, LOSSES[4:], "--resume")
    assert arrays(tmp_path / "rule.safetensors") == arrays(folder / "rule.safetensors")
    assert snapshots(tmp_path) == snapshots(folder) and validations(tmp_path) == validations(folder)


def test_what_training_leaves_is_better_than_what_it_began_with(tmp_path):
    """On validation problems, by draws that it did not choose by."""
    assert train(tmp_path, "--seed", "1") == 0
    found = validations(tmp_path)
    assert found == sorted(found, reverse=True) and found[-1] < found[0]
    options = json.loads((tmp_path / "configuration.json").read_text())
    fields = ("networks", "sources", "augmentation", "ways", "shots", "batch_sizes")
    like = {name: tuple(x) if isinstance(x := options[name], list) else x for name in fields}
    _, (validation,) = problems_of(dataclasses.replace(PRESETS["quick"], **like), None)
    rules = [load_rule(path, build) for path in (RunFolder(tmp_path).snapshot(0), tmp_path / "rule.safetensors")]
    before, after = (float(rollout_loss(validation, rule, jr.key(99), 16, 3)) for rule in rules)
    assert after < before


def stepped(gradients, **changes):
    """The steps that a training's optimiser makes of these gradients."""
    optimiser = optimiser_of(dataclasses.replace(PRESETS["quick"], **changes))

    def step(state, gradient):
        update, state = optimiser.update(gradient, state)
        return state, update

    gradients = jnp.asarray(gradients)
    return np.asarray(jax.lax.scan(step, optimiser.init(gradients[0]), gradients)[1])


def test_one_huge_gradient_counts_as_one_of_length_one():
    """Else Adam would take a thousand times smaller steps for as long as it remembers."""
    small, huge, cut = [0.3, 0.4], [3e3, 4e3], [0.6, 0.8]
    found = stepped([small, huge, small, small])
    np.testing.assert_allclose(found, stepped([small, cut, small, small]), rtol=1e-5)
    assert np.abs(found - stepped([small, small, small, small])).max() > 1e-5  # Shorter ones stay as they are.


def test_the_learning_rate_warms_up_to_its_peak_and_falls_to_a_tenth():
    """Under a constant gradient Adam's steps are the learning rate."""
    rates = -stepped(np.full((51, 1), 0.5), learning_rate=0.02, steps=50)[:, 0]
    np.testing.assert_allclose([rates[0], rates[5], rates[-1]], [0.002, 0.02, 0.002], rtol=1e-3)
    assert (np.diff(rates[:6]) > 0).all() and (np.diff(rates[5:]) < 0).all()
