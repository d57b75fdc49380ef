"""What is known of all examples alike: whether they are images, words, and as likely the other way round."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule import UnsupervisedEncoder
from metarule.errors import BadInput
from metarule.launch.encoders._encoder import EncoderInputs
from metarule.launch.encoders._fitted import Fitted
from metarule.launch.options._networks import network
from metarule.models import Form, ViewSizes
from metarule.rules import lean


GENERATOR = np.random.default_rng(0)
SHAPE = (8, 8, 3)
FIELD = GENERATOR.random(size=(2000, 8, 8, 3)).astype(np.float32) / 2


def hooks(count, turned):
    """Images with a hook, whose end points to the right, and in a share of them to the left, in noise."""
    images = FIELD[:count].copy()
    images[:, 2:7, 4] += 0.5
    images[:, 6, 5:7] += 0.5
    left = np.random.default_rng(count).random(count) < turned
    images[left] = images[left, :, ::-1]
    return images


def form(images):
    return Form.of(images.reshape(len(images), -1), images.shape[1:])


@pytest.mark.parametrize("turned, mirrored", [(0.0, False), (0.2, False), (0.5, True), (1.0, False)])
def test_images_are_mirrored_where_they_are_as_likely_the_other_way_round(turned, mirrored):
    assert form(hooks(2000, turned)) == Form(SHAPE, False, mirrored)


def test_it_takes_many_images_to_be_sure():
    for count in (1, 2, 199):
        assert not form(FIELD[:count]).mirrored
    assert form(FIELD).mirrored
    assert Form.of(FIELD[:5].reshape(5, -1), SHAPE, mirrored="yes").mirrored
    assert not Form.of(FIELD.reshape(2000, -1), SHAPE, mirrored="no").mirrored


def test_images_without_patches_without_anything_or_of_two_values():
    assert form(np.zeros((500, 8, 8, 1), np.float32)).mirrored  # Each is its own mirror image.
    assert form(FIELD[:, :3]) == Form((3, 8, 3))
    silhouettes = (FIELD[:, :6].reshape(2000, 12, 12, 1) > GENERATOR.uniform(0.3, 0.5, (2000, 1, 1, 1))).astype(
        np.float32
    )
    assert not form(silhouettes).words
    assert Form.of(silhouettes.reshape(2000, -1), None).words  # Where nobody says that they are images.


def test_only_many_flags_whose_number_varies_are_words():
    often = GENERATOR.random(120) * 0.3
    texts = (GENERATOR.random((300, 120)) < often * GENERATOR.lognormal(0, 0.4, (300, 1))).astype(np.float32)
    standard = (texts - texts.mean(0)) / (texts.std(0) + 1e-6)
    categories = np.eye(12, dtype=np.float32)[GENERATOR.integers(12, size=(300, 10))].reshape(300, 120)
    words = lambda x: Form.of(x, None) == Form(words=True)
    assert words(texts) and words(standard)
    assert not words(categories)  # As many in each row.
    assert not words(texts[:, :90]) and not words(texts[:1])
    assert not words(standard + 0.01 * GENERATOR.normal(size=standard.shape).astype(np.float32))
    assert not words(1 - texts)


@pytest.mark.parametrize("text", ["6-4", "conv3x3x4-quadrants"])
def test_evaluation_gives_mirror_images_the_same_features_only_where_something_stands_beside_them(text):
    images = FIELD[:40]
    rows, turned = (jnp.asarray(each.reshape(40, -1)) for each in (images, images[:, :, ::-1]))

    def features(beside, mirrored):
        fitted = Fitted(lean(jr.key(1)), network(text, "relu", 1.0), 2, 5, "frozen", beside=beside)
        given = EncoderInputs(rows, rows, jnp.zeros(40, int), turned, 1, Form(SHAPE, False, mirrored))
        return fitted(given, jr.key(0))

    own, other = features(ViewSizes(3, 4, 8), True)
    np.testing.assert_allclose(own, other, atol=1e-4)
    for beside, mirrored in ((ViewSizes(3, 4, 8), False), (ViewSizes(), True)):
        own, other = features(beside, mirrored)
        assert np.abs(own - other).max() > 0.1


@pytest.mark.parametrize("network", ["6-4", "conv3x3x4-quadrants"])
def test_the_encoder_sees_it_in_the_images_unless_it_is_told(network, capsys):
    images = hooks(1500, 0.5)
    turned = images[:, :, ::-1]
    settings = {"network": network, "steps": 2, "skip": 3, "prototypes": 4, "memory": 8, "random_state": 0}

    def apart(**options):
        encoder = UnsupervisedEncoder(**{**settings, **options}).fit(images)
        return np.abs(encoder.transform(images) - encoder.transform(turned)).max()

    assert apart(verbose=True) < 1e-4
    assert "mirror images get the same features" in capsys.readouterr().err
    assert apart(mirrored="no") > 0.1
    assert apart(skip=0, prototypes=0, memory=0, mirrored="yes") > 0.1
    images = hooks(1500, 0.0)
    assert apart(verbose=True) > 0.1 and "mirror" not in capsys.readouterr().err
    assert apart(mirrored="yes") < 1e-4
    with pytest.raises(BadInput, match="mirrored must be auto, yes or no; got False"):
        apart(mirrored=False)


CATEGORIES = GENERATOR.integers(0, 4, (300, 9)).astype(np.float32)
NUMBERS = GENERATOR.normal(size=(300, 9)).astype(np.float32)


def test_tables_of_categories():
    categories = lambda x: Form.of(x, None) == Form(categories=True)
    mixed = lambda count: np.concatenate([CATEGORIES[:, :count], NUMBERS[:, count:]], 1)
    assert categories(mixed(9)) and categories(mixed(5)) and not categories(mixed(4))
    assert categories(np.concatenate([mixed(5), np.ones((300, 20), np.float32)], 1))  # What never varies has no say.
    assert not categories(np.ones((300, 3), np.float32))
    assert not categories(np.round(2 * NUMBERS[:15]))  # So few rows have few values anyway.
    assert not categories(np.tile(CATEGORIES, 15)) and categories(np.tile(CATEGORIES, 14))
    digits = GENERATOR.integers(0, 17, (1000, 64)).astype(np.float32)
    assert not categories(digits)  # Given as rows of pixels.


def test_features_of_categories_are_the_columns_themselves(capsys):
    settings = {
        "network": "6-4",
        "steps": 2,
        "skip": 3,
        "prototypes": 4,
        "memory": 8,
        "random_state": 0,
        "verbose": True,
    }
    with pytest.warns(UserWarning, match="features are the columns themselves"):
        encoder = UnsupervisedEncoder(**settings).fit(CATEGORIES)
    assert encoder.n_iter_ == 0 and "0 steps in" in capsys.readouterr().err
    np.testing.assert_array_equal(encoder.transform(CATEGORIES), encoder.preparation_(CATEGORIES))
    assert list(encoder.get_feature_names_out()) == [f"x{place}" for place in range(9)] and encoder.form_.categories
    assert UnsupervisedEncoder(**settings).fit_transform(NUMBERS).shape == (300, 4 + 3 + 4 + 7)
    alone = UnsupervisedEncoder(**{**settings, "skip": 0, "prototypes": 0, "memory": 0}).fit_transform(CATEGORIES)
    assert alone.shape == (300, 4)
    rows = jnp.asarray(CATEGORIES)
    given = EncoderInputs(rows, rows[:20], jnp.zeros(20, int), rows[20:40], 1, Form(categories=True))
    for beside, width in ((ViewSizes(3, 4, 8), 9), (ViewSizes(), 4)):
        fitted = Fitted(lean(jr.key(1)), network("6-4", "relu", 1.0), 2, 5, "frozen", beside=beside)
        assert fitted(given, jr.key(0))[1].shape == (20, width)
