from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from ..precision import full_precision


@final
class PrincipalComponents(eqx.Module):
    """Centred examples along the principal axes of those that the axes were found for; an axis may carry a scale."""

    mean: Float[Array, " input"]
    axes: Float[Array, "input component"]

    @classmethod
    def half_whitened(cls, x: Float[Array, "example input"], components: int) -> "PrincipalComponents":
        """The first components, or all where there are fewer, each over the square root of its deviation.

        Whitening would give noise the weight of what matters, and plain components are all about the first few: half
        of the way is the better start for a readout of few labels. The components' total variance is scaled to one.
        """
        mean = x.mean(0)
        axes = principal_axes(x, mean, components)
        deviation = ((x - mean) @ axes).std(0)
        present = deviation > 1e-3 * jnp.maximum(deviation.max(), 1e-30)  # Of the others there is only rounding.
        safe = jnp.where(present, deviation, 1)
        scale = jnp.where(present, jax.lax.rsqrt(safe), 0) * jax.lax.rsqrt(jnp.maximum((present * safe).sum(), 1e-30))
        return cls(mean, axes * scale)

    @full_precision
    def __call__(self, x: Float[Array, "example input"]) -> Float[Array, "example component"]:
        """The components of these examples."""
        return (x - self.mean) @ self.axes


@full_precision
def principal_axes(
    x: Float[Array, "example input"], mean: Float[Array, " input"], components: int
) -> Float[Array, "input component"]:
    """The directions of largest variance, largest first, by randomised subspace iteration (arXiv 0909.4061).

    Each points to where its largest weight is positive: otherwise rounding would choose its sign.
    """
    inputs = x.shape[1]
    basis = jr.normal(jr.key(0), (inputs, min(components + 10, inputs)))

    def scatter(directions: Float[Array, "input direction"]) -> Float[Array, "input direction"]:
        along = x @ directions - mean @ directions  # Centred this way no copy of the examples is made.
        return x.T @ along - jnp.outer(mean, along.sum(0))

    basis = jax.lax.fori_loop(0, 8, lambda _, basis: jnp.linalg.qr(scatter(basis))[0], basis)
    _, rotation = jnp.linalg.eigh(basis.T @ scatter(basis))
    axes = (basis @ rotation[:, ::-1])[:, :components]
    largest = jnp.take_along_axis(axes, jnp.abs(axes).argmax(0)[None], 0)
    return axes * jnp.where(largest < 0, -1, 1)
