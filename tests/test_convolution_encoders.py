"""Convolutional base models where people use them, and the encoders of patches that stand beside them."""

import dataclasses
import pickle
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pandas
import pytest
import scipy.sparse
from metarule import UnsupervisedEncoder
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.encoders._encoder import EncoderInputs
from metarule.launch.encoders._fitted import Fitted
from metarule.launch.encoders._patches import _Whitening, PatchKMeans, PatchPCA, Window
from metarule.launch.evaluation._contestants import Comparators, encoders_of, usual
from metarule.launch.evaluation._protocol import Protocol
from metarule.launch.options._networks import ACTIVATIONS, network
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._problems import problems_of
from metarule.launch.options._recipes import configuration_of, Lean
from metarule.launch.records._rule_file import save_rule
from metarule.models import Convolutional, Form, freeze, Kernel, of_like_contrast, Transformer
from metarule.rules import AbstractRule, Oja
from metarule.tasks import from_arrays
from sklearn.decomposition import PCA


RECORD = {"network": "conv3x3s2x3-mean", "weight_scale": 0.5, "batch_size": 5, "evaluation_steps": 2}
TERMS = ("0_order", "1_order", "decorr_x", "large_decay", "lin_lower_symm", "lin_upper_psd", "lin_upper_symm", "rbf")
CHOICE = Lean(hidden=2, signal=1, readout=1, without=(*TERMS, "sqr_lower_symm", "sqr_upper_symm", "w_base"))
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A place with a rule file `rule.safetensors`, where the tests of this file run."""
    folder = tmp_path_factory.mktemp("convolutions")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        save_rule(folder / "rule.safetensors", CHOICE.build(jr.key(0)), configuration_of(CHOICE), RECORD)
        np.savez("images.npz", x=IMAGES[:, :5])
        np.savez("rows.npz", x=IMAGES[:, 0, :, 0], y=np.arange(30) % 3)
        yield folder


def encoder(**options):
    return UnsupervisedEncoder("rule.safetensors", **{"random_state": 0, **options})


def inputs(images):
    """An encoder's inputs: all images are unlabelled, the first half has labels, the rest is scored."""
    rows, half = jnp.asarray(images.reshape(len(images), -1), jnp.float32), len(images) // 2
    return EncoderInputs(rows, rows[:half], jnp.zeros(half, int), rows[half:], 2, Form(images.shape[1:]))


def test_a_text_names_an_architecture():
    tanh = ACTIVATIONS["tanh"]
    kernels = (Kernel(5, 2, 32), Kernel(3, 1, 64))
    assert network("conv5x5s2x32-3x3x64-quadrants", "tanh", 0.2) == Convolutional(kernels, 2, tanh, 0.2)
    assert network("conv1x1x7-mean", "relu", 0.1).features == 7
    assert network("conv1x1x7-grid3", "relu", 0.1).features == 63
    assert network("attention4x4s2x6h2b3-mean", "tanh", 0.2) == Transformer(Kernel(4, 2, 6), 2, 3, 1, tanh, 0.2)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("conv5x5x4", "ends with how it is pooled, .* write conv5x5x4-quadrants"),
        ("conv5x5x4-3x3x2-middle", "write conv5x5x4-3x3x2-quadrants; got"),
        ("conv5x3x4-mean", "SIZExSIZE"),
        ("conv5x5s0x4-mean", "SIZExSIZE"),
        ("conv-mean", "SIZExSIZE"),
        ("conv999999x999999x4-mean", "SIZExSIZE"),
        ("conv3x3x9999-3x3x9999-mean", "at most 256 layers and 134,217,728 weights between them"),
        ("attention4x4x90000h2-mean", "at most 256 layers and 134,217,728 weights between them"),
        ("attention4x4x8-mean", "hHEADS"),
        ("attention4x4x8h2", "write attention4x4x8h2-quadrants"),
        ("attention4x4x8h3-mean", "heads that divide its units"),
        ("cnn", "its layer widths, like 64-64-32, as convolutions"),
    ],
)
def test_a_text_that_names_none_is_refused(text, sentence):
    with pytest.raises(BadInput, match=sentence):
        network(text, "relu", 0.1)


def test_pixels_stay_in_their_order_for_convolutions_alone():
    training = dataclasses.replace(PRESETS["quick"], networks=("conv3x3x4-mean", "6"), ways=3)
    (convolutional, perceptron), (validation,) = problems_of(training, None)
    assert convolutional.tasks.shape == validation.tasks.shape == (8, 8, 1)
    assert perceptron.tasks.shape == (64,) and perceptron.tasks.permuted


def test_convolutions_take_turns_on_images_alone():
    training = dataclasses.replace(
        PRESETS["quick"],
        networks=("conv3x3x4-mean", "6"),
        sources=("glyphs", "topics", "tables"),
        batch_sizes=(5, 6, 7),
    )
    problems, validation = problems_of(training, None)
    turns = [(problem.tasks.shape, problem.architecture.features, problem.tasks.batch_size) for problem in problems]
    perceptron = [((64,), 6, 6), ((256,), 6, 6), ((32,), 6, 6)]
    assert turns == [((8, 8, 1), 4, 5), *perceptron, ((8, 8, 1), 4, 7)]
    assert [(each.tasks.shape, each.architecture.features) for each in validation] == [
        ((8, 8, 1), 4),
        ((256,), 6),
        ((32,), 6),
    ]


@pytest.mark.parametrize(
    "changes, sentence",
    [({"networks": ("conv9x9x4-mean",)}, "9 x 9 does not fit"), ({"sources": ("topics",)}, "needs images")],
)
def test_a_training_that_cant_be_is_refused(changes, sentence):
    training = dataclasses.replace(PRESETS["quick"], **{"networks": ("conv3x3x4-mean",), **changes})
    with pytest.raises(BadInput, match=sentence):
        problems_of(training, None)


def test_images_are_arrays_or_rows_with_a_shape():
    fitted = encoder(skip=2, memory=10).fit(IMAGES)
    assert [coefs.shape for coefs in fitted.coefs_] == [(27, 3)]
    found = fitted.transform(IMAGES)
    assert found.shape == (30, 3 + 2 + 2 + 6)
    rows = IMAGES.reshape(30, -1)
    flat = encoder(skip=2, memory=10, image_shape=(6, 5, 3)).fit_transform(rows)
    np.testing.assert_array_equal(found, flat)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(rows[3:4]), found[3:4])  # An image stands alone.


def test_rows_of_pixels_may_be_a_frame_or_sparse_and_colours_may_come_first():
    images = np.where(IMAGES > 200, IMAGES, 0).astype(float)
    found, rows = encoder().fit_transform(images), images.reshape(30, -1)
    for form in (pandas.DataFrame(rows), scipy.sparse.csr_matrix(rows)):
        same = encoder(image_shape=(6, 5, 3)).fit_transform(form)
        np.testing.assert_allclose(same, found, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(encoder().fit_transform(np.moveaxis(images, 3, 1)), found)


def test_images_in_parts_go_on_with_other_crops():
    """Six batches of five are one look at 30 images; the same images twice have the same statistics."""
    options = {"network": "conv3x3x4-2x2x3-mean"}
    twice, long = encoder(**options).partial_fit(IMAGES).partial_fit(IMAGES), encoder(steps=12, **options).fit(IMAGES)
    assert twice.transform(IMAGES).shape == (30, 3) and twice.n_iter_ == 12
    np.testing.assert_allclose(twice.coefs_[0], long.coefs_[0], rtol=1e-4, atol=1e-5)


def test_a_perceptron_takes_images_as_rows():
    square = IMAGES[:, :5]
    rows = encoder(network="3").fit_transform(square.reshape(30, -1))
    np.testing.assert_array_equal(encoder(network="3").fit_transform(square), rows)


def test_it_is_the_frozen_model_on_whole_images():
    """Against the same thing written plainly, without steps; floats are standardised by colour."""
    x = IMAGES * np.array([1.0, 10.0, 0.1]) + 3
    random = np.random.RandomState(0)
    model = network("conv3x3s2x3-mean", "relu", 0.5)((6, 5, 3), jr.key(random.randint(2**31)))
    scaled = jnp.asarray((x - x.mean((0, 1, 2))) / x.std((0, 1, 2)), jnp.float32)
    np.testing.assert_allclose(encoder(steps=0).fit_transform(x), freeze(model, scaled)(scaled)[0], atol=1e-4)


@final
class Sideways(AbstractRule[None]):
    """A rule that sees squares of three pixels, and nothing else."""

    def init(self, model):
        return None

    def update(self, model, x, state):
        assert x.shape == (32, 3, 3, 3), x.shape
        return jax.tree.map(jnp.ones_like, model), state


def test_a_rule_is_shown_crops():
    made = [UnsupervisedEncoder(Sideways(), network="conv3x3x3-mean", steps=each, random_state=0) for each in (0, 2)]
    before, after = (each.fit(IMAGES).intercepts_[0] for each in made)
    assert not np.allclose(before, after, atol=1)


@pytest.mark.parametrize(
    "options, x, sentence",
    [
        ({}, IMAGES.reshape(30, -1), "or rows of pixels with their image_shape"),
        ({"image_shape": (6, 5)}, IMAGES.reshape(30, -1), r"Images of shape \[6, 5, 1\] have 30 columns, not 90"),
        ({"network": "conv7x7x3-mean"}, IMAGES, "7 x 7 does not fit where there are 6 places"),
    ],
)
def test_images_and_rows_are_told_apart(options, x, sentence):
    with pytest.raises(BadInput, match=sentence):
        encoder(**options).fit(x)


def test_other_images_than_it_was_fitted_to_are_refused():
    with pytest.raises(BadInput, match="fitted to examples of"):
        encoder(steps=0).fit(IMAGES).transform(IMAGES.swapaxes(1, 2))


def test_a_file_of_images_holds_images(capsys):
    assert main(["encode", "rule.safetensors", "images.npz", "--out", "out.npz"]) == 0
    with np.load("out.npz") as arrays:
        np.testing.assert_allclose(arrays["features"], encoder().fit_transform(IMAGES[:, :5]), atol=1e-4)
    assert main(["encode", "rule.safetensors", "rows.npz", "--out", "out.npz"]) == 2
    assert main(["evaluate", "rule.safetensors", "--tasks", "rows.npz", "--labels", "2"]) == 2
    _, err = capsys.readouterr()
    assert "A convolutional network takes images" in err and "rows.npz: A convolutional network needs images" in err


@pytest.mark.parametrize("statistics", ["batch", "frozen"])
def test_fitted_features_are_those_of_whole_images(statistics):
    """Without steps, by the statistics of all that is scored or of the train images."""
    architecture, given = Convolutional((Kernel(3, 1, 4),), 2), inputs(IMAGES / 255)
    problem = dataclasses.replace(given, train=given.train[:20])
    support, query = eqx.filter_jit(Fitted(Oja(), architecture, 0, statistics=statistics))(problem, jr.key(3))
    model = architecture((6, 5, 3), jr.split(jr.key(3), 3)[1])
    seen = np.concatenate([problem.support, problem.query]).reshape(-1, 6, 5, 3)
    if statistics == "frozen":
        model = freeze(model, problem.train.reshape(-1, 6, 5, 3))
    np.testing.assert_allclose(np.concatenate([support, query]), model(jnp.asarray(seen))[0], atol=1e-4)


def test_patches_of_whole_images_are_clustered():
    """Two clusters that are far apart: how much nearer each centroid is than the mean of both."""
    images = np.where(np.arange(20)[:, None, None, None] % 2, 0.0, 1.0) + np.zeros((20, 2, 2, 1))
    near, far = 0.0, 2.0
    support, query = PatchKMeans(Window(2, 1, 1), 2)(inputs(images), jr.key(0))
    np.testing.assert_allclose(np.sort(np.concatenate([support, query])), [[0, (near + far) / 2]] * 20, atol=1e-3)


def test_whitened_patches_have_like_variances():
    """Scaled patches themselves are brought to variance D / (D + 0.1) along each axis."""
    patches = jnp.asarray(np.random.default_rng(0).normal(size=(500, 5)) * (1, 2, 3, 4, 5))
    before = np.linalg.eigvalsh(np.cov(of_like_contrast(patches, 10 / 255**2).T, bias=True))
    after = np.linalg.eigvalsh(np.cov(_Whitening.of(patches)(patches).T, bias=True))
    np.testing.assert_allclose(np.sort(after), np.sort(before / (before + 0.1)), atol=1e-4)
    np.testing.assert_allclose(of_like_contrast(patches, 10 / 255**2).mean(1), 0, atol=1e-5)


def test_patches_of_whole_images_are_projected_by_halves():
    images = np.random.default_rng(0).normal(size=(20, 2, 2, 2)) * np.arange(1, 9).reshape(2, 2, 2)
    support, query = PatchPCA(Window(2, 1, 1), 3)(inputs(images), jr.key(0))
    along = PCA(3).fit_transform(images.reshape(20, -1))
    found = np.concatenate([support, query])
    np.testing.assert_allclose(np.abs(found[:, :3] - found[:, 3:]), np.abs(along), atol=1e-3)
    assert found.min() == 0 and (np.minimum(found[:, :3], found[:, 3:]) == 0).all()


def test_patches_are_taken_as_the_first_convolution_takes_them():
    protocol = Protocol(network("conv3x3s2x8-3x3x12-grid3", "relu", 0.1), seeds=1)
    comparators = Comparators(protocol, Oja(), Oja(), (3,))
    names = [name for name in usual(protocol.architecture) if name.startswith("patch")]
    made = dict(encoders_of([*names, "patch-pca-36"], comparators))
    assert made["patch-kmeans"].window == Window(3, 2, 3) and made["patch-kmeans"].centroids == 12
    assert made["patch-kmeans-whitened"].whitened and not made["patch-kmeans"].whitened
    assert made["patch-pca"].components == 6 and made["patch-pca-36"].components == 2
    with pytest.raises(BadInput, match="a multiple of 18; got 27"):
        encoders_of(["patch-pca-27"], comparators)


@pytest.mark.parametrize("made", [PatchKMeans(Window(2, 1, 1), 2), Fitted(Oja(), Convolutional((Kernel(2, 1, 2),)), 0)])
def test_rows_are_no_images(made):
    with pytest.raises(BadInput, match="need images, and these examples are rows"):
        jax.eval_shape(lambda: made(dataclasses.replace(inputs(IMAGES), form=Form()), jr.key(0)))


def test_the_table_of_a_convolution_holds_what_suits_it():
    data_set = from_arrays("images", (IMAGES[:, :5], np.arange(30) % 2))
    protocol = Protocol(network("conv3x3s2x2-mean", "relu", 0.1), seeds=1, labels=2, queries=4, batch_size=4)
    comparators = Comparators(protocol, Oja(), Oja(), (1,), budget=0.01)
    names = usual(protocol.architecture)
    rows = protocol.rows(encoders_of(names, comparators), [data_set])
    assert [row["encoder"] for row in rows[::2]] == list(names)
    assert {row["encoder"]: row["features"] for row in rows}["patch-pca"] == 2
