import functools
import os
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final, TypeVar

import equinox as eqx
import jax
from jaxtyping import Array, PyTree


_OPTIONS: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}
"""Compiles in five sixths of the time; what runs is as fast."""
_NO_EMITTERS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}
"""Compiles in two thirds of the time; what runs takes a sixth longer. Not every version of XLA knows it."""

_Result = TypeVar("_Result")


@final
class Programs:
    """Compiles and runs functions of arrays side by side: each is compiled once, however often it is asked for.

    XLA keeps one core busy for a program that it compiles and hardly more for a small one that runs, and a table has
    dozens: there is a worker for every core. An accelerator runs one program at a time, while others are compiled. Use
    it as a context manager: what nobody waits for any more is not begun.
    """

    def __init__(self):
        cores = os.cpu_count() or 1
        self._workers = ThreadPoolExecutor(cores)
        self._turns = threading.Semaphore(cores if jax.default_backend() == "cpu" else 1)
        self._asking = threading.Lock()
        self._asked: dict[Hashable, Future[Callable[..., Any]]] = {}

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.shutdown(cancel_futures=True)

    def begin(self, work: Callable[..., _Result], *arguments: Any) -> Future[_Result]:
        """Has a worker do this; what is asked for first is begun first."""
        return self._workers.submit(work, *arguments)

    def run(self, function: Callable[..., _Result], *arguments: PyTree) -> tuple[_Result, float]:
        """What a function of these arguments returns, and the seconds that this took without its compilation."""
        program = self._program(function, arguments)
        with self._turns:
            start = time.perf_counter()
            result = jax.block_until_ready(program(arguments))
            return result, time.perf_counter() - start

    def _program(self, function: Callable[..., Any], arguments: PyTree) -> Callable[..., Any]:
        leaves, structure = jax.tree.flatten(arguments)
        key = function, structure, tuple(_shape(leaf) if isinstance(leaf, jax.Array) else leaf for leaf in leaves)
        with self._asking:
            first = key not in self._asked
            program = self._asked.setdefault(key, Future())
        if first:
            try:
                program.set_result(_compiled(function, arguments))
            except BaseException as error:  # Whoever waits for it hears of it.
                program.set_exception(error)
        return program.result()


def _compiled(function: Callable[..., PyTree[Array]], arguments: PyTree) -> Callable[[PyTree], Any]:
    arrays, rest = eqx.partition(arguments, eqx.is_array)
    program = jax.jit(lambda arrays: function(*eqx.combine(arrays, rest))).lower(arrays).compile(_options())
    return lambda arguments: program(eqx.filter(arguments, eqx.is_array))


@functools.cache
def _options() -> dict[str, str | bool]:
    try:
        jax.jit(lambda: 0).lower().compile(_NO_EMITTERS)
    except jax.errors.JaxRuntimeError:
        return _OPTIONS
    return _OPTIONS | _NO_EMITTERS


def _shape(array: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, weak_type=getattr(array, "weak_type", False))
