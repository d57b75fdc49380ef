from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from .._devices import total


@final
class Moments(eqx.Module):
    """Mean and spread of samples that arrive in blocks and are never kept (Chan, Golub and LeVeque 1979)."""

    count: Float[Array, ""]
    mean: PyTree  # of vectors
    spread: PyTree  # sum of squared distances from the mean

    @classmethod
    def of(cls, samples: PyTree, parts: Bool[Array, "part sample"]) -> tuple["Moments", ...]:
        """The moments of the samples in every part. Parts do not overlap; one in none leaves no trace, even NaN."""
        counts = parts.sum(1).astype(float)
        some = parts.any(0)

        # Products and not sums along the first axis, which would take many times as long on a CPU.
        def total(x):
            return jnp.matmul(parts.astype(x.dtype), x, precision=jax.lax.Precision.HIGHEST)

        def mean(x):
            return total(jnp.where(some[:, None], x, 0)) / jnp.maximum(counts, 1)[:, None].astype(x.dtype)

        def spread(x, means):
            return total(jnp.where(some[:, None], x - means[parts.argmax(0)], 0) ** 2)

        means = jax.tree.map(mean, samples)
        spreads = jax.tree.map(spread, samples, means)
        pick = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
        return tuple(cls(counts[i], pick(means, i), pick(spreads, i)) for i in range(parts.shape[0]))

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of samples together."""
        count = self.count + other.count
        share = other.count / jnp.maximum(count, 1)
        away = jax.tree.map(lambda a, b: b - a, self.mean, other.mean)
        mean = jax.tree.map(lambda a, d: a + d * share.astype(d.dtype), self.mean, away)
        cross = self.count * share
        spread = jax.tree.map(lambda a, b, d: a + b + d**2 * cross.astype(d.dtype), self.spread, other.spread, away)
        return type(self)(count, mean, spread)

    @staticmethod
    def together(parts: tuple["Moments", "Moments"]) -> tuple["Moments", "Moments"]:
        """For each part, the moments of all devices' samples together, as `merge` would have them."""
        weigh = lambda part: jax.tree.map(lambda x: x * part.count.astype(x.dtype), part.mean)
        counts, sums = total(([part.count for part in parts], [weigh(part) for part in parts]))
        divide = lambda x, count: x / jnp.maximum(count, 1).astype(x.dtype)
        means = [jax.tree.map(lambda x: divide(x, count), each) for each, count in zip(sums, counts)]

        def spread(part, mean):
            return jax.tree.map(
                lambda s, a, b: s + (a - b) ** 2 * part.count.astype(s.dtype), part.spread, part.mean, mean
            )

        spreads = total([spread(part, mean) for part, mean in zip(parts, means)])
        first, second = map(Moments, counts, means, spreads)
        return first, second

    @property
    def variance(self) -> PyTree:
        """Unbiased variance of one sample; infinite if there are fewer than two."""
        return jax.tree.map(
            lambda x: jnp.where(self.count > 1, x / jnp.maximum(self.count - 1, 1).astype(x.dtype), jnp.inf),
            self.spread,
        )

    @property
    def variance_of_mean(self) -> PyTree:
        """Unbiased variance of the mean; infinite if there are fewer than two samples."""
        return jax.tree.map(lambda x: x / jnp.maximum(self.count, 1).astype(x.dtype), self.variance)
