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
"""Compiles in five sixths of the time; the program is as fast."""
_NO_EMITTERS: dict[str, str | bool] = {"xla_cpu_use_fusion_emitters": False}
"""Compiles in two thirds of the time; the program takes a sixth longer. Not every version of XLA knows it."""

_Result = TypeVar("_Result")


@final
class Programs:
    """Compiles functions of arrays side by side and runs one at a time. Each is compiled once, however often it is run.

    XLA keeps one core busy while it compiles a program, and a table needs dozens of programs: there is a worker for
    every core. One program at a time runs, while others are compiled, because programs wait for each other's threads:
    their seconds would be those of their neighbours. Use this as a context manager: work that has not begun is
    cancelled on exit, and after Ctrl-C nothing is waited for.
    """

    def __init__(self):
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1)
        self._turn = threading.Lock()
        self._asking = threading.Lock()
        self._asked: dict[Hashable, Future[_Program]] = {}

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._workers.shutdown(wait=kind is not KeyboardInterrupt, cancel_futures=True)

    def begin(self, work: Callable[..., _Result], *arguments: Any) -> Future[_Result]:
        """Queues work for the next free worker. Returns its future."""
        return self._workers.submit(work, *arguments)

    def run(self, function: Callable[..., _Result], *arguments: PyTree) -> tuple[_Result, float]:
        """The result of a function of these arguments, and the seconds that running it took, without compilation."""
        program = self._program(function, arguments)
        return self.timed(lambda: jax.block_until_ready(program(arguments)))

    def timed(self, work: Callable[[], _Result]) -> tuple[_Result, float]:
        """The result of work that nothing else is run beside, and the seconds that it took."""
        with self._turn:
            start = time.perf_counter()
            return work(), time.perf_counter() - start

    def _program(self, function: Callable[..., Any], arguments: PyTree) -> "_Program":
        leaves, structure = jax.tree.flatten(arguments)
        key = function, structure, tuple(_shape(leaf) if isinstance(leaf, jax.Array) else leaf for leaf in leaves)
        with self._asking:
            first = key not in self._asked
            program = self._asked.setdefault(key, Future())
        if first:
            try:
                program.set_result(_compiled(function, arguments))
            except BaseException as error:  # For every thread that waits for this program.
                program.set_exception(error)
        return program.result()


_Program = Callable[[PyTree], Any]
"""A compiled function of PyTrees."""


def _compiled(function: Callable[..., PyTree[Array]], arguments: PyTree) -> _Program:
    arrays, rest = eqx.partition(arguments, eqx.is_array)
    compiled = jax.jit(lambda arrays: function(*eqx.combine(arrays, rest))).lower(arrays).compile(_options())
    return lambda arguments: compiled(eqx.filter(arguments, eqx.is_array))


@functools.cache
def _options() -> dict[str, str | bool]:
    try:
        jax.jit(lambda: 0).lower().compile(_NO_EMITTERS)
    except jax.errors.JaxRuntimeError:
        return _OPTIONS
    return _OPTIONS | _NO_EMITTERS


def _shape(array: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, weak_type=getattr(array, "weak_type", False))
