from typing import final

import equinox as eqx

from ..particles._population import Population
from ._backprop import AbstractBackprop, check_backprop


@final
class FullBackprop(AbstractBackprop):
    """Backpropagation through whole episodes: the exact gradient, where chaos lets it be finite.

    Unbiased. Rematerialised as `TruncatedBackprop` is: memory grows with the square root of an episode's length.
    """

    population: Population = Population()
    clip: float | None = 1.0

    window: None = eqx.field(static=True, init=False, default=None)

    def __check_init__(self):
        check_backprop(self.population, self.clip)
