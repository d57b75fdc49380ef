from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun, Literal
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._length import Length
from .._problem import AbstractProblem


class LowRank(eqx.Module):
    """A matrix `base` + `left` @ `right` that is not multiplied out.

    Particles differ in their thin factors alone: their products with `base` become one, to which each adds two cheap
    ones.
    """

    base: Float[Array, "row column"]
    left: Float[Array, "row rank"]
    right: Float[Array, "rank column"]

    def whole(self) -> Float[Array, "row column"]:
        """The matrix, multiplied out."""
        return self.base + self.left @ self.right

    def transpose(self) -> "LowRank":
        return LowRank(self.base.T, self.right.T, self.left.T)


@final
class LowRankProblem(AbstractProblem):
    """A problem whose theta may hold `LowRank` matrices in place of arrays. Its numbers are those of the problem."""

    problem: AbstractProblem
    horizon: Length

    def __init__(self, problem: AbstractProblem):
        self.problem = problem
        self.horizon = problem.horizon

    def init(self, theta: PyTree, key: PRNGKeyArray) -> Any:
        return lift(self.problem.init)(theta, key)

    def step(self, theta: PyTree, state: Any, key: PRNGKeyArray) -> tuple[Any, Float[Array, ""]]:
        return lift(self.problem.step)(theta, state, key)


def lift(fn: Callable) -> Callable:
    """Lets a function of arrays take `LowRank` matrices.

    Follows what the function does with them: products (also transposed, and inside of loops and of other functions)
    stay thin; anything else is given the matrix multiplied out. Not to be differentiated in reverse.
    """

    def lifted(*args):
        leaves, structure = jax.tree.flatten(args, is_leaf=_is_low_rank)
        places = [i for i, leaf in enumerate(leaves) if eqx.is_array(leaf) or _is_low_rank(leaf)]
        shapes = [leaves[i].base if _is_low_rank(leaves[i]) else leaves[i] for i in places]

        def flat(*arrays):
            filled = list(leaves)
            for i, array in zip(places, arrays):
                filled[i] = array
            return fn(*jax.tree.unflatten(structure, filled))

        closed, out = jax.make_jaxpr(flat, return_shape=True)(*shapes)
        outputs = _evaluate(closed.jaxpr, closed.consts, [leaves[i] for i in places])
        return jax.tree.unflatten(jax.tree.structure(out), [_whole(x) for x in outputs])

    return lifted


def _evaluate(jaxpr: Jaxpr, consts: list, args: list) -> list:
    values = dict(zip(jaxpr.constvars, consts)) | dict(zip(jaxpr.invars, args))
    read = lambda v: v.val if isinstance(v, Literal) else values[v]
    for equation in jaxpr.eqns:
        inputs = [read(v) for v in equation.invars]
        outputs = _follow(equation, inputs) if any(map(_is_low_rank, inputs)) else None
        if outputs is None:
            names = {v: _whole(x) for v, x in zip(equation.invars, inputs) if not isinstance(v, Literal)}
            alone = jaxpr.replace(constvars=[], invars=list(names), outvars=equation.outvars, eqns=[equation])
            outputs = jaxpr_as_fun(ClosedJaxpr(alone, []))(*names.values())
        values.update(zip(equation.outvars, outputs))
    return [read(v) for v in jaxpr.outvars]


def _follow(equation: Any, inputs: list) -> list | None:
    """An operation on thin matrices that stays thin; None where there is none."""
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        return _product(inputs, params)
    if name == "transpose" and params["permutation"] == (1, 0):
        return [inputs[0].transpose()]
    if name == "scan":
        return _scan(inputs, params)
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if name not in _CALLS or inner is None:
        return None
    inner, consts = (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, [])
    return _evaluate(inner, consts, inputs)


_CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat2", "checkpoint")


def _product(inputs: list, params: dict) -> list | None:
    """The product of an array and a thin matrix, in two thin steps beside that with its base."""
    (left_axes, right_axes), batch = params["dimension_numbers"]
    if any(batch) or len(left_axes) != 1 or all(map(_is_low_rank, inputs)):
        return None
    kept = {k: v for k, v in params.items() if k != "dimension_numbers"}

    def product(x, x_axis, y, y_axis):
        return jax.lax.dot_general(x, y, (((x_axis,), (y_axis,)), ((), ())), **kept)

    (left, right), (left_axis,), (right_axis,) = inputs, left_axes, right_axes
    if _is_low_rank(right):
        right = right if right_axis == 0 else right.transpose()
        thin = product(left, left_axis, right.left, 0)
        return [product(left, left_axis, right.base, 0) + product(thin, thin.ndim - 1, right.right, 0)]
    left = left if left_axis == 1 else left.transpose()
    thin = product(left.right, 1, right, right_axis)
    return [product(left.base, 1, right, right_axis) + product(left.left, 1, thin, 0)]


def _scan(inputs: list, params: dict) -> list | None:
    """A loop whose constants are thin; None where what it carries is, or where JAX does not say which are which."""
    if "num_consts" in params:
        consts, carried = params["num_consts"], params["num_carry"]
    elif "ft_in" in params:  # JAX 0.12
        consts, carried, _ = map(len, params["ft_in"].unpack())
    else:
        return None
    if any(map(_is_low_rank, inputs[consts:])):
        return None
    body = params["jaxpr"]

    def step(carry, x):
        outputs = [_whole(y) for y in _evaluate(body.jaxpr, body.consts, [*inputs[:consts], *carry, *x])]
        return outputs[:carried], outputs[carried:]

    split = consts + carried
    carry, outputs = jax.lax.scan(
        step, inputs[consts:split], inputs[split:], params["length"], params["reverse"], params["unroll"]
    )
    return [*carry, *outputs]


def _is_low_rank(x: Any) -> bool:
    return isinstance(x, LowRank)


def _whole(x: Any) -> Any:
    return x.whole() if _is_low_rank(x) else x
