import math
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
from jax.extend.core import ClosedJaxpr, Jaxpr
from jaxtyping import PyTree


def product_flops(function: Callable[..., Any], *arguments: PyTree) -> tuple[float, float]:
    """Counts the floating-point operations of all products in a function, from its jaxpr.

    Returns the count, and the count if every loop ran once. A multiplication of a matrix product or convolution counts
    two, a Cholesky factorisation n^3 / 3, a triangular solve n^2 for each right-hand side; element-wise operations are
    left out. A `while` loop, whose number of iterations is unknown, counts once; a `cond` as its most costly branch.
    """
    arrays, rest = eqx.partition(arguments, eqx.is_array)
    jaxpr = jax.make_jaxpr(lambda arrays: eqx.filter(function(*eqx.combine(arrays, rest)), eqx.is_array))(arrays)
    return _count(jaxpr.jaxpr, True), _count(jaxpr.jaxpr, False)


def _count(jaxpr: Jaxpr, loops: bool) -> float:
    return sum((_equation(equation, loops) for equation in jaxpr.eqns), 0.0)


def _equation(equation: Any, loops: bool) -> float:
    name, parameters = equation.primitive.name, equation.params
    shapes = [variable.aval.shape for variable in equation.invars if "shape" in dir(variable.aval)]
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        return 2.0 * equation.outvars[0].aval.size * math.prod(shapes[0][axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel, features = shapes[1], parameters["dimension_numbers"].rhs_spec[0]
        return 2.0 * equation.outvars[0].aval.size * math.prod(kernel) / kernel[features]
    if name == "bilinear":
        # Plain shapes: the avals carry the mesh of a surrounding `shard_map`, outside of which this traces.
        plain = [jax.ShapeDtypeStruct(variable.aval.shape, variable.aval.dtype) for variable in equation.invars]
        return _count(jax.make_jaxpr(parameters["function"].forward)(*plain).jaxpr, loops)
    if name == "cholesky":
        return math.prod(shapes[0]) * shapes[0][-1] / 3
    if name == "triangular_solve":
        return float(math.prod(shapes[1]) * shapes[0][-1])
    if name == "custom_linear_solve":  # Of its four functions, solving runs only this one.
        return _count(parameters["jaxprs"].solve.jaxpr, loops)
    inside = [_count(inner, loops) for value in parameters.values() for inner in _jaxprs(value)]
    if name == "cond":
        return max(inside, default=0.0)
    if name == "shard_map":  # Its inner shapes are those of one device.
        return sum(inside, 0.0) * parameters["mesh"].size
    return sum(inside, 0.0) * (parameters["length"] if name == "scan" and loops else 1)


def _jaxprs(value: Any) -> Iterable[Jaxpr]:
    if isinstance(value, ClosedJaxpr):
        yield value.jaxpr
    elif isinstance(value, Jaxpr):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _jaxprs(each)
