"""Transformers as base models: what the wire of attention carries, and how a learned rule trains them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.options._recipes import Lean
from metarule.models import Connection, Kernel, Layer, Mixing, Model, Pool, Straight, Synapse, Transformer
from metarule.rules import lean
from toys import assert_gradient_is_that_of_finite_differences


@pytest.fixture(scope="module")
def rule():
    return lean(jr.key(0), hidden=3, signal=2, readout=1)


def test_mixing_is_attention():
    """Against JAX's own."""
    queries, keys, values = jr.normal(jr.key(0), (3, 2, 2, 3, 8))
    wire = Mixing(0, 1, heads=2)
    found = wire.up(values, wire.context([queries, keys, values]))
    by_head = [each.reshape(2, 6, 2, 4) for each in (queries, keys, values)]
    np.testing.assert_allclose(found.reshape(2, 6, 2, 4), jax.nn.dot_product_attention(*by_head), atol=1e-5)


def test_signals_go_back_by_the_transposed_mixture():
    with jax.enable_x64():
        q, k, values, signal = jr.normal(jr.key(0), (4, 2, 2, 3, 4))
        wire = Mixing(0, 1, heads=2)
        context = wire.context([q, k])
        _, back = jax.vjp(lambda values: wire.up(values, context), values)
        down = wire.down(signal, jax.ShapeDtypeStruct(values.shape, values.dtype), context)
        np.testing.assert_allclose(down, back(signal)[0], atol=1e-12)


def attention(units, wire, key):
    """Queries, keys and values of the inputs, 0, and what a synapse makes of their mixtures."""

    def layer(source, wire, key):
        w, v = 0.5 * jr.normal(key, (2, units, units))
        return Layer((Connection(Synapse(w, jnp.zeros(units), v), wire, source),), jnp.tanh)

    first, second, third, last = jr.split(key, 4)
    below = [layer(0, Straight(), each) for each in (first, second, third)]
    return Model((*below, layer(3, wire, last)), Pool(1))


def test_attention_with_one_token_is_a_perceptron(rule):
    """To the last bit: its features, and how a learned rule changes the synapse behind the mixture."""
    x, both = jr.normal(jr.key(1), (5, 1, 1, 4)), [Mixing(1, 2, heads=2), Straight()]
    ours, wanted = (attention(4, wire, jr.key(2)) for wire in both)
    np.testing.assert_array_equal(ours(x)[0], wanted(x)[0])
    ours, wanted = (eqx.filter_jit(rule.update)(model, x, None)[0].synapses for model in (ours, wanted))
    np.testing.assert_array_equal(ours[3].w, wanted[3].w)
    for query_or_key in (0, 1):  # They hear of what they mix: without a mixture nobody tells them anything.
        assert np.abs(ours[query_or_key].w).max() > 0 and not wanted[query_or_key].w.any()


def test_a_transformer_of_one_token_is_a_perceptron():
    x = jr.normal(jr.key(1), (5, 3, 3, 1))
    one = Transformer(Kernel(3, 1, 4), heads=2, grid=1)((3, 3, 1), jr.key(2))
    is_mixing = lambda each: isinstance(each, Mixing)
    dense = jax.tree.map(lambda each: Straight() if is_mixing(each) else each, one, is_leaf=is_mixing)
    np.testing.assert_array_equal(one(x)[0], dense(x)[0])


def test_a_token_hears_of_those_it_goes_into(rule):
    """Signals of queries are those of their own tokens, signals of keys come back through the mixture."""
    x, model = jr.normal(jr.key(1), (4, 2, 2, 4)), attention(4, Mixing(1, 2), jr.key(2))

    @eqx.filter_jit
    def signals(model):
        trace = model.trace(x)
        return rule.signals(model, trace, rule.top(trace, None)[0]), trace.contexts[3][0]

    found, weights = signals(model)
    scaled = lambda states: states / np.sqrt((states**2).mean(0) + 1e-6)
    heard = np.asarray(rule.feedback(model.synapses[3], found[4].outgoing).first)
    back = np.einsum("ets,cetu->cesu", weights[:, 0], heard.reshape(-1, 4, 4, 4)).reshape(heard.shape)
    np.testing.assert_allclose(found[1].incoming.first, scaled(heard), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[2].incoming.first, scaled(back), rtol=1e-3, atol=1e-4)


def test_meta_gradient_is_that_of_finite_differences():
    """Of one step of the lean rule and the features after it, along random directions, in float64."""
    with jax.enable_x64():
        x, goal = jr.normal(jr.key(1), (4, 2, 1, 2)), jr.normal(jr.key(2), (4, 2))
        model, theta = attention(2, Mixing(1, 2), jr.key(3)), Lean(hidden=3, signal=2, readout=1).build(jr.key(4))
        theta = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), theta)
        vector, rebuild = jax.flatten_util.ravel_pytree(theta)

        def loss(vector):
            updates, _ = rebuild(vector).update(model, x, None)
            return ((eqx.apply_updates(model, updates)(x)[0] - goal) ** 2).mean()

        assert_gradient_is_that_of_finite_differences(loss, vector)


@pytest.mark.parametrize("sizes", [(Kernel(2, 1, 5), 2), (Kernel(2, 1, 4), 0), (Kernel(2, 0, 4), 1)])
def test_heads_divide_the_units(sizes):
    with pytest.raises(BadInput, match="heads that divide its units"):
        Transformer(*sizes)


@pytest.mark.parametrize("shape, sentence", [((9,), "needs images"), ((3, 3, 1), "4 x 4 does not fit")])
def test_what_is_no_image_of_patches_is_refused(shape, sentence):
    with pytest.raises(BadInput, match=sentence):
        Transformer(Kernel(4, 2, 4))(shape, jr.key(0))


def test_a_layer_of_identities_is_one_model():
    """Two models of one architecture are one structure: what is compiled for the first serves the second."""
    architecture = Transformer(Kernel(2, 1, 4), 2, 2)
    one, other = (eqx.filter(architecture((4, 4, 1), jr.key(seed)), eqx.is_array) for seed in (0, 1))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert isinstance(architecture((4, 4, 1), jr.key(0)), Model)
