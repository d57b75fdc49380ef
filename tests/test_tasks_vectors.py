import jax
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import from_arrays, ImageTasks, join, RandomTables, topics, VectorTasks


def table():
    """Rows that tell their class and number by their values, which standardising keeps apart."""
    labels = np.repeat(np.arange(4), 6)
    x = np.stack([labels, np.arange(24), labels * 2.0], 1).astype(np.uint8)
    return from_arrays("t", (x, labels), (x[:4], np.arange(4)))


def test_batches_and_episodes_hold_the_tasks_classes_with_their_labels():
    tasks = VectorTasks(join([table()]), noise=0.0, ways=2, shots=3, permuted=False, batch_size=50)

    def draw(key):
        task = tasks.sample(key)
        return task.classes, tasks.batch(task, key), tasks.episode(task, key)

    classes, batch, episode = jax.jit(jax.vmap(draw))(jr.split(jr.key(0), 20))
    numbers = np.rint(np.asarray(batch) * 255).astype(int)
    assert all(set(own[:, 0]) == set(c.tolist()) for own, c in zip(numbers, classes))
    for x, y in ((episode.support_x, episode.support_y), (episode.query_x, episode.query_y)):
        own = np.take_along_axis(np.asarray(classes), np.asarray(y.argmax(-1)), 1)
        assert (np.rint(np.asarray(x)[..., 0] * 255) == own).all() and (y.sum(1) == 3).all()
    rows = np.concatenate([episode.support_x, episode.query_x], 1)
    assert all(len({round(float(v) * 255) for v in own[:, 1]}) == 12 for own in rows)


def test_noise_and_order_are_the_tasks():
    quiet = VectorTasks(join([table()]), noise=0.0, ways=2)
    loud = VectorTasks(join([table()]), noise=0.5, ways=2, batch_size=4000)
    task = loud.sample(jr.key(1))
    assert 0 < task.noise < 0.5 and sorted(task.permutation.tolist()) == [0, 1, 2]
    spread = np.asarray(loud.batch(task, jr.key(2))).std(0)
    np.testing.assert_allclose(spread, task.noise, rtol=0.05)
    assert quiet.sample(jr.key(1)).noise == 0


def test_images_and_vectors_are_not_mistaken_for_each_other():
    images = from_arrays("i", (np.zeros((8, 4, 4), np.uint8), np.arange(8) % 2))
    with pytest.raises(BadInput, match="ImageTasks"):
        VectorTasks(join([images]))
    with pytest.raises(BadInput, match="VectorTasks"):
        ImageTasks(join([table()]), ways=2)
    with pytest.raises(BadInput, match="source of 4"):
        VectorTasks(join([table()]), ways=5)


def test_made_up_texts_tell_their_topic_but_not_at_once():
    made = topics(256, classes=20, seed=0)
    assert np.array_equal(made.train_x, topics(256, classes=20, seed=0).train_x)
    x, y = (made.train_inputs() > 0).astype(float), made.train_y  # Which words occur: columns are standardised.
    assert not np.array_equal(x, topics(256, classes=20, seed=1).train_x)
    held = x.mean(0)
    assert 0.08 < held.mean() < 0.2 and held[:10].mean() > 5 * held[-100:].mean()
    centres = np.stack([x[(y == topic)][:30].mean(0) for topic in range(20)])
    rest = np.concatenate([np.flatnonzero(y == topic)[30:] for topic in range(20)])
    nearest = ((x[rest, None] - centres) ** 2).sum(-1).argmin(1)
    assert 0.2 < (nearest == y[rest]).mean() < 0.95  # chance: 0.05


@pytest.fixture(scope="module")
def drawn():
    """Two hundred made-up tables, a batch and an episode of each."""
    tasks = RandomTables(inputs=12, ways=3, shots=10, batch_size=64)

    def draw(key):
        task_key, batch_key, episode_key = jr.split(key, 3)
        task = tasks.sample(task_key)
        return task, tasks.batch(task, batch_key), tasks.episode(task, episode_key)

    return jax.device_get(jax.jit(jax.vmap(draw))(jr.split(jr.key(0), 200)))


def test_columns_of_made_up_tables_are_standardised_or_constant(drawn):
    task, batch, _ = drawn
    constant = batch.std(1) == 0
    # Tables are five columns wide or wider; a flag that is hardly ever up may be constant in a batch.
    assert constant.mean() > 0.2 and (~constant).sum(1).min() >= 3 and np.isfinite(batch).all()
    assert (np.moveaxis(batch, 1, 2)[task.scale == 0] == 0).all()
    np.testing.assert_allclose(np.median(batch.std(1)[~constant]), 1, atol=0.1)
    assert len(np.unique(task.form)) == 7


def test_episodes_of_made_up_tables_have_classes_that_support_tells_of_query(drawn):
    task, _, episode = drawn
    assert (episode.support_y.sum(1) == 10).all() and (episode.query_y == episode.support_y).all()
    labels = episode.support_y.argmax(-1)
    nearest = ((episode.query_x[:, :, None] - episode.support_x[:, None]) ** 2).sum(-1).argmin(-1)
    right = (np.take_along_axis(labels, nearest, 1) == labels).mean(1)
    for kind in (task.graded, ~task.graded):
        assert 60 < kind.sum() < 140 and 0.42 < right[kind].mean() < 0.8, right[kind].mean()
