"""Models whose layers receive from several populations: what they compute, and how rules change and freeze them."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float
from metarule.models import AbstractWire, Connection, freeze, Layer, Model, Synapse
from metarule.rules import lean, Momentum, Oja


def synapse(pre, post, seed):
    w, v = jr.normal(jr.key(seed), (2, pre, post))
    return Synapse(w, 0.1 * jr.normal(jr.key(seed + 100), (post,)), v)


@pytest.fixture(scope="module")
def graph():
    """Inputs (4) -> 1 (3); inputs and 1 -> 2 (3), to which 1 is added; inputs -> 3 (2), a dead end; 2 -> 4 (2)."""
    to = lambda source, pre, post, seed: Connection(synapse(pre, post, seed), source=source)
    return Model(
        (
            Layer((to(0, 4, 3, 1),), jax.nn.relu),
            Layer((to(0, 4, 3, 2), to(1, 3, 3, 3)), jax.nn.relu, skip=1),
            Layer((to(0, 4, 2, 4),), jax.nn.relu),
            Layer((to(2, 3, 2, 5),), jax.nn.relu),
        )
    )


@pytest.fixture(scope="module")
def x():
    return jr.normal(jr.key(0), (6, 4))


def test_a_layer_adds_what_its_connections_bring(graph, x):
    """By hand, in NumPy."""
    layers = [[(np.asarray(s.w), np.asarray(s.b)) for s in layer.synapses] for layer in graph.layers]
    normal = lambda sums: (sums - sums.mean(0)) / np.sqrt(sums.var(0) + 1e-6)
    relu = lambda z: np.maximum(z, 0)
    ((w1, b1),), ((w2, b2), (w12, b12)), _, ((w4, b4),) = layers
    first = relu(normal(x @ w1) + b1)
    second = relu(normal(x @ w2 + first @ w12) + b2 + b12) + first
    np.testing.assert_allclose(graph(x)[0], relu(normal(second @ w4) + b4), atol=1e-5)
    np.testing.assert_allclose(graph.features(x), graph(x)[0], atol=1e-6)


def test_two_connections_are_one_with_joined_weights(x):
    """Two synapses that receive the halves of the inputs, against one that receives both."""
    first, second = synapse(4, 3, 1), synapse(4, 3, 2)
    split = Model((Layer((Connection(first), Connection(second)), jax.nn.relu),))
    w, v = (jnp.concatenate(pair) for pair in ((first.w, second.w), (first.v, second.v)))
    joined = Synapse(w, first.b + second.b, v)
    single = Model((Layer((Connection(joined),), jax.nn.relu),))
    doubled = jnp.concatenate([x, x], 1)
    np.testing.assert_allclose(split(x)[0], single(doubled)[0], atol=1e-5)
    np.testing.assert_allclose(freeze(split, x)(x[:2])[0], freeze(single, doubled)(doubled[:2])[0], atol=1e-5)


def test_a_frozen_graph_does_not_mix_examples(graph, x):
    frozen = freeze(graph, x)
    assert all(layer.epsilon is None for layer in frozen.layers)
    np.testing.assert_allclose(frozen(x)[0], graph(x)[0], atol=1e-5)
    np.testing.assert_allclose(frozen(x[:2])[0], graph(x)[0][:2], atol=1e-5)
    assert not np.allclose(graph(x[:2])[0], graph(x)[0][:2], atol=1e-2)


def test_a_learned_rule_changes_all_that_a_signal_reaches(graph, x):
    rule = lean(jr.key(0), hidden=3, signal=2, readout=1)
    updates, _ = eqx.filter_jit(rule.update)(graph, x, None)
    assert jax.tree.structure(updates) == jax.tree.structure(graph)
    for index, layer in enumerate(updates.layers):
        for each in jax.tree.leaves(layer):
            assert np.isfinite(each).all()
            assert (np.abs(each).max() > 0) == (index != 2)  # The dead end: no signal comes back from there.


def test_a_synaptic_rule_changes_every_synapse_by_itself(graph, x):
    updates, _ = eqx.filter_jit(Oja().update)(graph, x, None)
    alone = eqx.filter_jit(Oja().change)(graph.layers[1].synapses[1], graph(x)[1][1][1])
    np.testing.assert_allclose(updates.layers[1].synapses[1].w, alone.w, atol=1e-5)
    assert all(np.abs(each.w).max() > 0 for each in updates.synapses)


def test_the_signals_that_come_to_a_population_are_added(x):
    """To a population come the signal through the synapse above it and the one along the skip connection."""
    rule = lean(jr.key(0), hidden=3, signal=2, readout=1)
    above = synapse(3, 3, 2)
    first = Layer((Connection(synapse(4, 3, 1)),), jax.nn.relu)
    model = Model((first, Layer((Connection(above, source=1),), jax.nn.relu, skip=1)))

    @eqx.filter_jit
    def signals(model):
        trace = model.trace(x)
        return rule.signals(model, trace, rule.top(trace, None)[0])

    _, hidden, last = signals(model)
    back = rule.feedback(above, last.outgoing)
    total = back.first + last.outgoing.first
    scale = np.sqrt((total**2).mean(0) + 1e-6)
    np.testing.assert_allclose(hidden.incoming.first, total / scale, rtol=1e-3, atol=1e-4)


@final
class Weighted(AbstractWire):
    """A wire with an array of its own, which no rule trains."""

    scale: Float[Array, " unit"]

    def context(self, values):
        return None

    def up(self, values, context):
        return self.scale * values

    def fold(self, weights, units):
        return weights


@pytest.mark.parametrize(
    "rule",
    [Oja(), Momentum.create(Oja()), lean(jr.key(0), hidden=3, signal=2, readout=1)],
    ids=lambda it: type(it).__name__,
)
def test_rules_leave_the_arrays_of_wires_as_they_are(rule, x):
    model = Model((Layer((Connection(synapse(4, 3, 1), Weighted(jnp.arange(4.0))),), jax.nn.relu),))
    updates, _ = eqx.filter_jit(rule.update)(model, x, rule.init(model))
    changed = eqx.apply_updates(model, updates).layers[0].connections[0]
    np.testing.assert_array_equal(changed.wire.scale, jnp.arange(4.0))
    assert not np.array_equal(changed.synapse.w, model.synapses[0].w)
