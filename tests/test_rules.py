"""What a rule is: it sees inputs and activity, changes what it is given, and fits what it says that it fits."""

import inspect
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import metarule.rules
import numpy as np
import pytest
from jaxtyping import Array, Int
from metarule.errors import BadInput
from metarule.models import MultiLayerPerceptron
from metarule.rules import (
    AbstractRule,
    fit,
    lean,
    released,
    SeparateWeights,
    TransposedWeights,
    without_separate_feedback,
)


# Sizes are few and steps are not compiled as a whole: every operation is compiled once for all of these tests.
RULES = {
    "lean": lambda key: lean(key, hidden=4, signal=2, readout=1),
    "released": lambda key: released(4, key, hidden=4, signal=2, readout=1, top_hidden=4),
}
X = jr.normal(jr.key(5), (6, 5))


def base_model(*widths, activation=jax.nn.relu):
    return MultiLayerPerceptron(widths, activation, weight_scale=0.5)((5,), jr.key(1))


@pytest.fixture(scope="module")
def rules():
    return {name: make(jr.key(0)) for name, make in RULES.items()}


@pytest.fixture(scope="module")
def updates(rules):
    model = base_model(5, 4)
    return model, {name: rule.update(model, X, rule.init(model))[0] for name, rule in rules.items()}


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), eqx.filter(tree, eqx.is_array))


def distance(one, other):
    return max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other)))


@pytest.mark.parametrize("name", RULES)
def test_an_update_is_shaped_like_the_model(name, rules, updates):
    model, by_name = updates
    update = by_name[name]
    assert shapes(update) == shapes(model)
    assert shapes(eqx.apply_updates(model, update)) == shapes(model)
    for leaf in jax.tree.leaves(update):
        assert jnp.isfinite(leaf).all() and jnp.abs(leaf).max() > 0
    assert rules[name].update(model, X, None)[1] is None


def test_no_rule_can_be_given_labels():
    kinds = [each for each in vars(metarule.rules).values() if inspect.isclass(each) and issubclass(each, AbstractRule)]
    assert len(kinds) > 1
    for kind in kinds:
        assert list(inspect.signature(kind.update).parameters) == ["self", "model", "x", "state"]
        assert list(inspect.signature(kind.init).parameters) == ["self", "model"]


@pytest.mark.parametrize(
    "widths, activation", [((1,), jnp.tanh), ((5, 4), jax.nn.swish), ((5, 4, 5, 4, 5), jax.nn.relu)]
)
def test_the_lean_rule_fits_any_network(widths, activation, rules):
    model = base_model(*widths, activation=activation)
    update, _ = rules["lean"].update(model, X, None)
    assert shapes(update) == shapes(model)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(update))
    assert all(jnp.abs(layer.synapses[0].w).max() > 0 for layer in update.layers)


def test_the_released_rule_fits_one_number_of_features(rules):
    with pytest.raises(BadInput, match="fits base models with 4 features, not 5"):
        rules["released"].update(base_model(4, 5), X, None)
    rules["released"].update(base_model(5, 5, 4), X, None)


def test_the_lean_rule_does_not_know_the_order_of_a_batch(rules, updates):
    model, by_name = updates
    order = jnp.array([3, 0, 5, 1, 4, 2])
    shuffled, _ = rules["lean"].update(model, X[order], None)
    assert distance(by_name["lean"], shuffled) < 1e-5
    mixing = lean(jr.key(0), hidden=4, signal=2, readout=1, width=3)
    one, other = (mixing.update(model, x, None)[0] for x in (X, X[order]))
    assert distance(one, other) > 1e-3


def test_an_update_looks_at_the_inputs(rules, updates):
    model, by_name = updates
    for name, rule in rules.items():
        other, _ = rule.update(model, X**2, None)
        assert distance(by_name[name], other) > 1e-2 * distance(by_name[name], jax.tree.map(jnp.zeros_like, other))


def test_transposed_feedback_is_feedback_through_equal_weights(rules):
    rule, model = rules["lean"], base_model(5, 4)
    transposed = without_separate_feedback(rule)
    assert isinstance(rule.feedback, SeparateWeights) and isinstance(transposed.feedback, TransposedWeights)
    forward = [layer.synapses[0].w for layer in model.layers]
    equal = eqx.tree_at(lambda it: [layer.synapses[0].v for layer in it.layers], model, forward)
    one, other = transposed.update(model, X, None)[0], rule.update(equal, X, None)[0]
    for ours, theirs in zip(one.layers, other.layers):
        np.testing.assert_array_equal(ours.synapses[0].w, theirs.synapses[0].w)
        np.testing.assert_array_equal(ours.synapses[0].b, theirs.synapses[0].b)
    separate, _ = rule.update(model, X, None)
    assert distance(separate.layers[0].synapses[0].w, one.layers[0].synapses[0].w) > 1e-4


def test_feedback_weights_change_as_forward_weights_do(rules, updates):
    model, by_name = updates
    step_size = math.exp(float(rules["lean"].log_step_size))
    for layer, change in zip(model.layers, by_name["lean"].layers):
        (synapse,), (step,) = layer.synapses, change.synapses
        np.testing.assert_allclose(step.v + step_size * synapse.v, step.w + step_size * synapse.w, rtol=0, atol=1e-6)


class Journal(AbstractRule):
    """Writes down in its memory what it saw, and adds its rate to every weight."""

    rate: Array

    def init(self, model) -> tuple[Int[Array, ""], Array]:
        return jnp.zeros((), jnp.int32), jnp.zeros((8, 3, 1))

    def update(self, model, x, state):
        count, seen = state
        updates = jax.tree.map(lambda leaf: jnp.broadcast_to(self.rate, leaf.shape), model)
        return updates, (count + 1, seen.at[count].set(x))


EXAMPLES = jnp.arange(10.0)[:, None]


def journey(steps, seed=0, examples=EXAMPLES):
    rule, model = Journal(jnp.asarray(0.5)), MultiLayerPerceptron((2,))((1,), jr.key(0))
    end, (count, seen) = compiled_fit(rule, (model, rule.init(model)), examples, steps, jr.key(seed))
    return model, end, int(count), np.asarray(seen)


TRACES = []


@eqx.filter_jit
def compiled_fit(rule, carried, examples, steps, key):
    TRACES.append(None)
    return fit(rule, carried, examples, steps, batch_size=3, key=key)


def test_fit_applies_the_rule_and_carries_its_memory():
    model, end, count, seen = journey(jnp.asarray(5))
    assert count == 5
    for before, after in zip(jax.tree.leaves(model), jax.tree.leaves(end)):
        np.testing.assert_allclose(after, before + 2.5, rtol=1e-6)
    assert set(seen[:5].ravel()) <= set(range(10)) and len(set(seen[:5].ravel())) > 5 and not seen[5:].any()
    assert any(not np.array_equal(seen[0], seen[step]) for step in range(1, 5))


def test_fit_repeats_itself_by_its_key():
    *_, seen = journey(jnp.asarray(5))
    np.testing.assert_array_equal(journey(jnp.asarray(5))[3], seen)
    np.testing.assert_array_equal(journey(jnp.asarray(2))[3][:2], seen[:2])
    assert not np.array_equal(journey(jnp.asarray(5), seed=1)[3], seen)


def test_fit_without_steps_changes_nothing():
    model, end, count, _ = journey(jnp.asarray(0))
    assert count == 0 and eqx.tree_equal(model, end)


def test_another_number_of_steps_compiles_nothing():
    journey(jnp.asarray(1))
    before = len(TRACES)
    for steps in (2, 3, 8):
        assert journey(jnp.asarray(steps))[2] == steps
    assert len(TRACES) == before
