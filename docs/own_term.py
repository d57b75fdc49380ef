"""A term of one's own in the lean rule. Run: metarule train --rule own_term:WithCovariance, in this folder."""

import dataclasses
from typing import final

import jax.numpy as jnp
from metarule.rules import AbstractRecipe, AbstractTerm, lean, Linear, standardise


@final
class Covariance(AbstractTerm):
    """How a weight's two units vary together, in proportion to the weight's size: strong synapses learn faster."""

    upper: tuple[Linear, ...] = ()  # It reads nothing from hidden states: activities are enough for it.
    lower: tuple[Linear, ...] = ()

    def __call__(self, site, upper, lower):
        x, y = standardise(site.activity.x), standardise(site.activity.y)
        return -jnp.abs(site.weights) * (x.T @ y) / len(x)  # The rule subtracts it.


@final
@dataclasses.dataclass(frozen=True)
class WithCovariance(AbstractRecipe):
    """The lean rule and one more term; how much the term counts is meta-learned."""

    hidden: int = 16
    """Channels of a hidden state."""

    def build(self, key):
        return lean(key, hidden=self.hidden).with_term(Covariance())
