from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ...errors import BadInput
from .._length import as_length, Length
from ..particles._population import Population
from ..particles._shaping import AbstractShaping, Unshaped
from ._noise import Noise
from ._persistent import AbstractPersistent, Before, Draw


Vector = Float[Array, " parameter"]


@final
class AntitheticES(AbstractPersistent):
    """Truncated evolution strategies: fresh noise in every window, both twins from one state.

    Biased like truncated backpropagation, whose smoothed gradient it estimates; the state that goes on is that of the
    positive twin (arXiv 1810.10180). No inner gradient is taken and chaos does no harm.
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

    def credits(self, applied: Vector, draw: Draw, before: Before, window: Int[Array, ""]) -> Vector:
        return applied


@final
class FullES(AbstractPersistent):
    """Evolution strategies over whole episodes (arXiv 1703.03864). Unbiased for the smoothed loss."""

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

    def credits(self, applied: Vector, draw: Draw, before: Before, window: Int[Array, ""]) -> Vector:
        return applied


@final
class PES(AbstractPersistent):
    """Persistent evolution strategies: fresh noise in every window, credited with all before (arXiv 2112.13835).

    Unbiased for the loss smoothed in every window apart. The sum of an episode's noise is stored for each particle, or
    with `regenerate` drawn again from its key: slower in proportion to the windows of an episode, no memory.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()
    regenerate: bool = eqx.field(static=True, default=False)

    joined = False

    @property
    def remembers(self) -> bool:
        return not self.regenerate

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return window

    def credits(self, applied: Vector, draw: Draw, before: Before, window: Int[Array, ""]) -> Vector:
        return _with_all_before(applied, draw, window) if before is None else before + applied


@final
class NRES(AbstractPersistent):
    """Noise-reuse evolution strategies, or ES-Single: one noise for the whole of an episode (arXiv 2304.12180).

    Unbiased for the smoothed loss, with a variance that does not grow with the number of windows. Only a key is stored.
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

    def credits(self, applied: Vector, draw: Draw, before: Before, window: Int[Array, ""]) -> Vector:
        return applied


@final
class GPES(AbstractPersistent):
    """Generalised persistent evolution strategies: fresh noise `every` so many windows (arXiv 2304.12180).

    Unbiased. With 1 it is PES, with an episode's number of windows or more NRES. `regenerate` as for PES.

    Raises `BadInput` for `every` below 1.
    """

    population: Population = Population(per_task=8)
    window: Length = eqx.field(converter=as_length, default=Length(10))
    noise: Noise = Noise()
    shaping: AbstractShaping = Unshaped()
    every: int = eqx.field(static=True, default=4)
    regenerate: bool = eqx.field(static=True, default=False)

    joined = False

    def __check_init__(self):
        if self.every < 1:
            raise BadInput(f"GPES draws fresh noise every 1 or more windows; got every={self.every}.")

    @property
    def remembers(self) -> bool:
        return not self.regenerate

    def applies(self, window: Int[Array, ""]) -> Int[Array, ""]:
        return window // self.every

    def credits(self, applied: Vector, draw: Draw, before: Before, window: Int[Array, ""]) -> Vector:
        if before is None:
            return _with_all_before(applied, draw, window // self.every)
        return before + jnp.where(window % self.every == 0, applied, 0)


def _with_all_before(applied: Vector, draw: Draw, index: Int[Array, ""]) -> Vector:
    """The sum of an episode's noises up to this one, those before it drawn again."""
    return jax.lax.fori_loop(0, index, lambda i, total: total + draw(i), applied)
