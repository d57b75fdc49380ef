import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import Affine, Blur, Contrast, DataSet, from_arrays, ImageTasks, join, PixelNoise, Shade, Thicken
from scipy.ndimage import affine_transform


PARTS = (Affine(), Thicken(), Blur(), Shade(), Contrast(), PixelNoise())


def numbered(name, classes, per_class, level):
    """Images whose pixels tell their class (first row) and their own number in it (second row)."""
    labels = np.repeat(np.arange(classes), per_class).astype(np.int64)
    images = np.zeros((len(labels), 4, 4), np.uint8)
    images[:, 0] = labels[:, None]
    images[:, 1] = np.tile(np.arange(per_class), classes)[:, None]
    images[:, 2] = level
    images[:, 3] = np.arange(4)
    names = tuple(f"{name}{place}" for place in range(classes))
    return DataSet(name, "image", names, images, labels, images[:0], labels[:0])


def flat(images):
    """Images as rows, as permuted tasks give them."""
    return images.reshape(len(images), -1)


def plain(sources, weights=None, **fields):
    return ImageTasks(join(sources, weights), (), **{"ways": 3, "shots": 2, "permuted": False, **fields})


def pixels(x):
    return np.rint(np.asarray(x) * 255).astype(int)[..., 0]


def test_a_task_draws_different_classes_of_one_source_and_sources_by_weight():
    tasks = plain([numbered("a", 5, 4, 10), numbered("b", 7, 6, 20)], [1.0, 3.0])
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: tasks.sample(key).classes))(jr.split(jr.key(0), 2000)))
    from_first = drawn < 5
    assert (from_first.all(1) | ~from_first.any(1)).all()
    assert all(len(set(row)) == 3 for row in drawn.tolist())
    assert abs(from_first[:, 0].mean() - 0.25) < 0.04
    np.testing.assert_allclose(np.bincount(drawn[from_first].ravel()) / from_first.sum(), 0.2, atol=0.04)


def test_coloured_images_become_grey_beside_grey_ones():
    flat = numbered("a", 3, 4, 10)
    train_x, test_x = (np.stack([each] * 3, 3) for each in (flat.train_x, flat.test_x))
    coloured = dataclasses.replace(flat, name="b", train_x=train_x, test_x=test_x)
    red = dataclasses.replace(coloured, name="c", train_x=coloured.train_x * np.array([1, 0, 0], np.uint8))
    alone, beside = join([flat, flat, flat]).examples, join([flat, coloured, red]).examples
    assert beside.shape == (36, 1, 4, 4)
    np.testing.assert_array_equal(beside[:24], alone[:24])
    np.testing.assert_array_equal(beside[24:], np.rint(0.299 * np.asarray(alone[24:], np.float32)))
    assert join([coloured, red]).examples.shape == (24, 3, 4, 4)


def test_a_batch_holds_any_example_of_the_tasks_classes_equally_often():
    tasks = plain([numbered("a", 5, 4, 10)], batch_size=4000)
    task = tasks.sample(jr.key(1))
    image = pixels(tasks.batch(task, jr.key(2)))
    assert set(image[:, 0, 0]) == set(np.asarray(task.classes).tolist())
    counts = np.bincount(image[:, 0, 0] * 4 + image[:, 1, 0])
    np.testing.assert_allclose(counts[counts > 0] / 4000, 1 / 12, atol=0.02)


@pytest.mark.parametrize("per_class", [4, 5, 7, 23])
def test_support_and_query_are_disjoint_balanced_and_labelled_in_task_order(per_class):
    tasks = plain([numbered("a", 5, per_class, 10)])

    def draw(key):
        task = tasks.sample(key)
        return task.classes, tasks.episode(task, key)

    classes, episode = jax.jit(jax.vmap(draw))(jr.split(jr.key(0), 200))
    for part, y in ((episode.support_x, episode.support_y), (episode.query_x, episode.query_y)):
        assert (y.sum(1) == 2).all() and (y.sum(2) == 1).all()
        own = jnp.take_along_axis(classes, y.argmax(-1), 1)
        assert (pixels(part)[:, :, 0, 0] == own).all()
    both = pixels(jnp.concatenate([episode.support_x, episode.query_x], 1))
    for image in both:
        assert len({(int(i[0, 0]), int(i[1, 0])) for i in image}) == 12
    used = np.bincount(both[:, :, 1, 0].ravel(), minlength=per_class) / both[:, :, 0, 0].size
    np.testing.assert_allclose(used, 1 / per_class, atol=0.025)


def test_one_permutation_for_all_that_a_task_gives():
    source = [numbered("a", 5, 8, 10)]
    mixed, ordered = plain(source, permuted=True), plain(source)
    task, other = mixed.sample(jr.key(3)), mixed.sample(jr.key(4))
    assert (task.permutation != other.permutation).any()
    assert sorted(task.permutation.tolist()) == list(range(16))
    same = (mixed.batch(task, jr.key(5)), ordered.batch(task, jr.key(5)))
    assert (same[0] == flat(same[1])[:, task.permutation]).all()
    episodes = mixed.episode(task, jr.key(6)), ordered.episode(task, jr.key(6))
    assert (episodes[0].query_x == flat(episodes[1].query_x)[:, task.permutation]).all()


def test_coloured_images_flatten_as_data_sets_do():
    x = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 3), np.uint8)
    data = from_arrays("c", (x, np.arange(8) % 2), (x[:1], np.zeros(1, int)))
    tasks = plain([data], ways=2, shots=1)
    batch = np.asarray(flat(tasks.batch(tasks.sample(jr.key(0)), jr.key(1))))
    rows = {tuple(row) for row in data.train_x.reshape(len(data.train_x), -1).tolist()}
    assert tasks.shape == (4, 4, 3) and all(tuple(row) in rows for row in np.rint(batch * 255).astype(int).tolist())


def test_targets_end_with_the_coefficients_of_the_augmentation():
    tasks = ImageTasks(join([numbered("a", 5, 4, 10)]), PARTS, ways=3, shots=2)
    task = tasks.sample(jr.key(0))
    episode = tasks.episode(task, jr.key(1))
    assert tasks.targets == 9 and episode.support_y.shape == (6, 9) and episode.query_y.shape == (6, 9)
    bare = dataclasses.replace(tasks, regression=False)
    assert bare.targets == 3 and (bare.episode(task, jr.key(1)).support_y == episode.support_y[:, :3]).all()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_every_part_keeps_to_the_unit_interval_and_its_promises(part):
    images = jr.uniform(jr.key(0), (6, 1, 8, 8))

    def vary(key):
        return part(images, part.draw(8, key), jr.fold_in(key, 1))

    varied, coefficients = jax.jit(jax.vmap(vary))(jr.split(jr.key(1), 50))
    assert varied.shape == (50, 6, 1, 8, 8) and coefficients.shape == (50, 6, part.coefficients)
    assert varied.min() >= 0 and varied.max() <= 1 + 1e-6
    changed = jnp.abs(varied - images).max((1, 2, 3, 4)) > 1e-3
    assert changed.mean() > 0.3  # the part does something, in most tasks
    if part.coefficients:
        assert (coefficients.std((0, 1)) > 0.4).all() and (coefficients.std((0, 1)) < 1.1).all()


@pytest.mark.parametrize("part", [kind(probability=0.0) for kind in (Affine, Thicken, PixelNoise, Shade)])
def test_a_part_of_zero_strength_leaves_images_as_they_are(part):
    images = jr.uniform(jr.key(0), (3, 1, 8, 8))
    varied, _ = part(images, part.draw(8, jr.key(1)), jr.key(2))
    np.testing.assert_allclose(varied, images, atol=1e-6)


def test_affine_moves_a_smooth_image_as_scipy_does_with_the_matrix_that_its_coefficients_mean():
    side, part = 32, Affine(shift=0.05, rotation=0.2, scale=0.1, shear=0.15)
    centre = (side - 1) / 2
    row, column = np.mgrid[:side, :side] - centre
    smooth = np.exp(-((row - 1) ** 2) / 40 - ((column + 1.5) ** 2) / 16).astype(np.float32)
    varied, coefficients = part(jnp.asarray(np.tile(smooth, (5, 1, 1, 1))), jnp.ones(()), jr.key(0))
    for image, (right, down, turn, size, stretch, slant) in zip(np.asarray(varied), np.asarray(coefficients)):
        turn, slant = 0.2 * turn, 0.15 * slant
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        shear = np.array([[1, 0], [slant, 1]])
        scale = np.diag(np.exp([-0.1 * (size - stretch / 2), -0.1 * (size + stretch / 2)]))
        matrix = scale @ shear @ rotation
        offset = centre + 0.05 * side * np.array([down, right]) - matrix @ [centre, centre]
        oracle = affine_transform(smooth, matrix, offset, order=3)
        assert np.abs(image[0] - oracle).max() < 0.02 < 0.1 < np.abs(smooth - oracle).max()


def test_a_source_too_small_for_the_ways_or_of_another_shape_is_refused():
    with pytest.raises(BadInput, match="Tasks of 6 classes can't be drawn from a source of 5"):
        plain([numbered("a", 5, 4, 10)], ways=6)
    x = np.zeros((4, 5, 5), np.uint8)
    other = from_arrays("other", (x, np.arange(4) % 2), (x, np.arange(4) % 2))
    with pytest.raises(BadInput, match="resize them to one size"):
        join([numbered("a", 5, 4, 10), other])
    vectors = from_arrays("v", (x.reshape(4, -1), np.arange(4) % 2), (x[:0].reshape(0, 25), np.arange(0)))
    with pytest.raises(BadInput, match="VectorTasks"):
        plain([vectors], ways=2)
    with pytest.raises(BadInput, match="as many weights"):
        join([other], [1.0, 2.0])
