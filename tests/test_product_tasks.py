"""What tasks may not do: vary support and query differently, or validate on what is trained on."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array
from metarule.launch.options._presets import PRESETS
from metarule.launch.options._problems import problems_of
from metarule.tasks import AbstractAugmentation, from_arrays, ImageTasks, join


class Fade(AbstractAugmentation):
    """Divides all images of a task by ten, and each by a number of its own between 1 and 2."""

    unit: Array

    @property
    def coefficients(self):
        return 1

    def draw(self, side, key):
        return 0.1 * self.unit

    def __call__(self, images, style, key):
        own = 1 + jr.uniform(key, (len(images),))
        return images * style / own[:, None, None, None], own[:, None]


def test_batches_support_and_query_are_varied_alike_and_each_image_by_itself():
    """A readout that is scored on other-looking images than it was fitted to would measure the augmentation."""
    white = np.full((24, 2, 2), 255, np.uint8)
    data = from_arrays("white", (white, np.arange(24) % 3), (white[:3], np.arange(3)))
    tasks = ImageTasks(join([data]), (Fade(jnp.ones(())),), ways=3, shots=4, batch_size=8)

    @jax.jit
    def draw(task_key, batch_key, episode_key):
        task = tasks.sample(task_key)
        return tasks.batch(task, batch_key), tasks.episode(task, episode_key)

    batch, episode = draw(*jr.split(jr.key(0), 3))
    parts = {"batch": batch, "support": episode.support_x, "query": episode.query_x}
    for name, x in parts.items():
        assert ((0.05 <= x) & (x <= 0.1)).all(), name
        assert len(set(np.asarray(x[:, 0]).tolist())) == len(x), name
    for x, y in ((episode.support_x, episode.support_y), (episode.query_x, episode.query_y)):
        np.testing.assert_allclose(y[:, -1], 0.1 / x[:, 0], rtol=1e-5)  # The target is what made this very image.


def test_a_coloured_image_beside_grey_ones_is_as_bright_as_it_looks():
    """Red, green and blue count as in ITU-R BT.601, to the last of 255 steps."""
    colours = np.zeros((6, 2, 2, 3), np.uint8)
    for place in range(6):
        colours[place, ..., place % 3] = 255
    labels, grey = np.arange(6) % 3, np.zeros((6, 2, 2), np.uint8)
    sources = [from_arrays(name, (x, labels), (x[:3], labels[:3])) for name, x in (("g", grey), ("c", colours))]
    found = np.asarray(join(sources).examples)[6:, 0, 0, 0]
    assert found.tolist() == [76, 76, 150, 150, 29, 29]


def test_validation_has_no_image_that_training_has():
    training = dataclasses.replace(PRESETS["quick"], ways=3, shots=2)
    problems, validations = problems_of(training, None)

    def images(problems):
        return {image.tobytes() for problem in problems for image in np.asarray(problem.tasks.pool.examples)}

    trained, validated = images(problems), images(validations)
    assert len(trained) > 1000 and len(validated) > 100
    # Two of the thousands of tiny pictures may be alike by chance.
    assert len(trained & validated) < 0.01 * len(validated)
