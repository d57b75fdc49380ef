import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from ...meta import AbstractProblem, Length
from ...meta.estimators import AbstractEstimator, Noise, PES, Population, TruncatedBackprop
from ..figures._plots import panels, Picture, save, style
from ..options._recipes import Lean
from ._inner_problems import adam, Optimisation, Quadratic
from ._program import matrix_product, Program
from ._row import Row, row
from ._rules import inner_loop, Sizes
from ._timing import Budget, time_in_turn


_WINDOW = 4
_Case = tuple[AbstractEstimator, AbstractProblem, PyTree]


def _rule(window: int = _WINDOW, width: int = 24) -> tuple[AbstractProblem, PyTree]:
    return inner_loop(Sizes(64, (width, width), 32, 5), window), Lean().build(jr.key(0))


def _toy(window: int = _WINDOW, width: int = 24) -> tuple[AbstractProblem, PyTree]:
    return Optimisation(target=Quadratic(64 * width + width**2), horizon=Length(window)), adam()


def _backprop(tasks: int, window: int = _WINDOW) -> TruncatedBackprop:
    return TruncatedBackprop(Population(tasks), Length(window))


_AXES: dict[str, tuple[Callable[[Callable, int], _Case], tuple[int, ...]]] = {
    "tasks": (lambda make, n: (_backprop(n), *make()), (1, 4, 20, 100)),
    "pairs": (lambda make, n: (PES(Population(1, n), Length(_WINDOW), Noise(0.01)), *make()), (1, 4, 20, 100)),
    "inner-steps": (lambda make, n: (_backprop(1, n), *make(n)), (4, 16, 80, 400)),
    "parameters": (lambda make, n: (_backprop(1), *make(width=n)), (8, 24, 72, 216)),
}
"""For each axis: how to make the estimator, problem and theta of a size, and the sizes. Those of the axis `parameters`
are widths of two layers with 64 width + width^2 weights: 576 to 60,480."""


def scaling(budget: Budget) -> list[Row]:
    """Time and memory of a meta-gradient against tasks, pairs, inner steps and parameters, over two decades each."""
    peak = matrix_product(256 if budget.small else None)
    rows = []
    for axis, (case, counts) in _AXES.items():
        counts = counts[:2] if budget.small else counts
        programs = [_gradient(*case(_toy if budget.small else _rule, count)) for count in counts]
        best, *found = time_in_turn([peak, *programs], budget)
        sizes = [float(64 * n + n * n if axis == "parameters" else n) for n in counts]
        for size, program, timing in zip(sizes, programs, found):
            columns = row(f"scaling/{axis}={size:.0f}", program, timing, (peak, best), each="meta-gradient")
            rows.append(columns | {"axis": axis, "size": size})
        # Between the largest sizes, where the fixed cost of a call matters least.
        slope = _slope(sizes[-2:], [timing.cpu_seconds for timing in found[-2:]])
        memory = _slope(sizes[-2:], [float(program.memory) for program in programs[-2:]])
        rows[-1]["remark"] = f"last two sizes: time grows as {axis}^{slope:.2f}, memory as ^{memory:.2f}"
        rows[-1] |= {"exponent": slope, "memory_exponent": memory}
    return rows


def draw_scaling(rows: Sequence[Row], path: Path) -> None:
    """Draws CPU time against each axis (dashed: proportional) and memory against inner steps (dotted: square root)."""
    axes_names = list(dict.fromkeys(row["axis"] for row in rows))
    figure, axes = panels(len(axes_names) + 1)
    for index, name in enumerate(axes_names):
        own = [row for row in rows if row["axis"] == name]
        sizes = np.array([row["size"] for row in own])
        times = np.array([1e3 * row["cpu_seconds"] for row in own])
        axes[index].plot(sizes, times, **style(index))
        axes[index].plot(sizes, times[-1] * sizes / sizes[-1], "k--", lw=0.8)
        axes[index].set(xscale="log", yscale="log", xlabel=name, ylabel="CPU-ms of a meta-gradient")
    last = [row for row in rows if row["axis"] == "inner-steps"]
    sizes = np.array([row["size"] for row in last])
    memory = np.array([row["peak_memory_bytes"] / 1e6 for row in last])
    axes[-1].plot(sizes, memory, **style(len(axes_names)))
    axes[-1].plot(sizes, memory[0] * np.sqrt(sizes / sizes[0]), "k:", lw=0.8)
    axes[-1].set(xscale="log", yscale="log", xlabel="inner-steps", ylabel="memory of truncated backprop, MB")
    save(figure, (path, Picture.of(path)))


def _gradient(estimator: AbstractEstimator, problem: AbstractProblem, theta: PyTree) -> Program:
    state = estimator.init(problem, theta, jr.key(1))
    return Program(estimator.estimate, problem, theta, state, jr.key(2))


def _slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    return math.log(values[1] / values[0]) / math.log(sizes[1] / sizes[0])
