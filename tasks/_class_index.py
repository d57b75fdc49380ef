from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..errors import BadInput


@final
class ClassIndex(eqx.Module):
    """Where the examples of each class of each source stand, in a pool sorted by source and class.

    Class `c` owns the examples from `first[c]` on, `count[c]` of them; source `s` owns the classes from
    `first_class[s]` on, `classes[s]` of them, and is chosen in proportion to `weight[s]`.
    """

    first: Int[Array, " class"]
    count: Int[Array, " class"]
    first_class: Int[Array, " source"]
    classes: Int[Array, " source"]
    weight: Float[Array, " source"]

    def draw_classes(self, ways: int, key: PRNGKeyArray) -> Int[Array, " way"]:
        """Chooses a source, then `ways` different classes of it."""
        uniform = jax.random.uniform(key, (self.first.shape[0] + 1,))
        source = jnp.minimum((jnp.cumsum(self.weight) <= uniform[0]).sum(), self.weight.shape[0] - 1)
        position = jnp.arange(self.first.shape[0]) - self.first_class[source]
        own = (position >= 0) & (position < self.classes[source])
        return jax.lax.top_k(jnp.where(own, uniform[1:], -1.0), ways)[1]

    def draw_examples(self, classes: Int[Array, " way"], many: int, key: PRNGKeyArray) -> Int[Array, " example"]:
        """Independent examples of these classes, each class equally often on average."""
        uniform = jax.random.uniform(key, (2 * many,))
        drawn = classes[_integers_below(classes.shape[0], uniform[:many])]
        return self.first[drawn] + _integers_below(self.count[drawn], uniform[many:])

    def draw_distinct(self, classes: Int[Array, " way"], per_class: int, key: PRNGKeyArray) -> Int[Array, "way draw"]:
        """`per_class` different examples of each class, where it has so many.

        The examples of a class, laid on a ring that starts at a random place, are cut into `per_class` arcs and one is
        drawn from each: no sorting, no rejection, and every example is equally likely.
        """
        first, count = self.first[classes][:, None], self.count[classes][:, None]
        uniform = jax.random.uniform(key, (classes.shape[0] * (per_class + 1),)).reshape(-1, per_class + 1)
        arc = jnp.arange(per_class)
        low, high = arc * count // per_class, (arc + 1) * count // per_class
        return (
            first + (_integers_below(count, uniform[:, :1]) + low + _integers_below(high - low, uniform[:, 1:])) % count
        )

    def draw_episode(
        self, classes: Int[Array, " way"], shots: int, key: PRNGKeyArray
    ) -> tuple[Int[Array, " support"], Int[Array, " query"]]:
        """Support and query examples, `shots` of each class, ordered by class; disjoint where there are enough."""
        indices = self.draw_distinct(classes, 2 * shots, key)
        # They alternate along the ring of a class, so neither is a contiguous part of it.
        return indices[:, 0::2].ravel(), indices[:, 1::2].ravel()


def _integers_below(limit: int | Int[Array, "..."], uniform: Float[Array, "..."]) -> Int[Array, "..."]:
    """Whole numbers from 0 to `limit - 1` (0 where the limit is 0) by uniform in [0, 1)."""
    return jnp.minimum((uniform * limit).astype(jnp.int32), jnp.maximum(limit - 1, 0))


def check_ways(index: ClassIndex, ways: int, shots: int, batch_size: int) -> None:
    """Raises `BadInput` for tasks that can't be drawn from these classes."""
    if ways < 2 or shots < 1 or batch_size < 2:
        raise BadInput("Tasks need at least two classes, one example per class, and batches of two.")
    fewest = int(np.asarray(index.classes).min())
    if fewest < ways:
        raise BadInput(f"Tasks of {ways} classes can't be drawn from a source of {fewest}; ask for fewer ways.")
