import math
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ...tasks import BadInput
from ._flat import ravel


@final
class Noise(eqx.Module):
    """What evolution strategies add to theta: normal noise, drawn from a key whenever it is needed.

    Its standard deviation is `scale`, times `multipliers` (None, or numbers in a tree that is a prefix of theta: one
    for each leaf or for whole branches), times `schedule` of the meta-step at which an episode begins.

    With `rank=r`, the noise on a matrix is A B' / sqrt(r) with normal A and B: r (rows + columns) numbers are drawn
    instead of rows x columns. Its entries still have unit variance and are uncorrelated, but not independent. The
    estimate stays exact for a quadratic loss; otherwise it follows another smoothing, at a distance of the order of
    scale^2. For an antithetic pair, a linear loss and one matrix of P entries, tr Var / |g|^2 is
    P + 1 + 2 (rows + columns + 1) / r instead of P + 1.

    `common` twins meet the same data and draw the same numbers; without it, each its own.

    Raises `BadInput` for a scale of zero or below, or a rank below 1.
    """

    scale: float = 0.01
    multipliers: Any = None
    schedule: Callable[[Int[Array, ""]], Float[Array, ""]] | None = eqx.field(static=True, default=None)
    rank: int | None = eqx.field(static=True, default=None)
    common: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        scales = [self.scale, *jax.tree.leaves(self.multipliers)]
        if any(isinstance(scale, float | int) and not (scale > 0 and math.isfinite(scale)) for scale in scales):
            raise BadInput(f"A noise scale must be a number above zero; got {scales}.")
        if self.rank is not None and self.rank < 1:
            raise BadInput(f"The rank of the noise must be 1 or more (None for full rank); got {self.rank}.")

    def factor(self, meta_step: Int[Array, ""]) -> Float[Array, ""]:
        """What the schedule multiplies the scale with in an episode that begins at this meta-step."""
        return jnp.asarray(1.0 if self.schedule is None else self.schedule(meta_step), float)

    def deviation(self, theta: PyTree, factor: Float[Array, ""]) -> Float[Array, " #parameter"]:
        """The standard deviation of every parameter's noise."""
        vector, _, _ = ravel(theta)
        factor = (self.scale * factor).astype(vector.dtype)[None]
        if self.multipliers is None:
            return factor
        learned = eqx.filter(theta, eqx.is_inexact_array)
        multipliers = jax.tree.map(
            lambda m, branch: jax.tree.map(lambda x: jnp.full_like(x, m), branch), self.multipliers, learned
        )
        return factor * ravel(multipliers)[0]

    def draw(self, key: PRNGKeyArray, theta: PyTree) -> Float[Array, " parameter"]:
        """Noise of unit variance for every parameter: one draw, whatever theta is made of."""
        vector, _, unravel = ravel(theta)
        if self.rank is None:
            return jr.normal(key, vector.shape, vector.dtype)
        leaves, structure = jax.tree.flatten(jax.eval_shape(unravel, vector))
        shapes = [self._factors(leaf.shape) for leaf in leaves]
        sizes = [math.prod(shape) for pair in shapes for shape in pair]
        numbers = jr.normal(key, (sum(sizes),), vector.dtype)
        parts = iter(_split(numbers, sizes))
        noise = [
            jnp.matmul(*(next(parts).reshape(shape) for shape in pair)) / math.sqrt(self.rank)
            if len(pair) == 2
            else next(parts).reshape(pair[0])
            for pair in shapes
        ]
        noise = [x.astype(leaf.dtype) for x, leaf in zip(noise, leaves)]
        return ravel(jax.tree.unflatten(structure, noise))[0].astype(vector.dtype)

    def _factors(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        if self.rank is not None and len(shape) >= 2 and self.rank * (shape[-2] + shape[-1]) < shape[-2] * shape[-1]:
            return [(*shape[:-1], self.rank), (*shape[:-2], self.rank, shape[-1])]
        return [shape]


def _split(numbers: Float[Array, " number"], sizes: list[int]) -> list[Float[Array, " some"]]:
    parts, start = [], 0
    for size in sizes:
        parts.append(numbers[start : start + size])
        start += size
    return parts
