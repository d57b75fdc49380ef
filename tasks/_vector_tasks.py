from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..errors import BadInput
from ._class_index import check_ways
from ._pool import Pool
from ._tasks import AbstractTasks, Episode


@final
class VectorTask(eqx.Module):
    """A task on vectors: its classes, its order of the features, and its deviation of the noise."""

    classes: Int[Array, " way"]
    permutation: Int[Array, " input"]
    noise: Float[Array, ""]


@final
class VectorTasks(AbstractTasks[VectorTask]):
    """Tasks of `ways` classes from texts, tables or any vectors, with a random order of the features and noise on them.

    The noise is Gaussian; a task's deviation is drawn evenly between 0 and `noise`, in units of the features. Batches
    and episodes are those of `ImageTasks`, without regression targets. Raises `BadInput` where a source has fewer
    classes than `ways`.
    """

    pool: Pool
    noise: float = 0.1
    ways: int = eqx.field(static=True, default=2)
    shots: int = eqx.field(static=True, default=5)
    batch_size: int = eqx.field(static=True, default=32)
    permuted: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        check_ways(self.pool.index, self.ways, self.shots, self.batch_size)
        if self.pool.examples.ndim != 2:
            raise BadInput("These data are images, not vectors: draw them by ImageTasks.")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pool.examples.shape[1:]

    @property
    def targets(self) -> int:
        """Columns of an episode's targets."""
        return self.ways

    def sample(self, key: PRNGKeyArray) -> VectorTask:
        class_key, permutation_key, noise_key = jax.random.split(key, 3)
        order = jnp.arange(self.pool.examples.shape[1])
        return VectorTask(
            classes=self.pool.index.draw_classes(self.ways, class_key),
            permutation=jax.random.permutation(permutation_key, order) if self.permuted else order,
            noise=self.noise * jax.random.uniform(noise_key),
        )

    def batch(self, task: VectorTask, key: PRNGKeyArray) -> Float[Array, "batch input"]:
        example_key, noise_key = jax.random.split(key)
        return self._look(task, self.pool.index.draw_examples(task.classes, self.batch_size, example_key), noise_key)

    def episode(self, task: VectorTask, key: PRNGKeyArray) -> Episode:
        example_key, support_key, query_key = jax.random.split(key, 3)
        support, query = self.pool.index.draw_episode(task.classes, self.shots, example_key)
        labels = jnp.repeat(jnp.eye(self.ways, dtype=jnp.float32), self.shots, axis=0)
        return Episode(self._look(task, support, support_key), labels, self._look(task, query, query_key), labels)

    def _look(
        self, task: VectorTask, indices: Int[Array, " example"], key: PRNGKeyArray
    ) -> Float[Array, "example input"]:
        x = self.pool.examples[indices]
        return (x + task.noise * jax.random.normal(key, x.shape, x.dtype))[:, task.permutation]
