import functools
import hashlib
import json
import re
from collections.abc import Callable, Hashable
from importlib.metadata import version
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import export
from jaxtyping import Array, PRNGKeyArray, PyTree

from ...errors import BadInput
from ...meta import device_count, meta_step, MetaLearner, MetaState, MetaStep
from ..records._leaves import signature
from . import _store as disk_cache


_ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")
_ROOT = __name__.split(".")[0]

_Arguments = tuple[MetaLearner, MetaState, PyTree, PRNGKeyArray]


@final
class CompiledStepCache:
    """`meta_step`, with traces cached on disk: tracing and lowering it takes seconds of every start.

    A trace is StableHLO as `jax.export` writes it. It is reused by runs with the same settings, libraries, devices,
    tree structure and shapes. `settings` must hold everything else that decides what is computed: a digest of the code,
    and the parameters of functions, which the structure of a learner shows by their addresses only. Learners with parts
    whose class is defined outside this package, which the digest does not cover, are not cached.
    """

    def __init__(self, settings: dict[str, Any]):
        self._settings = settings
        self._programs: dict[Hashable, MetaStep] = {}

    def know(self, learner: MetaLearner, theta: PyTree) -> bool:
        """Returns whether a trace is cached for each of the learner's problems."""
        names = [self._name(each, theta) for each in learner.each]
        return all(name is not None and disk_cache.get(name) is not None for name in names)

    def __call__(
        self, learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray
    ) -> tuple[MetaState, PyTree, dict[str, Array]]:
        leaves, structure = jax.tree.flatten((learner, state, estimator, key))
        types = structure, tuple(map(_signed, leaves))
        if types not in self._programs:
            self._programs[types] = self._program((learner, state, estimator, key))
        return self._programs[types](learner, state, estimator, key)

    def _program(self, arguments: _Arguments) -> MetaStep:
        learner, state, _, _ = arguments
        name = self._name(learner, state.theta)
        if name is None:
            return eqx.filter_jit(meta_step)
        if disk_cache.get(name) is None:
            try:
                written = export.export(jax.jit(_flat(arguments)))(*_arrays(arguments)).serialize()
            except BadInput:
                raise
            except Exception:  # JAX can't export every program. Other errors come back when the step runs below.
                return eqx.filter_jit(meta_step)
            disk_cache.put(name, bytes(written))
        # Read back even when just written, so that a first and a later run compile the same program.
        program = _read(name)
        if program is None:
            return eqx.filter_jit(meta_step)

        def run(learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray):
            after, metrics = program(*_arrays((learner, state, estimator, key)))
            return *_with_arrays((state, estimator), after), metrics

        return run

    def _name(self, learner: MetaLearner, theta: PyTree) -> str | None:
        """Returns the file name of a step's trace; None where the step can't be cached."""
        structure = jax.tree.structure((learner, theta))
        # Theta has lost its weak types by the time that it is learned, so they must not count.
        strong = [signature(leaf) if eqx.is_array(leaf) else repr(_signed(leaf)) for leaf in jax.tree.leaves(theta)]
        signed = [repr(_signed(leaf)) for leaf in jax.tree.leaves(learner)] + strong
        if not disk_cache.is_available() or not _is_ours(structure) or _ADDRESS.search(f"{self._settings}{signed}"):
            return None
        facts = {
            "settings": self._settings,
            "libraries": [version(name) for name in ("jax", "jaxlib", "equinox", "optax", "evosax", "numpy")],
            "JAX": {name: str(value) for name, value in sorted(jax.config.values.items())},
            "devices": [device_count(), jax.default_backend(), jax.devices()[0].device_kind],
            # Without the addresses of functions, which change with every process; `settings` identifies the functions.
            "structure": _ADDRESS.sub("", str(structure)),
            "leaves": signed,
        }
        return f"step-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()}"


@functools.lru_cache(8)  # For the next seed of a study in the same process.
def _read(name: str) -> Callable[..., Any] | None:
    if (written := disk_cache.get(name)) is None:
        return None
    # Its results are committed to a device and its first arguments may not be: JAX would compile two programs.
    sharding = jnp.zeros(()).sharding if device_count() == 1 else None
    return jax.jit(export.deserialize(bytearray(written)).call, in_shardings=sharding, out_shardings=sharding)


def _flat(arguments: _Arguments) -> Callable[..., tuple[list[Array], dict[str, Array]]]:
    """Returns `meta_step` as a function of arrays: the new states' arrays in one list, and metrics."""

    def flat(*arrays: Array) -> tuple[list[Array], dict[str, Array]]:
        state, estimator, metrics = meta_step(*_with_arrays(arguments, arrays))
        return _arrays((state, estimator)), metrics

    return flat


def _signed(leaf: Any) -> Hashable:
    """Returns everything about a leaf that a trace depends on: type and shape of an array, the value of others."""
    if eqx.is_array(leaf):
        return signature(leaf), getattr(leaf, "weak_type", False)
    return type(leaf), leaf


def _is_ours(structure: Any) -> bool:
    """Returns whether the classes of all Equinox modules in a tree are defined in this package."""
    data = structure.node_data()
    kind = None if data is None else data[0]
    outside = isinstance(kind, type) and issubclass(kind, eqx.Module) and kind.__module__.split(".")[0] != _ROOT
    return not outside and all(map(_is_ours, structure.children()))


def _arrays(tree: PyTree) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]


def _with_arrays(like: PyTree, arrays: Any) -> Any:
    """Returns a copy of a tree with other arrays, in the order of its leaves."""
    leaves, structure = jax.tree.flatten(like)
    new = iter(arrays)
    return jax.tree.unflatten(structure, [next(new) if eqx.is_array(leaf) else leaf for leaf in leaves])
