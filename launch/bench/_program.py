import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.experimental.compilation_cache import compilation_cache
from jaxtyping import PyTree

from ...meta import device_count
from ._flops import product_flops


@final
class Program:
    """A compiled function with its arguments: a call runs it once and waits for the result.

    `flops` are counted by XLA, `flops_by_hand` by `product_flops`. `memory` is the size of arguments and temporaries on
    all devices, in bytes. `compile_seconds` is the time to trace and compile, without a cache.
    """

    def __init__(self, function: Callable[..., Any], *arguments: PyTree):
        arrays, rest = eqx.partition(arguments, eqx.is_array)

        def pure(arrays: PyTree) -> PyTree:
            return eqx.filter(function(*eqx.combine(arrays, rest)), eqx.is_array)

        self.flops_by_hand, once = product_flops(function, *arguments)
        with _no_cache():
            start = time.perf_counter()
            self._compiled = jax.jit(pure).lower(arrays).compile()
            self.compile_seconds = time.perf_counter() - start
        self._arrays = arrays
        cost = self._compiled.cost_analysis() or {}
        devices = device_count()
        # XLA counts for one device, and the body of a loop once: the products of its other iterations are added.
        self.flops = devices * float(cost.get("flops", 0.0)) + self.flops_by_hand - once
        memory = self._compiled.memory_analysis()
        per_device = 0 if memory is None else memory.argument_size_in_bytes + memory.temp_size_in_bytes
        self.memory = devices * per_device

    def __call__(self) -> None:
        jax.block_until_ready(self._compiled(self._arrays))


def matrix_product(size: int | None = None) -> Program:
    """Returns the product of two random square matrices: the machine's peak rate in practice, to compare with."""
    size = size or (1024 if jax.default_backend() == "cpu" else 8192)
    return Program(jnp.matmul, *jr.normal(jr.key(0), (2, size, size)))


@contextlib.contextmanager
def _no_cache() -> Iterator[None]:
    before = jax.config.values["jax_enable_compilation_cache"]
    try:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()  # JAX reads the setting once and remembers it.
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()
