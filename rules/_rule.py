import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from ..models import Model
from .terms._change import WeightChange


_State = TypeVar("_State")


class AbstractRule(eqx.Module, Generic[_State]):
    """An optimiser that sees activity instead of gradients. Its float arrays are the meta-parameters.

    `update` returns changes shaped like the model, to be added with `equinox.apply_updates`. Labels are not in its
    signature: a rule is unsupervised by construction.
    """

    @abc.abstractmethod
    def init(self, model: Model) -> _State:
        """The rule's state before the first step: what it remembers between steps; None for nothing."""

    @abc.abstractmethod
    def update(self, model: Model, x: Float[Array, " example *shape"], state: _State) -> tuple[Model, _State]:
        """One application to a batch. Returns the change of every weight, and the new state."""


class AbstractAdditiveRule(AbstractRule[_State]):
    """A rule whose change of a weight is a sum, of terms with coefficients and of what else there is."""

    weight_change: eqx.AbstractVar[WeightChange]

    @abc.abstractmethod
    def parts(
        self, model: Model, x: Float[Array, " example *shape"], state: _State
    ) -> tuple[dict[str, Float[Array, "part pre post"]] | None, ...]:
        """What each part of the rule adds to the forward weights of every synapse: `terms` and others by their names.

        The sum of all parts is what `update` adds. None for a synapse that the rule leaves as it is.
        """
