import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..rules import keep as keep, recomputed as recomputed
from ._length import Length


_State = TypeVar("_State")


class AbstractProblem(eqx.Module, Generic[_State]):
    """An unrolled computation with parameters theta and a loss at every step: all that an estimator knows.

    The meta-loss is the mean over an unroll's steps of the expected loss. Theta is any PyTree: its floating-point
    arrays are learned. The state is a PyTree of arrays.
    """

    horizon: eqx.AbstractVar[Length]  # Steps of an unroll, drawn anew for each one.

    @abc.abstractmethod
    def init(self, theta: PyTree, key: PRNGKeyArray) -> _State:
        """The state at the start of an unroll."""

    @abc.abstractmethod
    def step(self, theta: PyTree, state: _State, key: PRNGKeyArray) -> tuple[_State, Float[Array, ""]]:
        """Advances the state by one step and returns the loss there."""
