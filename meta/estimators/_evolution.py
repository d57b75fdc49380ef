from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...errors import BadInput
from .._length import as_length, Length
from ..particles._population import Population
from ..particles._shaping import AbstractShaping, Unshaped
from ._antithetic import AbstractAntithetic, Credit, Draw
from ._noise import Noise


Vector = Float[Array, " parameter"]


@final
class AntitheticES(AbstractAntithetic):
    """Truncated evolution strategies: new noise in every window, and both unrolls of a pair from one state.

    Biased like truncated backpropagation: it estimates the smoothed version of that gradient. The unroll with positive
    noise is the one that is carried on (arXiv 1810.10180). No inner gradient is taken, and chaos does no harm.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()

    joined = True

    @property
    def remembers(self) -> bool:
        return False

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return window

    def credits(self, applied: Vector, draw: Draw, before: Credit, window: Int[Array, ""]) -> Vector:
        return applied


@final
class FullES(AbstractAntithetic):
    """Evolution strategies over whole unrolls (arXiv 1703.03864). Unbiased for the smoothed loss."""

    population: Population = Population(per_task=8)
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()

    window: None = eqx.field(static=True, init=False, default=None)

    joined = False

    @property
    def remembers(self) -> bool:
        return False

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return window

    def credits(self, applied: Vector, draw: Draw, before: Credit, window: Int[Array, ""]) -> Vector:
        return applied


@final
class PES(AbstractAntithetic):
    """Persistent evolution strategies: new noise in every window, credited with all so far (arXiv 2112.13835).

    Unbiased for the loss whose windows are each smoothed by noise of their own. The sum of an unroll's noise is stored
    for each particle. With `regenerate` it is drawn again from its key instead: that needs no memory, and time in
    proportion to the windows of an unroll.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()
    regenerate: bool = eqx.field(static=True, default=False)
    """Whether past noise is drawn again from its key instead of being stored."""

    joined = False

    @property
    def remembers(self) -> bool:
        return not self.regenerate

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return window

    def credits(self, applied: Vector, draw: Draw, before: Credit, window: Int[Array, ""]) -> Vector:
        return _with_all_before(applied, draw, window) if before is None else before + applied


@final
class NRES(AbstractAntithetic):
    """Noise-reuse evolution strategies, or ES-Single: one noise for the whole unroll (arXiv 2304.12180).

    Unbiased for the smoothed loss, with a variance that does not grow with the number of windows. Stores only a key.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()

    joined = False

    @property
    def remembers(self) -> bool:
        return False

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return jnp.zeros_like(window)

    def credits(self, applied: Vector, draw: Draw, before: Credit, window: Int[Array, ""]) -> Vector:
        return applied


@final
class GPES(AbstractAntithetic):
    """Generalised persistent evolution strategies: new noise `every` so many windows (arXiv 2304.12180).

    Unbiased. With 1 it is PES; with the number of windows of an unroll, or more, NRES. `regenerate` as for PES.

    Raises `BadInput` for `every` below 1.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()
    every: int = eqx.field(static=True, default=4)
    """Windows between two draws of noise."""
    regenerate: bool = eqx.field(static=True, default=False)
    """Whether past noise is drawn again from its key instead of being stored."""

    joined = False

    def __check_init__(self):
        if self.every < 1:
            raise BadInput(f"GPES draws new noise every 1 or more windows; got every={self.every}.")

    @property
    def remembers(self) -> bool:
        return not self.regenerate

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return window // self.every

    def credits(self, applied: Vector, draw: Draw, before: Credit, window: Int[Array, ""]) -> Vector:
        if before is None:
            return _with_all_before(applied, draw, window // self.every)
        return before + jnp.where(window % self.every == 0, applied, 0)


def _with_all_before(applied: Vector, draw: Draw, index: Int[Array, ""]) -> Vector:
    """Returns the sum of an unroll's noises up to number `index`, which is `applied`; those before are drawn again."""
    return jax.lax.fori_loop(0, index, lambda i, total: total + draw(i), applied)
