from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...precision import full_precision
from ._principal import PrincipalComponents


_KEYS = 64
"""Principal components by which distances are measured."""

LLOYD = 10
"""Steps of k-means: centroids only have to lie where examples are."""

_SOFTENING = 0.01
"""Share of the mean squared distance that is added to each."""


@final
class Prototypes(eqx.Module):
    """How near an example lies to the centroids of those seen before: the `triangle` encoding of its leading principal
    components. The columns' total variance over the examples is one.

    A hundredth of the mean squared distance, `softening`, is added to all squared distances. Near a centroid their root
    would otherwise magnify what single precision has lost.
    """

    keys: PrincipalComponents
    centroids: Float[Array, "centroid key"]
    softening: Float[Array, ""]
    offset: Float[Array, " centroid"]
    scale: Float[Array, ""]

    @classmethod
    def of(cls, x: Float[Array, "example input"], count: int) -> "Prototypes":
        """The prototypes of these examples: so many centroids, and a quarter as many as there are examples at most."""
        keys = PrincipalComponents.of(x, _KEYS)
        along = keys(x)
        start = along[jnp.linspace(0, len(x) - 1, max(1, min(count, len(x) // 4))).astype(int)]
        centroids = lloyd(along, start, LLOYD)
        softening = _SOFTENING * squared_distances(along, centroids).mean()
        closeness = triangle(along, centroids, softening)
        scale = jax.lax.rsqrt(jnp.maximum(closeness.var(0).sum(), 1e-30))
        return cls(keys, centroids, softening, closeness.mean(0), scale)

    def __call__(self, x: Float[Array, "example input"]) -> Float[Array, "example centroid"]:
        """How near these examples are, each by itself."""
        return (triangle(self.keys(x), self.centroids, self.softening) - self.offset) * self.scale


def lloyd(
    x: Float[Array, "example input"], centroids: Float[Array, "centroid input"], steps: Int[Array, ""] | int
) -> Float[Array, "centroid input"]:
    """Moves each centroid to the mean of the examples that it is nearest to, again and again; one without any stays."""

    def step(_, centroids: Float[Array, "centroid input"]) -> Float[Array, "centroid input"]:
        nearest = jax.nn.one_hot(squared_distances(x, centroids).argmin(1), len(centroids))
        count = nearest.sum(0)[:, None]
        return jnp.where(count > 0, nearest.T @ x / jnp.maximum(count, 1), centroids)

    return jax.lax.fori_loop(0, steps, step, centroids)


def triangle(
    x: Float[Array, "example input"],
    centroids: Float[Array, "centroid input"],
    softening: Float[Array, ""] | float = 0.0,
) -> Float[Array, "example centroid"]:
    """By how much each centroid is nearer than the mean one; zero for those that are farther (Coates, Lee and Ng, An
    Analysis of Single-Layer Networks in Unsupervised Feature Learning, AISTATS 2011)."""
    distances = jnp.sqrt(squared_distances(x, centroids) + softening)
    return jax.nn.relu(distances.mean(1, keepdims=True) - distances)


@full_precision
def squared_distances(
    x: Float[Array, "example input"], centroids: Float[Array, "centroid input"]
) -> Float[Array, "example centroid"]:
    """The squared distance of each example to each centroid."""
    return jnp.maximum((x**2).sum(1)[:, None] - 2 * x @ centroids.T + (centroids**2).sum(1), 0)
