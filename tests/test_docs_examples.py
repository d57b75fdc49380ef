"""The classes of one's own in docs/ keep what their interfaces promise."""

import runpy
import types
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.models import Connection, Flatten, Layer, Model, MultiLayerPerceptron, Synapse
from metarule.rules import lean
from metarule.testing import check_architecture, check_layer, check_rule, check_tasks


def example(name):
    """The module of this name in docs/."""
    return types.SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "docs" / f"{name}.py")))


layer = example("own_layer")
TINY = {"hidden": 3, "signal": 2, "readout": 1}
SHAPE = (4, 4, 2)
ARCHITECTURE = layer.Convolutional((3,), 2, layer.Patches(2, 2))


def test_the_rule_keeps_its_promises_and_begins_at_no_change():
    rule = example("own_rule").Plasticity()
    check_rule(rule)
    model = MultiLayerPerceptron((3,))((4,), jr.key(0))
    updates, _ = rule.update(model, jr.normal(jr.key(1), (5, 4)), None)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(updates))


def test_the_recipe_makes_the_lean_rule_with_one_more_term():
    own = example("own_term")
    rule, plain = own.WithCovariance(hidden=3).build(jr.key(0)), lean(jr.key(0), hidden=3)
    model, x = MultiLayerPerceptron((3,))((4,), jr.key(1)), jr.normal(jr.key(2), (5, 4))
    update = eqx.filter_jit(lambda rule: rule.update(model, x, None)[0].synapses[0])
    (term,) = rule.weight_change.terms[len(plain.weight_change.terms) :]
    assert isinstance(term, own.Covariance)
    w = update(rule).w
    assert w.shape == (4, 3) and np.isfinite(w).all() and not np.allclose(w, update(plain).w)


def test_the_term_pulls_units_together_in_proportion_to_the_weight():
    covariance = example("own_term").Covariance()
    x = jnp.array([[1.0], [-1.0]])
    activity = types.SimpleNamespace(x=x, y=jnp.concatenate([x, -x, x], 1))
    site = types.SimpleNamespace(weights=jnp.array([[2.0, -3.0, 0.0]]), activity=activity)
    np.testing.assert_allclose(covariance(site, (), ()), [[-2.0, 3.0, 0.0]], rtol=1e-5)


def test_the_tasks_keep_their_promises():
    check_tasks(example("own_tasks").Mixtures(ways=2, inputs=3, shots=2, batch_size=4))


def test_the_wire_and_the_architecture_keep_their_promises():
    check_layer(layer.Patches(3, 2), [jnp.ones((2, 5, 7, 2))])
    check_architecture(ARCHITECTURE, SHAPE)
    with pytest.raises(BadInput, match="too small for 2 convolutions"):
        layer.Convolutional()((4, 4, 1), jr.key(0))


def test_patches_are_those_of_a_convolution():
    x, w = jr.normal(jr.key(0), (2, 5, 5, 3)), jr.normal(jr.key(1), (2, 2, 3, 4))
    wire = layer.Patches(2, 2)
    ours = wire.up(x, None) @ w.reshape(-1, 4)
    theirs = jax.lax.conv_general_dilated(x, w, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def rule():
    return lean(jr.key(0), **TINY)


def test_a_convolution_over_the_whole_image_is_a_dense_layer(rule):
    w, v = jr.normal(jr.key(1), (2, 32, 3))
    x, update = jr.normal(jr.key(2), (5, *SHAPE)), eqx.filter_jit(rule.update)
    models = [
        Model((Layer((Connection(Synapse(w, jnp.zeros(3), v), wire),), jax.nn.relu),))
        for wire in (layer.Patches(4), Flatten(2))
    ]
    np.testing.assert_allclose(*(model(x)[0] for model in models), atol=1e-5)
    ours, theirs = (update(model, x, None)[0].synapses[0] for model in models)
    for each, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(each, other, atol=1e-5)


def test_the_lean_rule_trains_convolutions_and_is_differentiable_through_them():
    with jax.enable_x64():
        rule = lean(jr.key(0), **TINY)
        model, x = ARCHITECTURE(SHAPE, jr.key(1)), jr.normal(jr.key(2), (4, *SHAPE))
        assert model.synapses[0].w.dtype == jnp.float64

        def loss(weight):
            changed = eqx.tree_at(lambda it: it.outgoing.weight, rule, weight)
            updates, _ = changed.update(model, x, None)
            return (eqx.apply_updates(model, updates)(x)[0] ** 2).mean() * 10, updates

        loss_and_gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
        weight, step = rule.outgoing.weight, jnp.zeros_like(rule.outgoing.weight).at[0, 1].set(1e-5)
        (_, updates), gradient = loss_and_gradient(weight)
        (up, _), _ = loss_and_gradient(weight + step)
        (down, _), _ = loss_and_gradient(weight - step)
        for change, leaf in zip(jax.tree.leaves(updates), jax.tree.leaves(model), strict=True):
            assert change.shape == leaf.shape and np.isfinite(change).all() and np.abs(change).max() > 0
        assert np.isfinite(gradient).all() and abs(gradient[0, 1]) > 1e-6
        np.testing.assert_allclose(gradient[0, 1], (up - down) / 2e-5, rtol=1e-4)


@pytest.mark.slow
def test_the_shipped_rule_trains_convolutions_to_better_features():
    along = layer.losses(layer.pretrained(), 100)
    assert along[-10:].mean() < along[:10].mean() - 0.1
