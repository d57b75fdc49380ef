"""What stands beside a base model's features: components, prototypes, a memory, against NumPy and scikit-learn."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metarule.models import (
    Form,
    Memory,
    mirror_image,
    PatchComponents,
    PrincipalComponents,
    Prototypes,
    stand_in,
    Views,
    ViewSizes,
    Window,
    WordWeights,
)
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.neighbors import NearestNeighbors


GENERATOR = np.random.default_rng(0)
SPREAD = GENERATOR.normal(size=(90, 6)) * [5, 3, 2, 1, 0.5, 0.2]
X = jnp.asarray(SPREAD @ np.linalg.qr(GENERATOR.normal(size=(6, 6)))[0] + 3, jnp.float32)
FEATURES = jnp.tanh(X @ GENERATOR.normal(size=(6, 4)).astype(np.float32) / 5)


def test_half_whitened_components_are_those_of_scikit_learn_over_the_root_of_their_deviation():
    found = np.asarray(PrincipalComponents.half_whitened(X, 4)(X))
    expected = PCA(4).fit_transform(X)
    expected /= np.sqrt(expected.std(0))
    expected /= np.sqrt(expected.var(0).sum())
    np.testing.assert_allclose(found, expected * np.sign((found * expected).sum(0)), atol=2e-4)
    np.testing.assert_allclose(found.var(0).sum(), 1, rtol=1e-4)


def test_axes_without_variance_are_silent():
    flat = jnp.concatenate([X[:, :2], X[:, :2], jnp.ones((90, 3))], 1)
    components = np.asarray(PrincipalComponents.half_whitened(flat, 7)(flat + 1e-3))
    assert np.isfinite(components).all() and (np.abs(components[:, 2:]) < 1e-6).all()
    nothing = PrincipalComponents.half_whitened(jnp.ones((20, 3)), 2)
    np.testing.assert_array_equal(nothing(jnp.ones((5, 3))), 0)


def shares(memory, x):
    """What each example has of each anchor, by scikit-learn's search for neighbours."""
    distances, near = NearestNeighbors(n_neighbors=memory.neighbours).fit(memory.anchors).kneighbors(x)
    weight = np.exp(-(distances**2) / (distances**2).mean(1, keepdims=True))
    dense = np.zeros((len(x), len(memory.anchors)))
    np.put_along_axis(dense, near, weight / weight.sum(1, keepdims=True), 1)
    return dense


def test_a_memory_s_components_are_the_leading_eigenvectors_of_the_graph_over_its_anchors():
    memory = Memory.of(X, anchors=12, components=4)
    share = shares(memory, X)
    root = np.sqrt(share.sum(0))
    strength, vectors = np.linalg.eigh(share.T @ share / root / root[:, None])
    np.testing.assert_allclose(strength[-1], 1, rtol=1e-5)  # The constant one, which is left out.
    strength, expected = strength[-2:-6:-1], share @ (vectors / root[:, None])[:, -2:-6:-1]
    found = np.asarray(memory(X))
    np.testing.assert_allclose(found.std(0), strength**8 / np.sqrt((strength**16).sum()), rtol=2e-3)
    expected *= found.std(0) / expected.std(0)
    np.testing.assert_allclose(found, expected * np.sign((found * expected).sum(0)), atol=2e-3)
    new = X[:7] + 0.1
    np.testing.assert_allclose(memory(new), shares(memory, new) @ np.asarray(memory.values), atol=1e-4)


def test_anchors_are_centroids_of_the_examples():
    memory = Memory.of(X, anchors=5)
    start = np.asarray(X)[np.linspace(0, 89, 5).astype(int)]
    oracle = KMeans(5, init=start, n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(X).cluster_centers_
    np.testing.assert_allclose(memory.anchors, oracle, atol=1e-3)


def test_a_memory_keeps_what_tells_clusters_apart_and_little_else():
    classes = np.arange(90) % 3
    x = GENERATOR.normal(size=(90, 6)) + 8 * np.eye(3, 6)[classes]
    found = np.asarray(Memory.of(jnp.asarray(x, jnp.float32), anchors=20)(jnp.asarray(x, jnp.float32)))
    means = np.stack([found[classes == each].mean(0) for each in range(3)])
    assert (found - means[classes]).var(0).sum() < 0.02 * means.var(0).sum()


def test_of_few_examples_there_are_few_anchors():
    assert Memory.of(X[:1], anchors=9).anchors.shape == (1, 6) and Memory.of(X[:1], anchors=9)(X[:2]).shape == (2, 0)
    assert Memory.of(X, anchors=100).anchors.shape == (22, 6) and Memory.of(X, anchors=7).values.shape == (7, 6)


def test_prototypes_tell_how_much_nearer_than_the_mean_each_centroid_is():
    prototypes = Prototypes.of(X, 7)
    start = np.asarray(X)[np.linspace(0, 89, 7).astype(int)]
    centroids = KMeans(7, init=start, n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(X).cluster_centers_
    squares = ((np.asarray(X)[:, None] - centroids) ** 2).sum(-1)
    distances = np.sqrt(squares + 0.01 * squares.mean())
    expected = np.maximum(distances.mean(1, keepdims=True) - distances, 0)
    expected = (expected - expected.mean(0)) / np.sqrt(expected.var(0).sum())
    np.testing.assert_allclose(prototypes(X), expected, atol=1e-3)
    assert Prototypes.of(X, 100).centroids.shape == (22, 6) and np.isfinite(Prototypes.of(X[:1], 9)(X[:2])).all()


@pytest.mark.parametrize("sizes", [(3, 5, 40), (3, 0, 40), (3, 5, 0), (0, 5, 40), (0, 0, 40), (0, 0, 0)])
def test_parts_stand_side_by_side_with_equal_variance(sizes):
    skip, prototypes, memory = sizes
    views = Views.of(X, FEATURES, ViewSizes(*sizes))
    found = np.asarray(views(X, FEATURES))
    assert found.shape == (90, sum(views.sizes.values())) and np.isfinite(found).all()
    own, skipped, near, recalled = np.split(found, np.cumsum([4, skip, prototypes]), 1)
    np.testing.assert_allclose(own, (FEATURES - FEATURES.mean(0)) / FEATURES.std(0) / 2, atol=1e-4)  # Of 4 units.
    assert skipped.shape[1] == skip and near.shape[1] == prototypes and (recalled.shape[1] > 0) == (memory > 0)
    for part in (skipped, near, recalled):
        if part.shape[1]:
            np.testing.assert_allclose(part.var(0).sum(), 1, rtol=1e-3)
    if prototypes:
        np.testing.assert_allclose(near, Prototypes.of(X, prototypes)(X), atol=1e-5)


def test_an_example_s_views_depend_on_it_alone_and_bear_a_unit_that_never_changes():
    features = jnp.concatenate([FEATURES, jnp.zeros((90, 1))], 1)
    views = eqx.filter_jit(Views.of)(X, features, ViewSizes(3, 6, 40))
    together = np.asarray(views(X, features))
    alone = np.concatenate([np.asarray(views(X[i : i + 1], features[i : i + 1])) for i in range(5)])
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)
    assert (together[:, 4] == 0).all()
    far = np.asarray(views(1e6 * X[:2], features[:2]))
    assert np.isfinite(far).all()


def test_they_are_made_alike_under_vmap():
    pairs = jnp.stack([X, X[::-1]]), jnp.stack([FEATURES, FEATURES[::-1]])
    make = lambda x, f: Views.of(x, f, ViewSizes(2, 20, 90))(x, f)
    made = jax.jit(jax.vmap(make))(*pairs)
    single = jax.jit(make)(pairs[0][1], pairs[1][1])
    np.testing.assert_allclose(made[1], single, atol=1e-3)


IMAGES = jnp.asarray(GENERATOR.random(size=(40, 7, 6, 2)), jnp.float32)
WINDOW = Window(size=3, stride=2, grid=2)


@pytest.mark.parametrize("colours", [1, 2])
def test_patches_of_an_image_are_their_half_whitened_components_in_halves_averaged_over_cells(colours):
    """If there is one colour. Others are brought to like contrast before, and whitened all the way."""
    images = IMAGES[..., :colours]
    rows, size = images.reshape(40, -1), 9 * colours
    found = PatchComponents.of(rows, (7, 6, colours), WINDOW)(rows)
    patches = np.asarray(WINDOW.sample(images, jax.random.key(0)))
    assert patches.shape == (160, size)
    softening = 0.5 * patches.var(1).mean()

    def seen(patches):
        centred = patches - patches.mean(1, keepdims=True)
        return patches if colours == 1 else centred / np.sqrt((centred**2).mean(1, keepdims=True) + softening)

    patches = seen(patches)
    pca = PCA(size).fit(patches)
    deviation = pca.transform(patches).std(0)
    half = np.sqrt(deviation) * np.sqrt(deviation.sum())
    axes = pca.components_.T / (half if colours == 1 else np.hypot(deviation, 0.1 * deviation[0]))
    places = {(0, 0): [(0, 0), (2, 0)], (0, 1): [(0, 2), (2, 2)], (1, 0): [(4, 0)], (1, 1): [(4, 2)]}
    expected = []
    for cell in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        here = [images[:, i : i + 3, j : j + 3].reshape(40, -1) for i, j in places[cell]]
        along = np.stack([(seen(np.asarray(each)) - pca.mean_) @ axes for each in here])
        expected.append([np.maximum(along, 0).mean(0), np.maximum(-along, 0).mean(0)])
    expected = np.asarray(expected)  # [cell, half, example, component]
    found = np.asarray(found).reshape(40, 4, 2, size).transpose(1, 2, 0, 3)
    turned = expected[:, ::-1]  # An axis may point either way: then its halves change places.
    same = np.abs(found - expected).max((0, 1, 2)) < np.abs(found - turned).max((0, 1, 2))
    np.testing.assert_allclose(found, np.where(same, expected, turned), atol=1e-3)


def test_the_patches_of_an_image_stand_for_its_pixels():
    rows, features = IMAGES.reshape(40, -1), jnp.tanh(IMAGES[:, 0, 0])
    patches = PatchComponents.of(rows, (7, 6, 2), WINDOW)
    sizes = ViewSizes(4, 3, 8)
    views = Views.of(rows, features, sizes, patches)
    found, seen = views(rows, features), patches(rows)
    assert sum(views.sizes.values()) == found.shape[1] == 2 + 4 + 4 + 3 + 7
    expected = Views.of(seen, features, sizes)(seen, features)
    np.testing.assert_allclose(jnp.delete(found, jnp.arange(6, 10), axis=1), expected, atol=1e-5)
    fine = PatchComponents(patches.components, Window(3, 2, 5), (7, 6, 2), patches.contrast)(rows)
    detail = PrincipalComponents.half_whitened(fine, 4)(fine)
    np.testing.assert_allclose(found[:, 6:10], detail, atol=1e-5)
    assert Views.of(rows, features, ViewSizes(0, 3, 8), patches).detail is None
    assert PatchComponents.of(rows, (7, 6, 2)).window == Window(3)
    assert stand_in(rows, Form()) is None and stand_in(rows, Form((14, 3, 2))) is None


def test_brightness_and_contrast_of_patches_with_colours_hardly_tell():
    rows = IMAGES.reshape(40, -1)
    patches = PatchComponents.of(rows, (7, 6, 2), WINDOW)
    seen = np.asarray(patches(rows))
    change = lambda x: np.abs(np.asarray(patches(x)) - seen).mean() / np.abs(seen).mean()
    assert change(rows + 0.3) < 1e-4
    assert change(2 * rows) < 0.5  # In proportion it would be 1.
    assert np.isfinite(patches(jnp.zeros_like(rows))).all()


def test_mirrored_images_and_their_mirror_images_have_the_mean_of_what_both_have():
    rows, turned = IMAGES.reshape(40, -1), IMAGES[:, :, ::-1].reshape(40, -1)
    one_way = PatchComponents.of(rows, (7, 6, 2), WINDOW)
    both = PatchComponents.of(rows, (7, 6, 2), WINDOW, mirrored=True)
    for grid in (2, 5):
        expected = [
            (own + other) / 2 for own, other in zip(one_way.with_detail(rows, grid), one_way.with_detail(turned, grid))
        ]
        for images in (rows, turned):
            np.testing.assert_allclose(
                jnp.concatenate(both.with_detail(images, grid), 1), jnp.concatenate(expected, 1), atol=1e-5
            )
    np.testing.assert_allclose(one_way.handedness(rows), one_way(rows) - both(rows), atol=1e-5)
    np.testing.assert_array_equal(rows[:, mirror_image((7, 6, 2))], turned)


def test_the_usual_patch_is_a_quarter_of_an_image_up_to_eight_pixels():
    sides = {1: 1, 4: 2, 8: 3, 14: 5, 16: 5, 28: 8, 32: 8}
    assert {side: Window.usual((side, side + 9, 1)).size for side in sides} == sides
    strides = {1: 1, 63: 1, 64: 2, 95: 2, 96: 3, 224: 7}
    assert {side: Window.usual((side + 9, side, 3)).stride for side in strides} == strides
    assert Window.usual((300, 200, 3)).size == 8


def test_words_stand_with_the_weights_of_scikit_learn():
    present = GENERATOR.random((50, 12)) < 0.3
    present[7] = False  # A text without a word.
    x = jnp.asarray((present - present.mean(0)) / present.std(0), jnp.float32)  # Standardised, as inputs are.
    expected = TfidfTransformer().fit_transform(present.astype(float)).toarray()
    np.testing.assert_allclose(WordWeights.of(x)(x), expected, atol=1e-6)
