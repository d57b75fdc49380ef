from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._memory import Memory
from ._principal import principal_axes, PrincipalComponents


_KEYS = 64
"""Components by which neighbours are found."""


@final
class Views(eqx.Module):
    """A base model's features, and beside them what a readout should not have to do without.

    The skip path keeps the leading principal components of the inputs. Recall adds where an example lies among the
    clusters of those seen before. Over the examples that the views were made from, features and skip path have the
    same total variance, and recall has that of both together. An example's views depend on that example alone.
    """

    offset: Float[Array, " feature"]
    scale: Float[Array, " feature"]
    skip: PrincipalComponents | None
    recall: "Recall | None"

    @classmethod
    def of(
        cls,
        x: Float[Array, "example input"],
        features: Float[Array, "example feature"],
        *,
        skip: int,
        memory: int,
    ) -> "Views":
        """The views of these examples, given their inputs and a base model's features of them.

        `skip` components of the inputs are kept, and a memory of so many anchors at most; 0 for none.
        """
        deviation = features.std(0)
        present = deviation > 1e-4 * jnp.maximum(deviation.max(), 1e-30)  # A unit that never changes tells nothing.
        scale = jnp.where(present, 1 / jnp.where(present, deviation, 1), 0)
        scale = scale * jax.lax.rsqrt(jnp.maximum(present.sum(dtype=scale.dtype), 1))
        kept = PrincipalComponents.half_whitened(x, skip) if skip else None
        views = cls(features.mean(0), scale, kept, None)
        if not memory:
            return views
        return cls(views.offset, scale, kept, Recall.of(views(x, features), memory))

    @property
    def size(self) -> int:
        """Number of columns of the views."""
        skipped = 0 if self.skip is None else self.skip.axes.shape[1]
        recalled = 0 if self.recall is None else self.recall.memory.values.shape[1]
        return len(self.scale) + skipped + recalled

    def __call__(
        self, x: Float[Array, "example input"], features: Float[Array, "example feature"]
    ) -> Float[Array, "example view"]:
        """All views of examples, given their inputs and the base model's features of them."""
        parts = [(features - self.offset) * self.scale]
        if self.skip is not None:
            parts.append(self.skip(x))
        known = jnp.concatenate(parts, 1)
        if self.recall is None:
            return known
        return jnp.concatenate([known, len(parts) ** 0.5 * self.recall(known)], 1)


@final
class Recall(eqx.Module):
    """Where an example lies among those seen before, who are found by the principal components of what is known."""

    keys: PrincipalComponents
    memory: Memory

    @classmethod
    def of(cls, known: Float[Array, "example view"], anchors: int) -> "Recall":
        """The recall of these examples."""
        mean = known.mean(0)
        keys = PrincipalComponents(mean, principal_axes(known, mean, _KEYS))
        return cls(keys, Memory.of(keys(known), anchors=anchors))

    def __call__(self, known: Float[Array, "example view"]) -> Float[Array, "example component"]:
        """What these examples recall."""
        return self.memory(self.keys(known))
