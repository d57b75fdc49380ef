from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree


def _column(mask: Array, values: Array) -> Array:
    return mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))


@final
class Moments(eqx.Module):
    """Mean and spread of samples that arrive in blocks and are never kept (Chan, Golub and LeVeque 1979)."""

    count: Float[Array, ""]
    mean: PyTree  # of vectors
    spread: PyTree  # sum of squared distances from the mean

    @classmethod
    def of(cls, samples: PyTree, mask: Bool[Array, " sample"]) -> "Moments":
        """The moments of the samples under the mask. The others, finite or not, leave no trace."""
        count = mask.sum().astype(float)

        def mean(x):
            return jnp.where(_column(mask, x), x, 0).sum(0) / jnp.maximum(count, 1).astype(x.dtype)

        def spread(x, mean):
            return (jnp.where(_column(mask, x), x - mean, 0) ** 2).sum(0)

        means = jax.tree.map(mean, samples)
        return cls(count, means, jax.tree.map(spread, samples, means))

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of samples together."""
        count = self.count + other.count
        share = other.count / jnp.maximum(count, 1)
        away = jax.tree.map(lambda a, b: b - a, self.mean, other.mean)
        mean = jax.tree.map(lambda a, d: a + d * share.astype(d.dtype), self.mean, away)
        cross = self.count * share
        spread = jax.tree.map(lambda a, b, d: a + b + d**2 * cross.astype(d.dtype), self.spread, other.spread, away)
        return type(self)(count, mean, spread)

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
