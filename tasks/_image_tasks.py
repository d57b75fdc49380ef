import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..errors import BadInput
from ._class_index import check_ways
from ._pool import Pool
from ._tasks import AbstractTasks, Episode
from .augmentation._affine import Affine
from .augmentation._augmentation import AbstractAugmentation
from .augmentation._light import Contrast, PixelNoise, Shade
from .augmentation._stroke import Blur, Thicken


@final
class ImageTask(eqx.Module):
    """A task on images: its classes, its order of the pixels, and its style. Small: the images stay in the pool."""

    classes: Int[Array, " way"]
    permutation: Int[Array, " input"]
    styles: PyTree


@final
class ImageTasks(AbstractTasks[ImageTask]):
    """Tasks of `ways` classes from one source of a pool, with a random order of the pixels and a style of their own.

    A batch holds independent examples of the task's classes; an episode has `shots` examples per class to fit a readout
    on and `shots` others to score it. Its targets are the one-hot classes and, if `regression`, the coefficients of the
    augmentation. All of it is drawn on the device (arXiv 1804.00222, section 4.2). Raises `BadInput` where a source has
    fewer classes than `ways`.
    """

    pool: Pool
    augmentation: tuple[AbstractAugmentation, ...] = (Affine(), Thicken(), Blur(), Shade(), Contrast(), PixelNoise())
    ways: int = eqx.field(static=True, default=10)
    shots: int = eqx.field(static=True, default=5)
    batch_size: int = eqx.field(static=True, default=32)
    permuted: bool = eqx.field(static=True, default=True)
    regression: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_ways(self.pool.index, self.ways, self.shots, self.batch_size)
        if self.pool.examples.ndim != 4:
            raise BadInput("These data are vectors, not images: draw them by VectorTasks.")

    @property
    def shape(self) -> tuple[int, ...]:
        channels, side, _ = self.pool.examples.shape[1:]
        return (channels * side * side,) if self.permuted else (side, side, channels)

    @property
    def targets(self) -> int:
        """Columns of an episode's targets."""
        return self.ways + self.regression * sum(part.coefficients for part in self.augmentation)

    def sample(self, key: PRNGKeyArray) -> ImageTask:
        class_key, permutation_key, style_key = jax.random.split(key, 3)
        side, order = self.pool.examples.shape[-1], jnp.arange(math.prod(self.shape))
        style_keys = jax.random.split(style_key, max(len(self.augmentation), 1))
        return ImageTask(
            classes=self.pool.index.draw_classes(self.ways, class_key),
            permutation=jax.random.permutation(permutation_key, order) if self.permuted else order,
            styles=tuple(part.draw(side, own) for part, own in zip(self.augmentation, style_keys)),
        )

    def batch(self, task: ImageTask, key: PRNGKeyArray) -> Float[Array, " batch *shape"]:
        image_key, look_key = jax.random.split(key)
        return self._look(task, self.pool.index.draw_examples(task.classes, self.batch_size, image_key), look_key)[0]

    def episode(self, task: ImageTask, key: PRNGKeyArray) -> Episode:
        image_key, look_key = jax.random.split(key)
        indices = jnp.concatenate(self.pool.index.draw_episode(task.classes, self.shots, image_key))
        x, coefficients = self._look(task, indices, look_key)
        labels = jnp.repeat(jnp.eye(self.ways, dtype=x.dtype), self.shots, axis=0)
        y = jnp.concatenate([jnp.tile(labels, (2, 1)), coefficients if self.regression else coefficients[:, :0]], 1)
        half = self.ways * self.shots
        return Episode(x[:half], y[:half], x[half:], y[half:])

    def _look(
        self, task: ImageTask, indices: Int[Array, " example"], key: PRNGKeyArray
    ) -> tuple[Float[Array, " example *shape"], Float[Array, "example coefficient"]]:
        images = self.pool.examples[indices].astype(jnp.float32) / 255
        coefficients = [jnp.zeros((len(indices), 0), images.dtype)]
        keys = jax.random.split(key, max(len(self.augmentation), 1))
        for part, style, own_key in zip(self.augmentation, task.styles, keys):
            images, own = part(images, style, own_key)
            coefficients.append(own)
        x = jnp.moveaxis(images, 1, 3)
        if self.permuted:
            x = x.reshape(len(indices), -1)
            x = x.at[:, task.permutation].get(mode="promise_in_bounds", unique_indices=True)
        return x, jnp.concatenate(coefficients, 1)
