from typing import final

import equinox as eqx

from ..particles._population import Population
from ._backprop import AbstractBackprop, check_backprop


@final
class FullBackprop(AbstractBackprop):
    """Backpropagation through whole unrolls: the exact gradient, if chaos does not make it overflow.

    Unbiased where nothing is clipped (`clip=None`). Steps are computed again as in `TruncatedBackprop`: memory grows
    with the square root of the horizon.
    """

    population: Population = Population()
    clip: float | None = 1.0
    """Largest norm of a particle's gradient; longer ones are shortened."""

    window: None = eqx.field(static=True, init=False, default=None)

    def __check_init__(self):
        check_backprop(self.population, self.clip)
