import abc
from typing import Any, Generic, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree

from ._problem import AbstractProblem


_State = TypeVar("_State")


def _as_float(number: Any) -> Float[Array, ""]:
    return jnp.asarray(number, float)


class Estimate(eqx.Module):
    """An estimate of the meta-gradient at one meta-step.

    `grad` and `variance` (of `grad`, for each parameter; infinite where it is not known) are shaped like theta, with
    None where theta is not a floating-point array. `loss` is the mean meta-loss over the steps just taken. `usable` is
    False where `grad` means nothing, for example because no loss was finite: the meta-step then leaves theta as it is.
    `inner_steps` counts the steps of inner problems that the estimate took. `diagnostics` are further scalars by name:
    they go to the metrics, and nothing depends on them.
    """

    grad: PyTree
    variance: PyTree
    loss: Float[Array, ""]
    usable: Bool[Array, ""]
    inner_steps: Float[Array, ""] = eqx.field(converter=_as_float)  # A plain number, such as a constant, will do.
    diagnostics: dict[str, Float[Array, ""]] = eqx.field(default_factory=dict)


class AbstractEstimator(eqx.Module, Generic[_State]):
    """A way to estimate the meta-gradient of any `AbstractProblem`.

    An estimator is a value: hyper-parameters are its fields, and whatever changes from one meta-step to the next is the
    state, a PyTree of arrays. `init` and `estimate` are compiled by the caller, so they must be functions of their
    arguments alone. Randomness comes from the key only: the same key gives the same estimate.

    `metarule.testing.check_estimator` tests whether a class keeps these promises.
    """

    @abc.abstractmethod
    def check(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> None:
        """Raises `BadInput` if this estimator can't work on the problem. May trace; computes nothing.

        A caller that knows the answer, because it has taken this step before, skips the check.
        """

    @abc.abstractmethod
    def init(self, problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> _State:
        """Returns the state before the first meta-step."""

    @abc.abstractmethod
    def estimate(
        self, problem: AbstractProblem, theta: PyTree, state: _State, key: PRNGKeyArray
    ) -> tuple[Estimate, _State]:
        """Advances the inner unrolls by a window and returns the estimate and the next state.

        The next state has the structure, shapes and dtypes of `state`.
        """

    @abc.abstractmethod
    def windows(self, problem: AbstractProblem) -> int:
        """Returns how many estimates one unroll of the problem's longest horizon takes, 1 or more."""

    @abc.abstractmethod
    def check_devices(self, devices: int) -> None:
        """Raises `BadInput` if so many devices can't share the work evenly. One device always can."""
