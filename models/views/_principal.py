from collections.abc import Callable
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from ...one_by_one import one_by_one
from ...precision import full_precision


@final
class PrincipalComponents(eqx.Module):
    """Centred examples along the principal axes of those that the axes were found for; an axis may carry a scale."""

    mean: Float[Array, " input"]
    axes: Float[Array, "input component"]

    @classmethod
    def of(cls, x: Float[Array, "example input"], components: int) -> "PrincipalComponents":
        """The first components of these examples, or all where there are fewer."""
        mean = x.mean(0)
        return cls(mean, principal_axes(x, mean, components))

    @classmethod
    def half_whitened(cls, x: Float[Array, "example input"], components: int) -> "PrincipalComponents":
        """The first components, or all where there are fewer, each over the square root of its deviation.

        Whitening would give noise the weight of what matters, and plain components are all about the first few: half
        of the way is the better start for a readout of few labels. The components' total variance is scaled to one.
        """
        plain = cls.of(x, components)
        deviation = ((x - plain.mean) @ plain.axes).std(0)
        present = deviation > 1e-3 * jnp.maximum(deviation.max(), 1e-30)  # Of the others there is only rounding.
        safe = jnp.where(present, deviation, 1)
        scale = jnp.where(present, jax.lax.rsqrt(safe), 0) * jax.lax.rsqrt(jnp.maximum((present * safe).sum(), 1e-30))
        return cls(plain.mean, plain.axes * scale)

    @classmethod
    def whitened(cls, x: Float[Array, "example input"], components: int) -> "PrincipalComponents":
        """The first components, or all where there are fewer, each over its deviation; what lies below a tenth of the
        largest deviation is not brought up to it."""
        plain = cls.of(x, components)
        variance = ((x - plain.mean) @ plain.axes).var(0)
        return cls(plain.mean, plain.axes * jax.lax.rsqrt(variance + 0.01 * jnp.maximum(variance.max(), 1e-30)))

    @full_precision
    def __call__(self, x: Float[Array, "example input"]) -> Float[Array, "example component"]:
        """The components of these examples."""
        return (x - self.mean) @ self.axes


@full_precision
def principal_axes(
    x: Float[Array, "example input"], mean: Float[Array, " input"], components: int
) -> Float[Array, "input component"]:
    """The directions of largest variance, largest first. Each points to where its largest weight is positive."""

    def scatter(directions: Float[Array, "input direction"]) -> Float[Array, "input direction"]:
        along = x @ directions - mean @ directions  # Centred this way no copy of the examples is made.
        return x.T @ along - jnp.outer(mean, along.sum(0))

    return leading(scatter, x.shape[1], components)[1]


@full_precision
def leading(
    product: Callable[[Float[Array, "entry direction"]], Float[Array, "entry direction"]], size: int, count: int
) -> tuple[Float[Array, " vector"], Float[Array, "entry vector"]]:
    """The largest eigenvalues of a symmetric matrix, and their eigenvectors, by subspace iteration (arXiv 0909.4061).

    `product` multiplies the matrix, of `size` rows, by columns. Of fewer rows there are fewer.
    An eigenvector's largest entry is positive: otherwise rounding would choose its sign.
    """
    basis = jr.normal(jr.key(0), (size, min(count + 10, size)))
    basis = jax.lax.fori_loop(0, 8, lambda _, basis: one_by_one(jnp.linalg.qr)(product(basis))[0], basis)
    values, rotation = one_by_one(jnp.linalg.eigh)(basis.T @ product(basis))
    vectors = (basis @ rotation[:, ::-1])[:, :count]
    largest = jnp.take_along_axis(vectors, jnp.abs(vectors).argmax(0)[None], 0)
    return values[::-1][:count], vectors * jnp.where(largest < 0, -1, 1)
