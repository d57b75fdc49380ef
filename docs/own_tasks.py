"""Tasks of one's own. Run: metarule train --tasks own_tasks:Mixtures, in this folder."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from metarule.tasks import AbstractTasks, Episode


@final
class Mixtures(AbstractTasks):
    """Mixtures of Gaussians: a task is the centres of its classes."""

    ways: int = eqx.field(static=True, default=5)
    inputs: int = eqx.field(static=True, default=16)
    shots: int = eqx.field(static=True, default=5)
    batch_size: int = eqx.field(static=True, default=32)
    noise: float = eqx.field(static=True, default=0.5)
    """Deviation around a centre; centres have a deviation of one."""

    @property
    def shape(self):
        return (self.inputs,)

    def sample(self, key):
        return jr.normal(key, (self.ways, self.inputs))

    def batch(self, task, key):
        class_key, noise_key = jr.split(key)
        classes = jr.randint(class_key, (self.batch_size,), 0, self.ways)
        return self._around(task[classes], noise_key)

    def episode(self, task, key):
        labels = jnp.repeat(jnp.eye(self.ways), self.shots, axis=0)
        support, query = (self._around(labels @ task, each) for each in jr.split(key))
        return Episode(support, labels, query, labels)

    def _around(self, centres, key):
        return centres + self.noise * jr.normal(key, centres.shape)
