import jax
import jax.random as jr
import numpy as np
import pytest
from metarule.errors import BadInput
from metarule.tasks import from_arrays, ImageTasks, join, topics, VectorTasks


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
