from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...precision import full_precision
from ._k_means import LLOYD, lloyd, squared_distances
from ._principal import leading


_ROWS = 512
"""Examples whose distances to all anchors are computed at once."""

_FADING = 8
"""The power of a component's eigenvalue in its deviation: steps of a random walk on the graph."""


_SAME = 1e-5
"""Share of the mean squared distance between anchors below which two are in the same place."""

_FADED = 1e-3
"""Share of the largest deviation below which a component is zero: a readout that standardises would blow it up."""


@final
class Memory(eqx.Module):
    """Where an example lies among the clusters of those seen before: a spectral embedding of their anchor graph.

    Examples are joined through anchors, their centroids by k-means: each is a weighted mean of its nearest anchors, and
    two are neighbours as far as they share some (Liu, He and Chang, Large Graph Construction for Scalable
    Semi-Supervised Learning, ICML 2010). The leading eigenvectors of that graph vary slowly along it: they
    tell apart its clusters and the regions of a manifold. A component's deviation is its eigenvalue to a power, as in
    diffusion maps (Coifman and Lafon, 2006), so that components fade where the graph has no clusters.
    The components' total variance over the examples is one.
    """

    anchors: Float[Array, "anchor key"]
    values: Float[Array, "anchor component"]
    neighbours: int = eqx.field(static=True)

    @classmethod
    def of(
        cls, keys: Float[Array, "example key"], *, anchors: int, components: int = 64, neighbours: int = 3
    ) -> "Memory":
        """The memory of these examples: at most a quarter as many anchors, and fewer components than anchors."""
        count = max(1, min(anchors, len(keys) // 4))
        start = keys[jnp.linspace(0, len(keys) - 1, count).astype(int)]
        centroids = lloyd(keys, start, LLOYD)
        blank = cls(centroids, jnp.zeros((count, 0)), min(neighbours, count))
        near, share = blank.nearest(keys)
        total = jnp.zeros(count).at[near].add(share)
        root = jnp.sqrt(jnp.maximum(total, 1e-9))
        graph = jnp.zeros((count, count)).at[near[:, :, None], near[:, None]].add(share[:, :, None] * share[:, None])
        graph = graph / root[:, None] / root
        constant = root / jnp.linalg.norm(root)  # Its eigenvector of the largest eigenvalue, one, tells nothing.
        graph = graph - constant[:, None] * constant
        strength, vectors = leading(lambda directions: graph @ directions, count, min(components, count - 1))
        values = _shared(vectors / root[:, None], total, centroids)
        deviation = cls(centroids, values, blank.neighbours)(keys).std(0)
        wanted = jnp.clip(strength, 0, 1) ** _FADING
        wanted = wanted * jax.lax.rsqrt(jnp.maximum((wanted**2).sum(), 1e-30))
        present = (deviation > 1e-6) & (wanted > _FADED * wanted.max(initial=0))
        scale = jnp.where(present, wanted / jnp.maximum(deviation, 1e-6), 0)
        return cls(centroids, values * scale, blank.neighbours)

    def __call__(self, keys: Float[Array, "example key"]) -> Float[Array, "example component"]:
        """The components of these examples, each by itself: the weighted mean of those of its nearest anchors."""
        near, share = self.nearest(keys)
        return (self.values[near] * share[:, :, None]).sum(1)

    @full_precision
    def nearest(
        self, keys: Float[Array, "example key"]
    ) -> tuple[Int[Array, "example near"], Float[Array, "example near"]]:
        """The numbers of the anchors nearest to each of these examples, and their shares, which sum to one.

        A share falls with the squared distance, in units of the mean one: there is no scale to set.
        """
        lengths = (self.anchors**2).sum(1)

        def nearest(key: Float[Array, " key"]) -> tuple[Int[Array, " near"], Float[Array, " near"]]:
            closeness, near = jax.lax.top_k(2 * self.anchors @ key - lengths, self.neighbours)
            distances = jnp.maximum((key**2).sum() - closeness, 0)
            return near, jax.nn.softmax(-distances / jnp.maximum(distances.mean(), 1e-30))

        return jax.lax.map(nearest, keys, batch_size=_ROWS)


def _shared(
    values: Float[Array, "anchor component"], total: Float[Array, " anchor"], anchors: Float[Array, "anchor key"]
) -> Float[Array, "anchor component"]:
    """The values of anchors, with their mean, weighted by `total`, for those in the same place, as repeated rows have.

    Which of them is nearest is up to rounding, and may be another one wherever features are made.
    """
    distances = squared_distances(anchors, anchors)
    same = distances <= _SAME * distances.mean()
    weight = jnp.where(same, total, 0)
    mean = weight @ values / jnp.maximum(weight.sum(1), 1e-30)[:, None]
    return jnp.where((same.sum(1) > 1)[:, None], mean, values)
