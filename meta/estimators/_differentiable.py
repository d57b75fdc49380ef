from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.extend.core import Jaxpr, Literal
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ...errors import BadInput
from .._problem import AbstractProblem
from ..particles._flat import ravel


_ADVICE = "estimate its meta-gradient with an evolution strategy (es, pes, nres) instead."


def check_differentiable(problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, *, reverse: bool) -> None:
    """Raises `BadInput` if a problem's loss has no derivative by theta, in the given mode. Traces; computes nothing."""
    vector, rebuild, _ = ravel(theta)

    def loss(flat: Float[Array, " parameter"]) -> Float[Array, ""]:
        def step(carry, index):
            state, total = carry
            state, loss = eqx.filter_jit(problem.step)(rebuild(flat), state, jr.fold_in(key, index))
            return (state, total + loss), None

        start = problem.init(rebuild(flat), key), jnp.zeros(())
        return jax.lax.scan(step, start, jnp.arange(2))[0][1]

    def forward_derivative(tangent: Float[Array, " parameter"]) -> Float[Array, ""]:
        return jax.jvp(loss, (vector,), (tangent,))[1]

    def reverse_derivative(cotangent: Float[Array, ""]) -> Float[Array, " parameter"]:
        return jax.vjp(loss, vector)[1](cotangent)[0]

    if reverse:
        check_gradient(reverse_derivative, jnp.zeros(()))
    else:
        check_gradient(forward_derivative, vector)


def check_gradient(derivative: Callable[[Array], Array], x: Array) -> None:
    """Raises `BadInput` if a derivative of a loss by theta, as a linear function of `x`, does not exist or is zero.

    It is zero for all `x` if no output of its program depends on `x`.
    """
    try:
        jaxpr = jax.make_jaxpr(derivative)(x).jaxpr
    except (TypeError, ValueError) as error:
        if "differentiation" not in str(error):  # JAX has no exception of its own for this.
            raise
        raise BadInput(f"The problem can't be differentiated in reverse; {_ADVICE}") from error
    if not any(_reached(jaxpr, [True])):
        raise BadInput(f"The problem's loss does not depend on theta through anything differentiable; {_ADVICE}")


def _reached(jaxpr: Jaxpr, given: list[bool]) -> list[bool]:
    """Returns which outputs of a program depend on the inputs that `given` marks."""
    reached = {variable for variable, is_given in zip(jaxpr.invars, given) if is_given}

    def among(variables: Sequence[Any]) -> list[bool]:
        return [not isinstance(variable, Literal) and variable in reached for variable in variables]

    for equation in jaxpr.eqns:
        before = among(equation.invars)
        if equation.primitive.name == "jit":
            after = _reached(equation.params["jaxpr"].jaxpr, before)
        else:
            after = [any(before)] * len(equation.outvars)
        reached.update(variable for variable, is_reached in zip(equation.outvars, after) if is_reached)
    return among(jaxpr.outvars)
