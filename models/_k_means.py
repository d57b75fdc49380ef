import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..precision import full_precision


def lloyd(
    x: Float[Array, "example input"], centroids: Float[Array, "centroid input"], steps: Int[Array, ""] | int
) -> Float[Array, "centroid input"]:
    """Moves each centroid to the mean of the examples that it is nearest to, again and again; one without any stays."""

    def step(_, centroids: Float[Array, "centroid input"]) -> Float[Array, "centroid input"]:
        nearest = jax.nn.one_hot(squared_distances(x, centroids).argmin(1), len(centroids))
        count = nearest.sum(0)[:, None]
        return jnp.where(count > 0, nearest.T @ x / jnp.maximum(count, 1), centroids)

    return jax.lax.fori_loop(0, steps, step, centroids)


@full_precision
def squared_distances(
    x: Float[Array, "example input"], centroids: Float[Array, "centroid input"]
) -> Float[Array, "example centroid"]:
    """The squared distance of each example to each centroid."""
    return jnp.maximum((x**2).sum(1)[:, None] - 2 * x @ centroids.T + (centroids**2).sum(1), 0)
