"""Other encodings of a rule than hidden states in every neuron: what each computes; each is trained by its name."""

import dataclasses
import os
import signal
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import metarule
import numpy as np
import pytest
from metarule.launch.__main__ import main
from metarule.launch.options._ingredients import terms_of
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._recipes import recipe
from metarule.launch.records._metrics import read_metrics
from metarule.launch.studies._ablation import variants_of
from metarule.launch.training._progress import Progress
from metarule.models import Activity, Connection, Layer, Model, MultiLayerPerceptron, Synapse
from metarule.rules import (
    AbstractTop,
    Bidirectional,
    local_loss,
    Monomial,
    polynomial,
    SeparateWeights,
    Site,
    States,
    unit_rms,
)


GENERATOR = np.random.default_rng(0)
X, W = GENERATOR.normal(size=(40, 5)), GENERATOR.normal(size=(5, 4))
Y = np.maximum(GENERATOR.normal(size=(40, 4)), 0)
SITE = Site(unit_rms(jnp.asarray(W)), Activity(*map(jnp.asarray, (X, Y, Y))), *[States(jnp.zeros((0, 40, 1)))] * 2)


def test_a_monomial_is_the_mean_product_of_its_powers():
    w = W / np.sqrt((W**2).mean(0))
    x, y = (X - X.mean(0)) / X.std(0), Y / np.sqrt((Y**2).mean())
    expected = [[np.mean(x[:, i] ** 2 * y[:, j]) * w[i, j] ** 3 for j in range(4)] for i in range(5)]
    # A rule subtracts its terms: a positive coefficient then adds the product.
    np.testing.assert_allclose(-Monomial(pre=2, post=1, weight=3)(SITE, (), ()), expected, rtol=1e-4)


def test_no_term_of_the_polynomial_stands_for_another():
    """Their bounded changes of one matrix are linearly independent, and all can be told by their names."""
    change = polynomial(jr.key(0)).weight_change
    x, y = jr.normal(jr.key(1), (40, 9)), jax.nn.relu(jr.normal(jr.key(2), (40, 8)) + jnp.linspace(-1, 1, 8))
    wide = Activity(x, y, y)
    site = Site(unit_rms(jr.normal(jr.key(3), (9, 8))), wide, SITE.lower, SITE.upper)
    bounded = [each / np.sqrt(change.epsilon + (each**2).mean(0)) for each in map(np.asarray, change.changes(site))]
    changes = np.stack([np.ravel(each) for each in bounded] + [np.ones(72)])
    changes /= np.linalg.norm(changes, axis=1, keepdims=True)
    assert np.linalg.svd(changes, compute_uv=False)[-1] > 1e-3
    assert len(set(terms_of(polynomial(jr.key(0))))) == len(change.terms) == 21
    assert "Monomial" not in terms_of(polynomial(jr.key(0)))


def test_biases_of_the_polynomial_change_by_the_activity_alone():
    rule = eqx.tree_at(lambda it: it.bias_change, polynomial(jr.key(0), step_size=0.5), jnp.array([0.3, -2.0, 1.0]))
    synapse = Synapse(jnp.asarray(W), jnp.full(4, 0.25), jnp.asarray(W))
    change = rule.change(synapse, SITE.activity)
    expected = -0.5 * (0.25 + 0.3 - 2 * Y.mean(0) + (Y**2).mean(0))
    np.testing.assert_allclose(change.b, expected, rtol=1e-5)
    assert not change.v.any()


@final
class Descent(AbstractTop):
    """The derivative of each example's loss, the sum of its features' sines: what backpropagation begins with."""

    def init(self, model):
        return None

    def __call__(self, trace, memory):
        return States(jnp.stack([jnp.ones_like(trace.features), jnp.cos(trace.features)])), memory


@pytest.mark.parametrize("normalised", [True, False])
def test_backpropagation_is_two_states_with_the_right_constants(normalised):
    """A step is that of gradient descent, by JAX's own derivative, through batch normalisation or without."""
    with jax.enable_x64(True):
        model = MultiLayerPerceptron((6, 5, 4), jnp.tanh, weight_scale=0.5)((7,), jr.key(0))
        if not normalised:
            model = Model(tuple(dataclasses.replace(layer, epsilon=None) for layer in model.layers))
        model = eqx.tree_at(lambda it: [each.b for each in it.synapses], model, replace_fn=lambda b: b + 0.3)
        x = jr.normal(jr.key(1), (9, 7))
        gradient = jax.grad(lambda model: jnp.sin(model(x)[0]).sum(1).mean())
        expected = jax.tree.map(lambda leaf: -0.2 * leaf, gradient(model))
        updates, _ = Bidirectional.backpropagation(Descent(), 0.2).update(model, x, None)
        for one, other in zip(updates.synapses, expected.synapses):
            assert jnp.abs(other.w).max() > 1e-3
            np.testing.assert_allclose(one.w, other.w, atol=1e-12)
            np.testing.assert_allclose(one.b, other.b, atol=1e-12)


def test_the_matrices_of_a_bidirectional_rule_mix_states(getkey):
    """Two layers of one unit and one example, by hand, without normalisation."""
    k = 2
    forward, backward = jr.normal(getkey(), (k, k)), jr.normal(getkey(), (k, k))
    synapse, bias = jr.normal(getkey(), (2 * k, 2 * k)), jr.normal(getkey(), (2 * k,))
    w, v, x = (0.7, -0.4), (0.5, 1.1), 0.8
    layers = tuple(
        Layer((Connection(Synapse(*map(jnp.asarray, ([[w[i]]], [0.1], [[v[i]]]))), source=i),), jnp.tanh, None)
        for i in range(2)
    )
    rule = Bidirectional(Descent(), forward, backward, synapse, bias, jnp.log(0.5), SeparateWeights(), None, 1.0)
    updates, _ = rule.update(Model(layers), jnp.array([[x]]), None)
    up = [np.array([x, 1.0])]
    for i in range(2):
        y = np.tanh(w[i] * up[i][0] + 0.1)
        up.append(np.array([y, (1 - y**2) * (1 + sum(forward[d, 1] * w[i] * up[i][d] for d in range(k)))]))
    arrived, down = np.array([1.0, np.cos(up[2][0])]), [None, None, None]
    for i in (2, 1, 0):
        down[i] = np.array([up[i][c] * sum(backward[d, c] * arrived[d] for d in range(k)) for c in range(k)])
        arrived = v[i - 1] * down[i]
    for i, found in enumerate(updates.synapses):
        below, above = (np.concatenate([up[j], down[j]]) for j in (i, i + 1))
        np.testing.assert_allclose(found.w, [[-0.5 * (w[i] + below @ synapse @ above)]], rtol=1e-4)
        np.testing.assert_allclose(found.b, [-0.5 * (0.1 + bias @ above)], rtol=1e-4)


def by_hand(rule, w, b, x):
    """The loss of a layer, one unit, one row and one pair after the other."""

    def network(part, values):
        hidden, output = part.network.hidden, part.network.output
        inside = np.tanh(values @ np.asarray(hidden.weight) + np.asarray(hidden.bias))
        return (inside @ np.asarray(output.weight) + np.asarray(output.bias)).item()

    unit, pair = rule.losses
    sums = (x @ w - (x @ w).mean(0)) / np.sqrt((x @ w).var(0) + 1e-6)
    rows, units = sums.shape
    z = sums + b
    alone = [
        network(unit, np.array([z[e, i], z[e].mean(), (z[e] ** 2).mean()])) for e in range(rows) for i in range(units)
    ]
    others = [(i, j) for i in range(units) for j in range(units) if i != j]
    correlations = [(sums[:, i] * sums[:, j]).mean() for i, j in others]
    apart = [each**2 + network(pair, np.array([each])) for each in correlations]
    return sum(alone) / rows + sum(apart) / (units - 1)


def test_a_synapse_descends_the_loss_of_its_own_layer():
    """The change by central differences of the loss by hand; the bound is over receptive fields."""
    with jax.enable_x64(True):
        rule, b = local_loss(jr.key(0), hidden=3, step_size=0.5), GENERATOR.normal(size=4)
        found = rule.change(Synapse(*map(jnp.asarray, (W, b, W))), SITE.activity)

        def slopes(values, loss):
            steps = [1e-5 * step.reshape(values.shape) for step in np.eye(values.size)]
            return np.reshape([(loss(values + h) - loss(values - h)) / 2e-5 for h in steps], values.shape)

        of_w, of_b = slopes(W, lambda w: by_hand(rule, w, b, X)), slopes(b, lambda b: by_hand(rule, W, b, X))
    np.testing.assert_allclose(found.w, -0.5 * (W + of_w / np.sqrt(0.01 + (of_w**2).mean(0))), rtol=1e-5)
    np.testing.assert_allclose(found.b, -0.5 * (b + of_b / np.sqrt(1 + (of_b**2).mean())), rtol=1e-5)
    assert not found.v.any() and np.abs(of_w).max() > 0.01


NAMES = ("polynomial", "bidirectional", "local-loss")
SIZES = (
    "--networks 4 --ways 3 --shots 2 --batch-sizes 6 --averaging 0.5 --sources glyphs --augmentation none "
    "--estimator.population.tasks 2 --estimator.window.low 2 --horizon.low 4 --steps 4 --checkpoint-every 100 "
    "--validate-every 100 --evaluation-steps 3 --labels 2 --seeds 2 --devices 1"
)


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_by_name_is_trained_resumed_saved_and_loaded(name, tmp_path, monkeypatch):
    def train(folder, *options):
        assert main(["train", "--rule", name, *SIZES.split(), "--run", str(tmp_path / folder), *options]) == 0
        return [line["meta_loss"] for line in read_metrics(tmp_path / folder / "metrics.jsonl")]

    losses = train("whole")
    assert len(losses) == 4 and np.isfinite(losses).all()
    update = Progress.update

    def stop(self, step, loss):
        update(self, step, loss)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "update", stop)
    assert len(train("parts", "--held-out")) == 2
    monkeypatch.undo()
    assert train("parts", "--held-out", "--resume") == losses
    whole, parts = (metarule.load_rule(tmp_path / folder) for folder in ("whole", "parts"))
    assert eqx.tree_equal(whole, parts)
    fresh = recipe(name).build(jr.fold_in(jr.key(0), 0))
    assert jax.tree.structure(fresh) == jax.tree.structure(whole) and not eqx.tree_equal(fresh, whole)


@pytest.mark.parametrize("name", NAMES)
def test_each_part_of_a_rule_by_name_can_be_left_out(name):
    training = dataclasses.replace(PRESETS["quick"], rule=recipe(name))
    variants = variants_of(training, ())
    assert "without decay" in variants
    assert name != "polynomial" or {f"without {term}" for term in terms_of(polynomial(jr.key(0)))} < set(variants)
