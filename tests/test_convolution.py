"""Convolutional base models: what they compute, that dense layers are their special cases, and how rules train them."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array
from metarule.errors import BadInput
from metarule.launch.options._recipes import Lean
from metarule.meta import InnerLoop, Length, RidgeObjective
from metarule.models import Convolutional, freeze, Kernel, MultiLayerPerceptron, Patches, Pool, random_crops, unlabelled
from metarule.rules import AbstractRule, fit, lean, Oja
from metarule.tasks import AbstractTasks, Episode
from toys import assert_gradient_is_that_of_finite_differences


@pytest.fixture(scope="module")
def rule():
    return lean(jr.key(0), hidden=3, signal=2, readout=1)


def update_of(rule, model, x):
    return eqx.filter_jit(rule.update)(model, x, rule.init(model))[0].synapses


def equal(one, other):
    return all(np.array_equal(*pair) for pair in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_a_convolution_over_the_whole_image_is_a_dense_layer(rule):
    """To the last bit: its features, and how a learned rule changes it."""
    x = jr.normal(jr.key(1), (6, 5, 5, 2))
    whole = Convolutional((Kernel(5, 1, 4),), 1)((5, 5, 2), jr.key(2))
    dense = MultiLayerPerceptron((4,))((5, 5, 2), jr.key(2))
    np.testing.assert_array_equal(whole(x)[0], dense(x)[0])
    assert equal(update_of(rule, whole, x), update_of(rule, dense, x))


def test_a_convolution_of_single_pixels_is_a_dense_layer_on_places(rule):
    x = jr.normal(jr.key(1), (3, 4, 5, 2))
    single = Convolutional((Kernel(1, 1, 4),), 1)((4, 5, 2), jr.key(2))
    dense = MultiLayerPerceptron((4,))((2,), jr.key(2))
    found, (activity,) = single.trace(x).values[-1], dense(x.reshape(-1, 2))[1][0]
    np.testing.assert_array_equal(found.reshape(-1, 4), activity.y)
    assert equal(update_of(rule, single, x), update_of(rule, dense, x.reshape(-1, 2)))


def test_patches_and_a_synapse_are_a_convolution():
    """Against that of XLA."""
    x, w = jr.normal(jr.key(0), (2, 7, 8, 3)), jr.normal(jr.key(1), (9 * 3, 4))
    names = ("NHWC", "HWIO", "NHWC")
    wanted = jax.lax.conv_general_dilated(x, w.reshape(3, 3, 3, 4), (2, 2), "VALID", dimension_numbers=names)
    np.testing.assert_allclose(Patches(3, 2).up(x, None) @ w, wanted, atol=1e-4)


@pytest.mark.parametrize("wire", [Patches(2, 2), Patches(3, 1), Pool(2)], ids=str)
def test_error_signals_come_back_by_the_transpose(wire):
    """By JAX's vector-Jacobian product, in float64."""
    with jax.enable_x64():
        x = jr.normal(jr.key(0), (2, 3, 5, 4, 2))
        above, back = jax.vjp(lambda x: wire.up(x, None), x)
        signal = jr.normal(jr.key(1), above.shape)
        down = wire.down(signal, jax.ShapeDtypeStruct(x.shape, x.dtype), None)
        np.testing.assert_allclose(down, back(signal)[0], atol=1e-12)


def test_pooling_is_a_mean_over_the_cells_of_a_grid():
    x = np.asarray(jr.normal(jr.key(0), (2, 5, 4, 3)))
    cells = [half.mean((1, 2)) for rows in np.array_split(x, 2, 1) for half in np.array_split(rows, 2, 2)]
    np.testing.assert_allclose(Pool(2).up(jnp.asarray(x), None), np.concatenate(cells, 1), atol=1e-6)


@pytest.mark.parametrize("kernels", [(Kernel(3, 2, 4),), (Kernel(2, 1, 3), Kernel(3, 2, 2))])
def test_whole_images_have_the_features_that_a_rule_sees(kernels):
    """Without patches, and one by one with frozen statistics."""
    images = jr.normal(jr.key(0), (5, 9, 8, 2))
    model = Convolutional(kernels, weight_scale=0.5)((9, 8, 2), jr.key(1))
    np.testing.assert_allclose(model.features(images), model(images)[0], atol=1e-5)
    frozen = freeze(model, images)
    np.testing.assert_allclose(frozen.features(images[:1]), model(images)[0][:1], atol=1e-5)
    np.testing.assert_allclose(frozen(images)[0], model(images)[0], atol=1e-5)


def test_a_place_sees_a_crop_of_the_field():
    """What a frozen model does at one place of a whole image is what it does with the crop there."""
    architecture, x = Convolutional((Kernel(3, 2, 4), Kernel(2, 1, 5)), 1), jr.normal(jr.key(1), (4, 9, 9, 1))
    model = freeze(architecture((9, 9, 1), jr.key(0)), x)
    assert model.field == architecture.field == 5
    whole = model.trace(x).values[-1]
    np.testing.assert_allclose(model(x[:, 2:7, 4:9])[0], whole[:, 1, 2], atol=1e-5)


def test_a_rule_sees_one_crop_of_each_example():
    model = Convolutional((Kernel(3, 1, 2),), 1)((5, 6, 1), jr.key(0))
    images = jnp.arange(4 * 30.0).reshape(4, 5, 6, 1)
    seen = np.asarray(unlabelled(model, lambda key: images, jr.key(1)))
    corners = seen[:, 0, 0, 0].astype(int) % 30
    for image, crop, (row, column) in zip(np.asarray(images), seen, zip(corners // 6, corners % 6), strict=True):
        np.testing.assert_array_equal(crop, image[row : row + 3, column : column + 3])
    everywhere = np.asarray(random_crops(jnp.broadcast_to(images[:1], (400, 5, 6, 1)), 3, jr.key(2)))
    assert set(everywhere[:, 0, 0, 0].astype(int)) == {6 * row + column for row in range(3) for column in range(4)}


def test_a_dense_model_sees_whole_examples():
    x = jr.normal(jr.key(0), (4, 3))
    model = MultiLayerPerceptron((2,))((3,), jr.key(1))
    np.testing.assert_array_equal(
        unlabelled(model, lambda key: x + jr.uniform(key), jr.key(2)), x + jr.uniform(jr.key(2))
    )


def test_fitting_is_on_crops():
    """Where all images have the same crop at every place but one, what a rule learns is that of the crop."""
    images = jnp.ones((6, 4, 4, 1)) * jnp.arange(6.0)[:, None, None, None]
    model, rule = Convolutional((Kernel(2, 1, 3),), 1)((4, 4, 1), jr.key(0)), Oja()
    run = eqx.filter_jit(lambda x: fit(rule, (model, None), x, 3, batch_size=4, key=jr.key(1))[0].synapses)
    assert equal(run(images), run(images[:, :2, :2]))


@final
class Pictures(AbstractTasks[Array]):
    """Noise around three pictures."""

    shape = (5, 5, 1)

    def sample(self, key):
        return jr.normal(key, (3, 5, 5, 1))

    def batch(self, task, key):
        return jnp.repeat(task, 2, axis=0) + 0.3 * jr.normal(key, (6, 5, 5, 1))

    def episode(self, task, key):
        support, query = (self.batch(task, k) for k in jr.split(key))
        labels = jnp.repeat(jnp.eye(3), 2, axis=0)
        return Episode(support, labels, query, labels)


@final
class Sideways(AbstractRule[None]):
    """A rule that sees squares of three pixels, and nothing else."""

    def init(self, model):
        return None

    def update(self, model, x, state):
        assert x.shape[1:] == (3, 3, 1), x.shape
        return jax.tree.map(jnp.ones_like, model), state


def test_the_inner_loop_shows_a_rule_crops():
    problem = InnerLoop(Pictures(), Convolutional((Kernel(3, 1, 2),), 2), RidgeObjective(), Length(2))
    state = jax.eval_shape(lambda key: problem.init(Sideways(), key), jr.key(0))
    jax.eval_shape(lambda state: problem.step(Sideways(), state, jr.key(0)), state)


def test_meta_gradient_is_that_of_finite_differences():
    """Of two steps of the lean rule on crops, for two convolutions, along random directions, in float64."""
    with jax.enable_x64():
        architecture = Convolutional((Kernel(2, 1, 2), Kernel(3, 2, 3)), 1, jnp.tanh, weight_scale=0.5)
        problem = InnerLoop(Pictures(), architecture, RidgeObjective(), Length(2))
        theta = Lean(hidden=3, signal=2, readout=1).build(jr.key(1))
        theta = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), theta)
        vector, rebuild = jax.flatten_util.ravel_pytree(theta)

        def loss(vector):
            start = problem.init(rebuild(vector), jr.key(2))
            step = lambda state, key: problem.step(rebuild(vector), state, key)
            return jax.lax.scan(step, start, jr.split(jr.key(3), 2))[1].mean()

        assert_gradient_is_that_of_finite_differences(loss, vector)


@pytest.mark.parametrize(
    "architecture, shape, sentence",
    [
        (Convolutional((Kernel(3, 1, 2),)), (25,), "needs images"),
        (Convolutional((Kernel(6, 1, 2),)), (5, 5, 1), "A kernel of 6 x 6 does not fit where there are 5 places"),
        (Convolutional((Kernel(3, 2, 2), Kernel(3, 1, 2))), (5, 5, 1), "does not fit where there are 2 places"),
        (Convolutional((Kernel(3, 2, 2),), 3), (5, 5, 1), "2 places along a side can't be pooled in a grid of 3"),
    ],
)
def test_images_that_do_not_fit_are_refused(architecture, shape, sentence):
    with pytest.raises(BadInput, match=sentence):
        architecture(shape, jr.key(0))


@pytest.mark.parametrize("kernels, grid", [((), 1), ((Kernel(0, 1, 1),), 1), ((Kernel(1, 1, 1),), 0)])
def test_an_architecture_without_size_is_refused(kernels, grid):
    with pytest.raises(BadInput, match="at least one kernel"):
        Convolutional(kernels, grid)
