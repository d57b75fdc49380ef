import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def full_precision(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Decorates a function so that its matrix products, and those of its derivative, use full float32 precision.

    It is for linear solves and differences of nearly equal numbers. It changes nothing on a CPU.
    """
    # By default accelerators round the operands of a float32 product to a mantissa of 8 or 11 bits. That is enough for
    # a network, but not for these.

    @functools.wraps(function)
    def precise(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return precise


def in_single_precision(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Decorates a function so that it computes in float32, whatever `jax_enable_x64` says: for results that are to be
    the same everywhere."""

    @functools.wraps(function)
    def single(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with jax.enable_x64(False):
            return function(*args, **kwargs)

    return single
