from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._tasks import AbstractTasks, Episode


@final
class RandomTable(eqx.Module):
    """A task: a table that goes on for ever. All that decides its rows but chance."""

    centres: Float[Array, "class cluster hidden"]
    spread: Float[Array, " hidden"]
    """Deviation of each hidden variable around a cluster's centre."""
    graded: Bool[Array, ""]
    """Whether the classes are equal parts of a score of the hidden variables, instead of clusters."""
    score: Float[Array, "hidden hidden"]
    mixing: Float[Array, "hidden input"]
    offset: Float[Array, " input"]
    form: Int[Array, " input"]
    """What becomes of each column: its number, a bounded, folded or heavy-tailed one, a flag, levels, or nothing."""
    noise: Float[Array, " input"]
    centre: Float[Array, " input"]
    scale: Float[Array, " input"]


@final
class RandomTables(AbstractTasks[RandomTable]):
    """Made-up tables, another one for every task: columns of many kinds that depend on a few hidden variables.

    The classes are mixtures of clusters in the space of the hidden variables or equal parts of a quadratic score of
    them; in a task, some columns are numbers, some bounded, folded or heavy-tailed, some flags or levels, some are
    noise, and some are constant, as if the table were narrower. Columns are standardised.
    """

    inputs: int = eqx.field(static=True, default=32)
    ways: int = eqx.field(static=True, default=3)
    shots: int = eqx.field(static=True, default=10)
    batch_size: int = eqx.field(static=True, default=32)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.inputs,)

    @property
    def targets(self) -> int:
        """Columns of an episode's targets."""
        return self.ways

    def sample(self, key: PRNGKeyArray) -> RandomTable:
        keys = jr.split(key, 14)
        apart = jnp.exp(jr.uniform(keys[0], (), minval=-0.3, maxval=1.6))
        # Some tables depend on two hidden variables, some on all of them.
        spread = jnp.exp(-jr.uniform(keys[1], (), maxval=1.5) * jnp.arange(_HIDDEN))
        width = jr.randint(keys[2], (), 5, self.inputs + 1)
        dense = jr.bernoulli(keys[3], jr.uniform(keys[4], (), minval=0.2, maxval=0.9), (_HIDDEN, self.inputs))
        forms = jr.categorical(keys[5], jr.normal(keys[6], (_FORMS,)), shape=(self.inputs,))
        task = RandomTable(
            centres=apart * spread * jr.normal(keys[7], (self.ways, _CLUSTERS, _HIDDEN)),
            spread=spread,
            graded=jr.bernoulli(keys[8]),
            score=jr.normal(keys[9], (_HIDDEN, _HIDDEN)) / _HIDDEN**0.5,
            mixing=dense * jr.normal(keys[10], (_HIDDEN, self.inputs)),
            offset=jr.normal(keys[11], (self.inputs,)),
            form=jnp.where(jnp.arange(self.inputs) < width, forms, _CONSTANT),
            noise=jnp.exp(jr.uniform(keys[12], (self.inputs,), minval=-3.0, maxval=0.5)),
            centre=jnp.zeros(self.inputs),
            scale=jnp.ones(self.inputs),
        )
        rows, _ = self._rows(task, keys[13], _TO_STANDARDISE)
        deviation = rows.std(0)
        scale = jnp.where(deviation > 1e-3, 1 / jnp.maximum(deviation, 1e-3), 0.0)
        return eqx.tree_at(lambda it: (it.centre, it.scale), task, (rows.mean(0), scale))

    def batch(self, task: RandomTable, key: PRNGKeyArray) -> Float[Array, "batch input"]:
        return self._rows(task, key, self.batch_size)[0]

    def episode(self, task: RandomTable, key: PRNGKeyArray) -> Episode:
        rows, order = self._rows(task, key, self.ways * 2 * self.shots)
        rows = rows[order].reshape(self.ways, 2, self.shots, self.inputs)
        labels = jnp.repeat(jnp.eye(self.ways), self.shots, axis=0)
        support, query = (rows[:, half].reshape(-1, self.inputs) for half in range(2))
        return Episode(support, labels, query, labels)

    def _rows(
        self, task: RandomTable, key: PRNGKeyArray, count: int
    ) -> tuple[Float[Array, "row input"], Int[Array, " row"]]:
        """Rows of a table, and the order in which they are sorted by class, each class as often as the others."""
        hidden_key, cluster_key, noise_key, shuffle_key = jr.split(key, 4)
        classes = jnp.arange(count) % self.ways
        cluster = jr.randint(cluster_key, (count,), 0, _CLUSTERS)
        hidden = task.centres[classes, cluster] + task.spread * jr.normal(hidden_key, (count, _HIDDEN))
        turned = hidden @ task.score
        score = turned[:, 0] + (turned * hidden).sum(1) / 2
        ranks = jnp.argsort(jnp.argsort(score)) * 1.0
        by = jnp.where(task.graded, jnp.floor(ranks * self.ways / count), classes * 1.0)
        x = hidden @ task.mixing + task.offset + task.noise * jr.normal(noise_key, (count, self.inputs))
        # Rows of a class in random order: by score the first half of a class would not be like the second.
        order = jnp.argsort(by + 0.5 * jr.uniform(shuffle_key, (count,)))
        return (_formed(x, task.form) - task.centre) * task.scale, order


def _formed(x: Float[Array, "row input"], form: Int[Array, " input"]) -> Float[Array, "row input"]:
    kinds = jnp.stack([x, jnp.tanh(x), jnp.abs(x), x * jnp.abs(x), x > 1, jnp.round(x), jnp.zeros_like(x)])
    return jnp.take_along_axis(kinds, form[None, None, :], 0)[0]


_HIDDEN = 8
_CLUSTERS = 2
_FORMS = 6
_CONSTANT = 6
_TO_STANDARDISE = 512
