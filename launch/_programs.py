import os
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, final

import equinox as eqx
import jax
from jaxtyping import Array, PyTree


_OPTIONS: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}
"""Compiles in five sixths of the time; what runs is as fast."""


@final
class Programs:
    """Compiles functions of arrays side by side, while others run already; each once, however often it is asked for.

    XLA keeps one core busy for a program, and a table has dozens. Use it as a context manager: what nobody waits for
    any more is not begun.
    """

    def __init__(self):
        self._workers = ThreadPoolExecutor(os.cpu_count())
        self._asked: dict[Hashable, Future[Callable[..., Any]]] = {}

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *exception: object) -> None:
        self._workers.shutdown(cancel_futures=True)

    def prepare(self, function: Callable[..., PyTree[Array]], *arguments: PyTree) -> Future[Callable[..., Any]]:
        """Begins to compile a function for arguments like these; arrays among them may be shapes only.

        The result is called with arguments of these shapes, and with the same whatever else is in them.
        """
        leaves, structure = jax.tree.flatten(arguments)
        signature = tuple(_shape(leaf) if _is_array(leaf) else leaf for leaf in leaves)
        key = function, structure, signature
        if key not in self._asked:
            self._asked[key] = self._workers.submit(_compiled, function, jax.tree.unflatten(structure, signature))
        return self._asked[key]


def _compiled(function: Callable[..., PyTree[Array]], arguments: PyTree) -> Callable[..., Any]:
    shapes, rest = eqx.partition(arguments, _is_array)
    program = jax.jit(lambda arrays: function(*eqx.combine(arrays, rest))).lower(shapes).compile(_OPTIONS)
    return lambda *arguments: program(eqx.filter(arguments, eqx.is_array))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct)


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=getattr(leaf, "weak_type", False))
