from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..errors import BadInput


@final
class ClassIndex(eqx.Module):
    """The positions of each class and each source in a pool whose examples are sorted by source and class.

    Class `c` has `count[c]` examples, from index `first[c]` on. Source `s` has `classes[s]` classes, from index
    `first_class[s]` on, and is drawn with probability `weight[s]`.
    """

    first: Int[Array, " class"]
    count: Int[Array, " class"]
    first_class: Int[Array, " source"]
    classes: Int[Array, " source"]
    weight: Float[Array, " source"]

    def draw_classes(self, ways: int, key: PRNGKeyArray) -> Int[Array, " way"]:
        """Draws a source, then `ways` different classes of it."""
        uniform = jax.random.uniform(key, (self.first.shape[0] + 1,))
        source = jnp.minimum((jnp.cumsum(self.weight) <= uniform[0]).sum(), self.weight.shape[0] - 1)
        position = jnp.arange(self.first.shape[0]) - self.first_class[source]
        own = (position >= 0) & (position < self.classes[source])
        return jax.lax.top_k(jnp.where(own, uniform[1:], -1.0), ways)[1]

    def draw_examples(self, classes: Int[Array, " way"], count: int, key: PRNGKeyArray) -> Int[Array, " example"]:
        """Draws `count` examples with replacement, each of a random one of these classes."""
        uniform = jax.random.uniform(key, (2 * count,))
        drawn = classes[_integers_below(classes.shape[0], uniform[:count])]
        return self.first[drawn] + _integers_below(self.count[drawn], uniform[count:])

    def draw_distinct(self, classes: Int[Array, " way"], per_class: int, key: PRNGKeyArray) -> Int[Array, "way draw"]:
        """Draws `per_class` different examples of each class; with repetitions where a class has fewer.

        Every example of a class is equally likely.
        """
        # The examples of a class, arranged in a ring with a random start, are cut into `per_class` arcs of about the
        # same length, and one is drawn from each: that needs neither sorting nor rejection.
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
        """Draws support and query examples, `shots` per class in order; disjoint if the class has twice as many."""
        indices = self.draw_distinct(classes, 2 * shots, key)
        # Support and query alternate along the ring of a class, so that neither is a contiguous part of it.
        return indices[:, 0::2].ravel(), indices[:, 1::2].ravel()


def _integers_below(limit: int | Int[Array, "..."], uniform: Float[Array, "..."]) -> Int[Array, "..."]:
    """Turns uniform samples in [0, 1) into integers from 0 to `limit - 1`; 0 where the limit is 0."""
    # The minimum is for a sample just below 1, whose product may round up to the limit.
    return jnp.minimum((uniform * limit).astype(jnp.int32), jnp.maximum(limit - 1, 0))


def check_ways(index: ClassIndex, ways: int, shots: int, batch_size: int) -> None:
    """Raises `BadInput` unless tasks of `ways` classes can be drawn from every source, with at least one shot."""
    if ways < 2 or shots < 1 or batch_size < 2:
        raise BadInput("Tasks need at least two classes, one example per class, and batches of two.")
    fewest = int(np.asarray(index.classes).min())
    if fewest < ways:
        raise BadInput(f"Tasks of {ways} classes can't be drawn from a source of {fewest}; ask for fewer ways.")
