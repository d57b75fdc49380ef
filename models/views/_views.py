from typing import final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._k_means import Prototypes
from ._memory import Memory
from ._principal import PrincipalComponents
from ._stand_ins import PatchComponents, StandIn


FINE = 5
"""Cells along a side of an image for its detail."""

_KEYS = 64
"""Components by which neighbours are found."""


@final
class ViewSizes(NamedTuple):
    """How much stands beside a base model's features; 0 leaves a part out."""

    skip: int = 0
    """Principal components of the inputs."""
    prototypes: int = 0
    """Centroids of the inputs, at most."""
    memory: int = 0
    """Anchors of the neighbourhood graph, at most."""


@final
class Views(eqx.Module):
    """A base model's features, and beside them what a readout should not have to do without.

    The skip path keeps the leading principal components of the inputs, prototypes tell how near their clusters are, and
    recall where an example lies in the neighbourhood graph of those seen before. Each of these, as the features, has a
    total variance of one over the examples that the views were made from. An example's views depend on that example
    alone. Where `seen` is given, what it makes of the inputs stands in their place: of an image what its patches have.
    An image's skip path then has a second part, `detail`, which keeps where in the image that was.
    """

    seen: StandIn | None
    offset: Float[Array, " feature"]
    scale: Float[Array, " feature"]
    skip: PrincipalComponents | None
    detail: PrincipalComponents | None
    prototypes: Prototypes | None
    recall: "Recall | None"

    @classmethod
    def of(
        cls,
        x: Float[Array, "example input"],
        features: Float[Array, "example feature"],
        sizes: ViewSizes,
        seen: StandIn | None = None,
    ) -> "Views":
        """The views of these examples, given their inputs and a base model's features of them."""
        x, fine = _looked_at(seen, x)
        deviation = features.std(0)
        present = deviation > 1e-4 * jnp.maximum(deviation.max(), 1e-30)  # A unit that never changes tells nothing.
        scale = jnp.where(present, 1 / jnp.where(present, deviation, 1), 0)
        scale = scale * jax.lax.rsqrt(jnp.maximum(present.sum(dtype=scale.dtype), 1))
        skip = PrincipalComponents.half_whitened(x, sizes.skip) if sizes.skip else None
        detail = PrincipalComponents.half_whitened(fine, sizes.skip) if sizes.skip and fine is not None else None
        prototypes = Prototypes.of(x, sizes.prototypes) if sizes.prototypes else None
        views = cls(seen, features.mean(0), scale, skip, detail, prototypes, None)
        if not sizes.memory:
            return views
        recall = Recall.of(views._known(x, features), sizes.memory)
        return cls(seen, views.offset, scale, skip, detail, prototypes, recall)

    @property
    def sizes(self) -> dict[str, int]:
        """How many columns each part has, in their order."""
        return {
            "rule": len(self.scale),
            "component": 0 if self.skip is None else self.skip.axes.shape[1],
            "detail": 0 if self.detail is None else self.detail.axes.shape[1],
            "prototype": 0 if self.prototypes is None else len(self.prototypes.centroids),
            "memory": 0 if self.recall is None else self.recall.memory.values.shape[1],
        }

    def __call__(
        self, x: Float[Array, "example input"], features: Float[Array, "example feature"]
    ) -> Float[Array, "example view"]:
        """All views of examples, given their inputs and the base model's features of them: features, skip path, detail,
        prototypes, recall."""
        x, fine = _looked_at(self.seen, x)
        detail = [] if self.detail is None or fine is None else [self.detail(fine)]
        known = self._known(x, features)
        near = [] if self.prototypes is None else [self.prototypes(x)]
        recalled = [] if self.recall is None else [self.recall(known)]
        return jnp.concatenate([known, *detail, *near, *recalled], 1)

    def _known(
        self, x: Float[Array, "example input"], features: Float[Array, "example feature"]
    ) -> Float[Array, "example known"]:
        """The features and the skip path, by which neighbours are found."""
        own = (features - self.offset) * self.scale
        return own if self.skip is None else jnp.concatenate([own, self.skip(x)], 1)


@final
class Recall(eqx.Module):
    """A `Memory` of the examples seen before, by the principal components of their features and skip path."""

    keys: PrincipalComponents
    memory: Memory

    @classmethod
    def of(cls, known: Float[Array, "example known"], anchors: int) -> "Recall":
        """The recall of these examples."""
        keys = PrincipalComponents.of(known, _KEYS)
        return cls(keys, Memory.of(keys(known), anchors=anchors))

    def __call__(self, known: Float[Array, "example known"]) -> Float[Array, "example component"]:
        """What these examples recall."""
        return self.memory(self.keys(known))


def _looked_at(
    seen: StandIn | None, x: Float[Array, "example input"]
) -> tuple[Float[Array, "example stand_in"], Float[Array, "example detail"] | None]:
    """What stands for the inputs, and of images what their patches have, cell by cell, if the cells are not as many."""
    if isinstance(seen, PatchComponents) and seen.window.grid < FINE:
        return seen.with_detail(x, FINE)
    return (x if seen is None else seen(x)), None
