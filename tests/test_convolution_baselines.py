"""Baselines that train convolutions by backpropagation: on the labels alone, and as an autoencoder."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.launch.encoders._autoencoders import _Convolutions, Denoising
from metarule.launch.encoders._encoder import EncoderInputs
from metarule.launch.encoders._fan_in import FanIn
from metarule.launch.encoders._supervised import Supervised
from metarule.launch.evaluation._contestants import Comparators, encoders_of, usual
from metarule.launch.evaluation._protocol import Protocol
from metarule.launch.options._networks import network
from metarule.models import Convolutional, Form, Kernel, Transformer
from metarule.rules import Oja


CONVOLUTIONS = FanIn(Convolutional((Kernel(3, 2, 6), Kernel(2, 1, 5)), 1))
TRANSFORMER = FanIn(Transformer(Kernel(3, 2, 4), 2, grid=1))
SHAPE = (8, 7, 3)


def inputs(labelled=20):
    """Images of stripes with noise, one way or the other; the labels of the first ones are random."""
    random = np.random.default_rng(0)
    stripes = (np.arange(8)[:, None] + np.arange(7) * random.choice([-1, 1], (120, 1, 1))) % 4 < 2
    images = np.repeat(stripes[..., None], 3, axis=3) + 0.3 * random.normal(size=(120, *SHAPE))
    rows = jnp.asarray(images.reshape(120, -1), jnp.float32)
    labels = jnp.asarray(random.integers(0, 2, labelled))
    return EncoderInputs(rows[40:], rows[:labelled], labels, rows[20:40], 2, Form(SHAPE))


def standardised(values):
    centred = values - values.mean((0, 1, 2))
    return centred / np.sqrt((centred**2).mean((0, 1, 2)) + 1e-6)


@pytest.mark.parametrize(
    "encoder, width",
    [(Supervised(CONVOLUTIONS, 3), 5), (Supervised(TRANSFORMER, 3), 4), (Denoising(CONVOLUTIONS, 3), 5)],
    ids=("supervised", "transformer", "denoising"),
)
def test_an_image_stands_alone_where_statistics_are_frozen(encoder, width):
    given = inputs()
    others = dataclasses.replace(given, query=given.query.at[10:].multiply(-2.0))
    for statistics in ("batch", "frozen"):
        made = dataclasses.replace(encoder, statistics=statistics)
        run = eqx.filter_jit(made)
        (support, query), (_, changed) = run(given, jr.key(0)), run(others, jr.key(0))
        assert support.shape == query.shape == (20, width)
        assert np.isfinite(support).all() and query.std() > 0
        assert np.allclose(query[:10], changed[:10], atol=1e-5) == (statistics == "frozen")
        assert made.account(80).other_rows == (statistics == "batch")
    assert Supervised(CONVOLUTIONS, statistics="frozen").account(5000).unlabelled == 1000


@pytest.mark.parametrize("start", [CONVOLUTIONS, TRANSFORMER], ids=("convolutions", "transformer"))
def test_a_supervised_convolution_fits_its_labelled_images(start):
    """Their labels are random: nothing but having learned them tells how images of a class are alike."""
    given = inputs()

    def right(steps):
        support, _ = eqx.filter_jit(Supervised(start, jnp.asarray(steps)))(given, jr.key(0))
        means = np.stack([np.mean(support[given.labels == label], 0) for label in (0, 1)])
        nearest = ((np.asarray(support)[:, None] - means) ** 2).sum(2).argmin(1)
        return (nearest == given.labels).mean()

    assert right(0) < 0.85 and right(200) == 1


def test_an_autoencoder_of_images_learns_to_find_them_again():
    """Also what is masked, and in whole images, though it has seen crops alone."""
    given, images = inputs(), inputs().train.reshape(-1, *SHAPE)
    kept = images * jr.bernoulli(jr.key(1), 0.5, (80, 8, 7, 1))
    start, trained = (
        eqx.filter_jit(Denoising(CONVOLUTIONS, jnp.asarray(steps)).trained)(given, jr.key(0)) for steps in (0, 300)
    )
    error = lambda autoencoder, x: ((autoencoder(x) - images) ** 2).mean()
    for x in (images, kept):
        assert error(trained, x) < 0.5 * error(start, x)
    assert error(trained, kept) < 0.9 * images.var()


def test_the_way_back_is_by_transposed_convolutions():
    """Against the same thing written plainly: every place adds its patch to the image."""
    encoder = CONVOLUTIONS(SHAPE, jr.key(0))
    biases = (jnp.arange(3.0), jnp.linspace(-1, 1, 6))
    x = jr.normal(jr.key(1), (4, *SHAPE))
    values = np.asarray(encoder.trace(x).values[-1])
    for size, stride, side, layer, bias in ((2, 1, (3, 3), 1, biases[1]), (3, 2, (8, 7), 0, biases[0])):
        v, image = np.asarray(encoder.synapses[layer].v), np.zeros((4, *side, len(bias)))
        for row, column in np.ndindex(values.shape[1:3]):
            window = np.s_[:, stride * row : stride * row + size, stride * column : stride * column + size]
            image[window] += (values[:, row, column] @ v.T).reshape(4, size, size, -1)
        values = np.maximum(standardised(image) + bias, 0) if layer else image + bias
    np.testing.assert_allclose(_Convolutions(encoder, biases)(x), values, atol=1e-4)


def test_a_table_holds_the_baselines_that_train_its_base_model():
    protocols = [Protocol(network(text, "relu", 0.1)) for text in ("conv3x3x2-mean", "attention3x3x2h1-mean")]
    convolutions, transformer = (usual(protocol.architecture) for protocol in protocols)
    assert {"supervised", "denoising"} <= set(convolutions)
    assert set(convolutions) - set(transformer) == {"denoising"}
    for protocol, names in zip(protocols, (("vae", "scarf", "oja"), ("vae", "denoising"))):
        for name in names:
            with pytest.raises(BadInput, match="train perceptrons only, but for supervised"):
                encoders_of([name], Comparators(protocol, Oja(), Oja(), (1,)))


def test_a_transformer_has_no_way_back():
    with pytest.raises(BadInput, match="that can be reversed"):
        jax.eval_shape(lambda: Denoising(TRANSFORMER)(inputs(), jr.key(0)))
