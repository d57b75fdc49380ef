from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._devices import total


@final
class Moments(eqx.Module):
    """Count, mean and sum of squared distances of samples that arrive in blocks (Chan, Golub and LeVeque 1979).

    The samples themselves are not stored: gradients of all particles would need too much memory.
    """

    count: Float[Array, ""]
    mean: PyTree[Float[Array, " _"]]
    squared_distances: PyTree[Float[Array, " _"]]  # from the mean, summed over samples

    @classmethod
    def of(cls, samples: PyTree, parts: Bool[Array, "part sample"]) -> tuple["Moments", ...]:
        """Returns the moments of the samples in every part.

        Parts do not overlap. A sample that is in no part leaves no trace, even if it is NaN.
        """
        counts = parts.sum(1).astype(float)
        counted = parts.any(0)

        # Matrix products instead of sums along the first axis, which take many times as long on a CPU.
        def total(x):
            return jnp.matmul(parts.astype(x.dtype), x, precision=jax.lax.Precision.HIGHEST)

        def mean(x):
            return total(jnp.where(counted[:, None], x, 0)) / jnp.maximum(counts, 1)[:, None].astype(x.dtype)

        def squared_distances(x, means):
            return total(jnp.where(counted[:, None], x - means[parts.argmax(0)], 0) ** 2)

        means = jax.tree.map(mean, samples)
        squares = jax.tree.map(squared_distances, samples, means)
        pick = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
        return tuple(cls(counts[i], pick(means, i), pick(squares, i)) for i in range(parts.shape[0]))

    def merge(self, other: "Moments") -> "Moments":
        """Returns the moments of both sets of samples together."""
        count = self.count + other.count
        share = other.count / jnp.maximum(count, 1)
        shift = jax.tree.map(lambda a, b: b - a, self.mean, other.mean)
        mean = jax.tree.map(lambda a, d: a + d * share.astype(d.dtype), self.mean, shift)
        cross = self.count * share
        squares = jax.tree.map(
            lambda a, b, d: a + b + d**2 * cross.astype(d.dtype), self.squared_distances, other.squared_distances, shift
        )
        return type(self)(count, mean, squares)

    @staticmethod
    def over_devices(parts: tuple["Moments", "Moments"]) -> tuple["Moments", "Moments"]:
        """Returns, for each part, the moments of all devices' samples together, as `merge` would."""
        weigh = lambda part: jax.tree.map(lambda x: x * part.count.astype(x.dtype), part.mean)
        counts, sums = total(([part.count for part in parts], [weigh(part) for part in parts]))
        divide = lambda x, count: x / jnp.maximum(count, 1).astype(x.dtype)
        means = [jax.tree.map(lambda x: divide(x, count), each) for each, count in zip(sums, counts)]

        def squared_distances(part, mean):
            return jax.tree.map(
                lambda s, a, b: s + (a - b) ** 2 * part.count.astype(s.dtype), part.squared_distances, part.mean, mean
            )

        squares = total([squared_distances(part, mean) for part, mean in zip(parts, means)])
        first, second = map(Moments, counts, means, squares)
        return first, second

    @property
    def variance(self) -> PyTree:
        """Unbiased variance of one sample; infinite if there are fewer than two."""
        return jax.tree.map(
            lambda x: jnp.where(self.count > 1, x / jnp.maximum(self.count - 1, 1).astype(x.dtype), jnp.inf),
            self.squared_distances,
        )

    @property
    def variance_of_mean(self) -> PyTree:
        """Unbiased variance of the mean; infinite if there are fewer than two samples."""
        return jax.tree.map(lambda x: x / jnp.maximum(self.count, 1).astype(x.dtype), self.variance)
