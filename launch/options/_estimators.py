import dataclasses
from collections.abc import Callable
from typing import Any

from ...errors import BadInput
from ...meta import Length
from ...meta.estimators import (
    AbstractEstimator,
    AntitheticES,
    EvosaxSearch,
    ForwardMode,
    FullBackprop,
    FullES,
    GPES,
    Hybrid,
    Implicit,
    Noise,
    NRES,
    PES,
    PESAnalytic,
    Population,
    TruncatedBackprop,
)
from ._names import choose, own
from ._training import Training


ESTIMATORS: dict[str, Callable[[int, Length], AbstractEstimator]] = {
    "tbptt": lambda tasks, window: TruncatedBackprop(Population(tasks), window),
    "backprop": lambda tasks, window: FullBackprop(Population(tasks)),
    "es": lambda tasks, window: AntitheticES(_pairs(tasks), window, NOISE),
    "full-es": lambda tasks, window: FullES(_pairs(tasks), NOISE),
    "pes": lambda tasks, window: PES(_pairs(tasks), window, NOISE),
    "pes-analytic": lambda tasks, window: PESAnalytic(PES(_pairs(tasks), window, NOISE)),
    "nres": lambda tasks, window: NRES(_pairs(tasks), window, NOISE),
    "gpes": lambda tasks, window: GPES(_pairs(tasks), window, NOISE),
    "forward": lambda tasks, window: ForwardMode(_pairs(tasks), window),
    "hybrid": lambda tasks, window: Hybrid(AntitheticES(_pairs(tasks), window, NOISE)),
    "implicit": lambda tasks, window: Implicit(Population(tasks)),
}
"""Estimators by name, each made for a preset's number of tasks and window."""


NOISE = Noise(0.03)


def _pairs(tasks: int) -> Population:
    return Population(tasks, per_task=4)


def with_estimator(training: Training, name: str) -> Training:
    """The training with another estimator, made for its number of tasks and its window.

    `name` is one of `ESTIMATORS`, `evosax:NAME` for any algorithm of evosax as the outer search, or `MODULE:CLASS` for
    an estimator of the user's own class, with the defaults of its fields. Raises `BadInput` for another name.
    """
    tasks, window = training.tasks_per_step, training.window
    if name == "evosax:NAME":
        raise BadInput(f"Write an algorithm of evosax for NAME, such as evosax:SNES; it has {', '.join(_evosax())}.")
    if name.startswith("evosax:"):
        algorithm = choose(name.removeprefix("evosax:"), _evosax(), "evosax algorithm")
        # Every member goes through whole unrolls: with a gradient's number of tasks a meta-step would take minutes.
        search = EvosaxSearch(algorithm, members=16, tasks=max(1, tasks // 4), scale=NOISE.scale)
        return dataclasses.replace(training, estimator=search, optimiser="sgd", learning_rate=1.0)
    if ":" in name:
        return dataclasses.replace(training, estimator=own(name, "estimator", AbstractEstimator))
    make = choose(name, ESTIMATORS, "estimator", "evosax:NAME", "MODULE:CLASS")
    return dataclasses.replace(training, estimator=make(tasks, window))


def _evosax() -> dict[str, Any]:
    import evosax.algorithms  # takes half a second
    from evosax.algorithms.base import EvolutionaryAlgorithm

    kinds = evosax.algorithms.__dict__.items()
    return {name: kind for name, kind in kinds if isinstance(kind, type) and issubclass(kind, EvolutionaryAlgorithm)}
