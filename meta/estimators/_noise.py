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


@final
class Noise(eqx.Module):
    """The normal noise that evolution strategies add to theta. It is drawn from a key, again whenever it is needed.

    Its standard deviation is `scale`, times `multipliers` (None, or numbers in a tree that is a prefix of theta: one
    for each leaf or for a whole branch), times `schedule` of the meta-step at which an unroll begins.

    With `common` both unrolls of a pair see the same data (common random numbers); without, each has keys of its own.

    Raises `BadInput` for a scale of zero or below.
    """

    scale: float = 0.01
    """Standard deviation."""
    multipliers: Any = None
    schedule: Callable[[Int[Array, ""]], Float[Array, ""]] | None = eqx.field(static=True, default=None)
    common: bool = eqx.field(static=True, default=True)
    """Whether both unrolls of a pair see the same data."""

    def __check_init__(self):
        scales = [self.scale, *jax.tree.leaves(self.multipliers)]
        if any(isinstance(scale, float | int) and not (scale > 0 and math.isfinite(scale)) for scale in scales):
            raise BadInput(f"A noise scale must be a number above zero; got {scales}.")

    def factor(self, meta_step: Int[Array, ""]) -> Float[Array, ""]:
        """Returns the schedule's factor on the scale, for an unroll that begins at this meta-step."""
        return jnp.asarray(1.0 if self.schedule is None else self.schedule(meta_step), float)

    def deviation(self, theta: PyTree, factor: Float[Array, ""]) -> Float[Array, " #parameter"]:
        """Returns the standard deviation of every parameter's noise."""
        vector, _, _ = ravel(theta)
        if self.multipliers is None:
            return (self.scale * factor).astype(vector.dtype)[None]
        learned = eqx.filter(theta, eqx.is_inexact_array)
        sizes = [leaf.size for leaf in jax.tree.leaves(learned)]
        scales = [jnp.full(size, scale, vector.dtype) for size, scale in zip(sizes, self._scales(learned, factor))]
        return jnp.concatenate(scales)

    def draw(self, key: PRNGKeyArray, theta: PyTree) -> Float[Array, " parameter"]:
        """Returns noise of unit variance for every parameter, in one draw for all arrays of theta."""
        vector, _, _ = ravel(theta)
        return jr.normal(key, vector.shape, vector.dtype)

    def _scales(self, learned: PyTree, factor: Float[Array, ""]) -> list[Float[Array, ""]]:
        multipliers = 1.0 if self.multipliers is None else self.multipliers
        scales = jax.tree.map(lambda m, branch: jax.tree.map(lambda _: m, branch), multipliers, learned)
        return [self.scale * factor * scale for scale in jax.tree.leaves(scales)]
