import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def full_precision(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Makes the products within a function, and those of its derivative, as precise as their numbers.

    Accelerators round the operands of a float32 product first, to 8 or 11 bits, which a network bears. What solves an
    equation, or takes a difference of what is nearly equal, does not. No change on a CPU.
    """

    @functools.wraps(function)
    def precise(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return precise
