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
from ._store import is_possible, keep, recall


_ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")
_ROOT = __name__.split(".")[0]

_Arguments = tuple[MetaLearner, MetaState, PyTree, PRNGKeyArray]


@final
class CompiledStepCache:
    """`meta_step` as earlier runs traced it: to trace and lower it anew takes seconds of every start.

    A trace is StableHLO as `jax.export` writes it, which holds no Python, and lies beside the compiled programs. It is
    used again by runs with the same settings, libraries and devices, and the same structure and shapes. `settings` say
    all that decides what is computed and that the structure of a learner does not: the code, and what functions are.
    Where there are parts of a class from outside this package, which the code does not tell, nothing is kept.
    """

    def __init__(self, settings: dict[str, Any]):
        self._settings = settings
        self._programs: dict[Hashable, MetaStep] = {}

    def know(self, learner: MetaLearner, theta: PyTree) -> bool:
        """Whether there is one for the step of each of the learner's problems."""
        names = [self._name(each, theta) for each in learner.each]
        return all(name is not None and recall(name) is not None for name in names)

    def __call__(
        self, learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray
    ) -> tuple[MetaState, PyTree, dict[str, Array]]:
        leaves, structure = jax.tree.flatten((learner, state, estimator, key))
        asked = structure, tuple(map(_signed, leaves))
        if asked not in self._programs:
            self._programs[asked] = self._program((learner, state, estimator, key))
        return self._programs[asked](learner, state, estimator, key)

    def _program(self, arguments: _Arguments) -> MetaStep:
        learner, state, _, _ = arguments
        name = self._name(learner, state.theta)
        if name is None:
            return eqx.filter_jit(meta_step)
        if recall(name) is None:
            try:
                written = export.export(jax.jit(_flat(arguments)))(*_arrays(arguments)).serialize()
            except BadInput:
                raise
            except Exception:  # Not all that JAX can run can be written. What else is wrong it will say itself.
                return eqx.filter_jit(meta_step)
            keep(name, bytes(written))
        # Read back even if it was just made, so that every run compiles and computes the same.
        program = _read(name)
        if program is None:
            return eqx.filter_jit(meta_step)

        def run(learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray):
            after, metrics = program(*_arrays((learner, state, estimator, key)))
            return *_with_arrays((state, estimator), after), metrics

        return run

    def _name(self, learner: MetaLearner, theta: PyTree) -> str | None:
        """The name of a trace's file. None where it might be that of another step, too, or nothing can be kept."""
        structure = jax.tree.structure((learner, theta))
        # Theta's arrays have no weak types any more where it is learned.
        strong = [signature(leaf) if eqx.is_array(leaf) else repr(_signed(leaf)) for leaf in jax.tree.leaves(theta)]
        signed = [repr(_signed(leaf)) for leaf in jax.tree.leaves(learner)] + strong
        if not is_possible() or not _is_ours(structure) or _ADDRESS.search(f"{self._settings}{signed}"):
            return None
        facts = {
            "settings": self._settings,
            "libraries": [version(name) for name in ("jax", "jaxlib", "equinox", "optax", "evosax", "numpy")],
            "JAX": {name: str(value) for name, value in sorted(jax.config.values.items())},
            "devices": [device_count(), jax.default_backend(), jax.devices()[0].device_kind],
            # Without the addresses of functions: what these are is in the settings.
            "structure": _ADDRESS.sub("", str(structure)),
            "leaves": signed,
        }
        return f"step-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()}"


@functools.lru_cache(8)  # The next seed of an ablation finds it here.
def _read(name: str) -> Callable[..., Any] | None:
    if (written := recall(name)) is None:
        return None
    # What it returns is bound to a device and what it is first given may not be: that would be two programs.
    place = jnp.zeros(()).sharding if device_count() == 1 else None
    return jax.jit(export.deserialize(bytearray(written)).call, in_shardings=place, out_shardings=place)


def _flat(arguments: _Arguments) -> Callable[..., tuple[list[Array], dict[str, Array]]]:
    """The step from arrays to the arrays of both states, in one list, and the metrics."""

    def flat(*arrays: Array) -> tuple[list[Array], dict[str, Array]]:
        state, estimator, metrics = meta_step(*_with_arrays(arguments, arrays))
        return _arrays((state, estimator)), metrics

    return flat


def _signed(leaf: Any) -> Hashable:
    """All of a leaf that a trace depends on."""
    if eqx.is_array(leaf):
        return signature(leaf), getattr(leaf, "weak_type", False)
    return type(leaf), leaf


def _is_ours(structure: Any) -> bool:
    """Whether all modules in a tree are of classes of this package."""
    data = structure.node_data()
    kind = None if data is None else data[0]
    outside = isinstance(kind, type) and issubclass(kind, eqx.Module) and kind.__module__.split(".")[0] != _ROOT
    return not outside and all(map(_is_ours, structure.children()))


def _arrays(tree: PyTree) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]


def _with_arrays(like: PyTree, arrays: Any) -> Any:
    """A tree with other arrays."""
    leaves, structure = jax.tree.flatten(like)
    new = iter(arrays)
    return jax.tree.unflatten(structure, [next(new) if eqx.is_array(leaf) else leaf for leaf in leaves])
