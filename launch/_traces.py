import functools
import hashlib
import json
import re
from collections.abc import Callable, Hashable
from importlib.metadata import version
from typing import Any, final

import equinox as eqx
import jax
from jax import export
from jaxtyping import Array, PRNGKeyArray, PyTree

from ..meta import device_count, MetaLearner, MetaState, MetaStep
from ._kept import keep, recall
from ._leaves import signature


_ADDRESS = re.compile(" at 0x[0-9a-f]+")


@final
class Traces:
    """Meta-steps as earlier runs traced them: to trace and lower one anew takes seconds of every start.

    A trace is StableHLO as `jax.export` writes it, which holds no Python, and lies beside the compiled programs. It is
    used again by runs with the same settings, libraries and devices, and the same structure and shapes. `settings` say
    all that decides what is computed and that the structure of a learner does not: the code, and what functions are.
    """

    def __init__(self, settings: dict[str, Any]):
        self._settings = settings
        self._programs: dict[Hashable, Callable[..., Any]] = {}

    def know(self, learner: MetaLearner, theta: PyTree) -> bool:
        """Whether there is one for the step of each of the learner's problems."""
        names = [self._name(each, theta) for each in learner.each]
        return all(name is not None and recall(name) is not None for name in names)

    def jit(self, step: MetaStep) -> MetaStep:
        """`eqx.filter_jit`, but for the tracing of what is known."""
        return functools.partial(self._run, step)

    def _run(
        self, step: MetaStep, learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray
    ) -> tuple[MetaState, PyTree, dict[str, Array]]:
        arguments = learner, state, estimator, key
        leaves, structure = jax.tree.flatten(arguments)
        asked = structure, tuple(signature(leaf) if eqx.is_array(leaf) else leaf for leaf in leaves)
        if asked not in self._programs:
            self._programs[asked] = self._program(step, arguments)
        return self._programs[asked](*arguments)

    def _program(self, step: MetaStep, arguments: tuple[MetaLearner, MetaState, PyTree, PRNGKeyArray]) -> MetaStep:
        learner, state, _, _ = arguments
        if (name := self._name(learner, state.theta)) is None:
            return eqx.filter_jit(step)
        if (written := recall(name)) is None:
            try:
                written = bytes(export.export(jax.jit(_flat(step, arguments)))(*_arrays(arguments)).serialize())
            except (NotImplementedError, ValueError):  # Not all that JAX can run can be written.
                return eqx.filter_jit(step)
            keep(name, written)
        # Read back even if it was just made, so that every run compiles and computes the same.
        program = jax.jit(export.deserialize(bytearray(written)).call)

        def run(learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray):
            after, metrics = program(*_arrays((learner, state, estimator, key)))
            return *_with_arrays((state, estimator), after), metrics

        return run

    def _name(self, learner: MetaLearner, theta: PyTree) -> str | None:
        leaves, structure = jax.tree.flatten((learner, theta))
        if _ADDRESS.search(str(self._settings)):  # It is nobody's but this process's.
            return None
        settings = {
            **self._settings,
            "libraries": [version(name) for name in ("jax", "jaxlib", "equinox", "optax", "evosax", "numpy")],
            "JAX": {name: str(value) for name, value in sorted(jax.config.values.items())},
            "devices": [device_count(), jax.default_backend(), jax.devices()[0].device_kind],
            # Without the addresses of functions: what these are is in the settings.
            "structure": _ADDRESS.sub("", str(structure)),
            "leaves": [signature(leaf) if eqx.is_array(leaf) else repr(leaf) for leaf in leaves],
        }
        return f"step-{hashlib.sha256(json.dumps(settings).encode()).hexdigest()}"


def _flat(step: MetaStep, arguments: PyTree) -> Callable[..., tuple[list[Array], dict[str, Array]]]:
    """The step from arrays to the arrays of both states, in one list, and the metrics."""

    def flat(*arrays: Array) -> tuple[list[Array], dict[str, Array]]:
        state, estimator, metrics = step(*_with_arrays(arguments, arrays))
        return _arrays((state, estimator)), metrics

    return flat


def _arrays(tree: PyTree) -> list[Array]:
    return jax.tree.leaves(eqx.filter(tree, eqx.is_array))


def _with_arrays(like: PyTree, arrays: Any) -> Any:
    """A tree with other arrays."""
    old, rest = eqx.partition(like, eqx.is_array)
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(old), arrays), rest)
