from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.extend.core import Literal
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ...tasks import BadInput
from .._problem import AbstractProblem
from ._flat import ravel


_ADVICE = "estimate its meta-gradient with an evolution strategy (es, pes, nres) instead."


def check_differentiable(problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, *, reverse: bool) -> None:
    """Raises `BadInput` if no derivative can pass from a problem's loss to theta. Traces; computes nothing."""
    vector, rebuild, _ = ravel(theta)
    if vector.size == 0:
        raise BadInput("There is nothing to learn: theta holds no floating-point array.")

    def loss(flat: Float[Array, " parameter"]) -> Float[Array, ""]:
        def step(carry, index):
            state, total = carry
            state, loss = eqx.filter_jit(problem.step)(rebuild(flat), state, jr.fold_in(key, index))
            return (state, total + loss), None

        # Jitted and rematerialised as `unroll` has it, so that what is traced here is there already when that comes.
        body = jax.checkpoint(step, prevent_cse=False) if reverse else step
        start = problem.init(rebuild(flat), key), jnp.zeros(())
        return jax.lax.scan(body, start, jnp.arange(2))[0][1]

    def pushed(tangent: Float[Array, " parameter"]) -> Float[Array, ""]:
        return jax.jvp(loss, (vector,), (tangent,))[1]

    def pulled(cotangent: Float[Array, ""]) -> Float[Array, " parameter"]:
        return jax.vjp(loss, vector)[1](cotangent)[0]

    try:
        reached = _reaches(pulled, jnp.zeros(())) if reverse else _reaches(pushed, vector)
    except (TypeError, ValueError) as error:
        if "differentiation" not in str(error):
            raise
        raise BadInput(f"The problem can't be differentiated in reverse; {_ADVICE}") from error
    if not reached:
        raise BadInput(f"The problem's loss does not depend on theta through anything differentiable; {_ADVICE}")


def _reaches(fn: Callable[[Array], Array], x: Array) -> bool:
    """Whether the output of a linear function depends on its input at all."""
    jaxpr = jax.make_jaxpr(fn)(x).jaxpr
    reached = set(jaxpr.invars)
    for equation in jaxpr.eqns:
        if any(not isinstance(v, Literal) and v in reached for v in equation.invars):
            reached.update(equation.outvars)
    return any(not isinstance(v, Literal) and v in reached for v in jaxpr.outvars)
