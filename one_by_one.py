import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.custom_batching import sequential_vmap


_Result = TypeVar("_Result")


def one_by_one(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """A function that factorises a matrix, or solves a system: under `vmap` on a CPU, one after another.

    XLA shares the matrices of a batch out to its threads, of which there is one for each core, and the thread that does
    so waits for the others. Where as many batches are begun at a time as there are threads, by several devices or
    programs or within one program, all of them wait for ever (jaxlib 0.10). Accelerators keep their batches.
    """

    @functools.wraps(function)
    def alone(*arguments: Any) -> _Result:
        if jax.default_backend() != "cpu":
            return function(*arguments)
        return sequential_vmap(lambda *arguments: function(*arguments))(*arguments)  # Without what has a default.

    return alone
