import math
from typing import Any, final, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..errors import BadInput
from ..models import Model
from ._rule import AbstractRule


_Rule = TypeVar("_Rule")


class Velocity(eqx.Module):
    """The state of a rule with momentum: a moving average of its updates, and the state of the rule within."""

    average: Model
    inner: Any


@final
class Momentum(AbstractRule[Velocity]):
    """Any rule, with a moving average of its updates in place of the updates; how long it reaches back is learned.

    The average is `decay * average + (1 - decay) * update`, and begins at zero. The decay is the logistic function of
    `logit`, so that it stays between 0 and 1 however meta-training changes it.
    """

    rule: AbstractRule
    logit: Float[Array, ""]

    @classmethod
    def create(cls, rule: AbstractRule, decay: float = 0.9) -> "Momentum":
        """A rule with momentum whose decay begins at this value; raises `BadInput` unless it is between 0 and 1."""
        if not 0 < decay < 1:
            raise BadInput(f"A momentum's decay must be between 0 and 1; got {decay}.")
        return cls(rule, jnp.asarray(math.log(decay) - math.log1p(-decay)))

    def init(self, model: Model) -> Velocity:
        return Velocity(jax.tree.map(jnp.zeros_like, model), self.rule.init(model))

    def update(self, model: Model, x: Float[Array, " example *shape"], state: Velocity) -> tuple[Model, Velocity]:
        updates, inner = self.rule.update(model, x, state.inner)
        decay = jax.nn.sigmoid(self.logit)
        moved = lambda old, new: decay * old + (1 - decay) * new if eqx.is_inexact_array(new) else new
        average = jax.tree.map(moved, state.average, updates)
        return average, Velocity(average, inner)


def without_momentum(rule: _Rule) -> _Rule:
    """The rule with each `Momentum` in it replaced by the rule within."""
    return jax.tree.map(
        lambda node: without_momentum(node.rule) if isinstance(node, Momentum) else node,
        rule,
        is_leaf=lambda node: isinstance(node, Momentum),
    )
