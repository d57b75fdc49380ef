import abc
from typing import Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from ._problem import AbstractProblem


_State = TypeVar("_State")


class Estimate(eqx.Module):
    """What an estimator says about the meta-gradient at one meta-step.

    `grad` and `variance` (of `grad`, per parameter; infinite where a single sample can't tell) are shaped like theta
    and None where theta is not a floating-point array. `loss` is the mean meta-loss over the steps just taken.
    `diagnostics` are scalars to look at.
    """

    grad: PyTree
    variance: PyTree
    loss: Float[Array, ""]
    diagnostics: dict[str, Float[Array, ""]]

    @property
    def usable(self) -> Bool[Array, ""]:
        """False when not one particle was finite: then `grad` is zero and the outer step is to be skipped."""
        return self.diagnostics["nonfinite"] < 1


class AbstractEstimator(eqx.Module, Generic[_State]):
    """A way to estimate the meta-gradient of any `AbstractProblem`. Pure: state in, state out."""

    @abc.abstractmethod
    def check_devices(self, devices: int) -> None:
        """Raises `BadInput` if so many devices can't share the work evenly."""

    @abc.abstractmethod
    def init(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, *, rehearsed: bool = False) -> _State:
        """The state before the first meta-step. Raises `BadInput` if this estimator does not suit the problem.

        To find out may be to trace an estimate, which takes seconds; one that was `rehearsed` before is believed to do.
        """

    @abc.abstractmethod
    def estimate(
        self, problem: AbstractProblem, theta: PyTree, state: _State, key: PRNGKeyArray
    ) -> tuple[Estimate, _State]:
        """One meta-step: advances the inner runs by a window and estimates the meta-gradient."""
