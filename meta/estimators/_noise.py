import math
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ...errors import BadInput
from ..particles._flat import ravel
from ._low_rank import LowRank


@final
class Noise(eqx.Module):
    """What evolution strategies add to theta: normal noise, drawn from a key whenever it is needed.

    Its standard deviation is `scale`, times `multipliers` (None, or numbers in a tree that is a prefix of theta: one
    for each leaf or for whole branches), times `schedule` of the meta-step at which an episode begins.

    With `rank=r`, the noise on a matrix is A B' / sqrt(r) with normal A and B: r (rows + columns) numbers are drawn
    instead of rows x columns. Its entries still have unit variance and are uncorrelated, but not independent. The
    estimate stays exact for a quadratic loss; otherwise it follows another smoothing, at a distance of the order of
    scale^2. For an antithetic pair, a linear loss and one matrix of P entries, tr Var / |g|^2 is
    P + 1 + 2 (rows + columns + 1) / r instead of P + 1. All particles of an evolution strategy then share the products
    with the matrix itself, and each adds two thin ones.

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
        if self.multipliers is None:
            return (self.scale * factor).astype(vector.dtype)[None]
        learned = eqx.filter(theta, eqx.is_inexact_array)
        sizes = [leaf.size for leaf in jax.tree.leaves(learned)]
        scales = [jnp.full(size, scale, vector.dtype) for size, scale in zip(sizes, self._scales(learned, factor))]
        return jnp.concatenate(scales)

    def draw(self, key: PRNGKeyArray, theta: PyTree) -> Float[Array, " parameter"]:
        """Noise of unit variance for every parameter: one draw, whatever theta is made of."""
        vector, _, _ = ravel(theta)
        if self.rank is None:
            return jr.normal(key, vector.shape, vector.dtype)
        pieces = self._pieces(key, eqx.filter(theta, eqx.is_inexact_array))
        # As precise as the noise that the steps feel: what it is multiplied with later is their loss.
        whole = [piece[0] if len(piece) == 1 else jnp.matmul(*piece, precision="highest") for piece in pieces]
        return jnp.concatenate([leaf.reshape(-1) for leaf in whole])

    def thin(self, key: PRNGKeyArray, theta: PyTree, factor: Float[Array, ""]) -> PyTree:
        """Theta plus low-rank noise, its matrices not multiplied out; the same noise as `draw`."""
        learned, rest = eqx.partition(theta, eqx.is_inexact_array)
        leaves, structure = jax.tree.flatten(learned)

        def perturb(leaf: Array, piece: list[Array], scale: Float[Array, ""]) -> Array | LowRank:
            first = (scale * piece[0]).astype(leaf.dtype)
            if len(piece) == 1:
                return leaf + first
            second = piece[1].astype(leaf.dtype)
            return LowRank(leaf, first, second) if leaf.ndim == 2 else leaf + first @ second

        pieces, scales = self._pieces(key, learned), self._scales(learned, factor)
        perturbed = jax.tree.unflatten(structure, list(map(perturb, leaves, pieces, scales)))
        return eqx.combine(perturbed, rest, is_leaf=lambda x: isinstance(x, LowRank))

    def _scales(self, learned: PyTree, factor: Float[Array, ""]) -> list[Float[Array, ""]]:
        multipliers = 1.0 if self.multipliers is None else self.multipliers
        scales = jax.tree.map(lambda m, branch: jax.tree.map(lambda _: m, branch), multipliers, learned)
        return [self.scale * factor * scale for scale in jax.tree.leaves(scales)]

    def _pieces(self, key: PRNGKeyArray, learned: PyTree) -> list[list[Array]]:
        """For every leaf its noise, or the two factors of it where they are fewer numbers."""
        leaves = jax.tree.leaves(learned)
        shapes = [self._factors(leaf.shape) for leaf in leaves]
        sizes = [math.prod(shape) for pair in shapes for shape in pair]
        # Drawn once, and not again inside of every product that it is part of.
        numbers = jax.lax.optimization_barrier(jr.normal(key, (sum(sizes),), jnp.result_type(*leaves)))
        pieces, start = [], 0
        for pair in shapes:
            piece = []
            for shape in pair:
                end = start + math.prod(shape)
                piece.append(numbers[start:end].reshape(shape))
                start = end
            pieces.append(piece if len(pair) == 1 else [piece[0] / math.sqrt(self.rank or 1), piece[1]])
        return pieces

    def _factors(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        if self.rank is not None and len(shape) >= 2 and self.rank * (shape[-2] + shape[-1]) < shape[-2] * shape[-1]:
            return [(*shape[:-1], self.rank), (*shape[:-2], self.rank, shape[-1])]
        return [shape]
