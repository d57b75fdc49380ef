import dataclasses
from typing import final

import equinox as eqx
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ...meta import InnerLoop, Length, RidgeObjective
from ...meta.estimators import Population, TruncatedBackprop
from ...models import Model, MultiLayerPerceptron
from ...rules import AbstractRule
from ...tasks import DataSet, join, VectorTasks
from ..options._recipes import Lean, Released
from ._program import Program
from ._row import measure, Row
from ._timing import Budget


@final
@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of the base model and the data; the defaults are those of the code released with arXiv 1804.00222."""

    inputs: int = 784
    widths: tuple[int, ...] = (128, 128, 128, 128, 32)
    batch: int = 128
    shots: int = 10


_SMALL = Sizes(12, (8, 32), 6, 2)
_STEPS = 5
_WAYS = 10


def apply_released(budget: Budget) -> list[Row]:
    """One inner step of the released rule."""
    return _apply("apply-released", Released(), budget)


def apply_lean(budget: Budget) -> list[Row]:
    """One inner step of the lean rule on the same base model."""
    return _apply("apply-lean", Lean(), budget)


def metagrad_released(budget: Budget) -> list[Row]:
    """The released rule's meta-gradient by backpropagation through five inner steps, each with an outer loss."""
    return _metagrad("metagrad-released", Released(), budget)


def metagrad_lean(budget: Budget) -> list[Row]:
    """The lean rule's meta-gradient by backpropagation through five inner steps."""
    return _metagrad("metagrad-lean", Lean(), budget)


def inner_loop(sizes: Sizes, horizon: int) -> InnerLoop:
    """Returns the inner loop of a base model of these sizes on synthetic vectors, ten Gaussian classes."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(_WAYS), 4 * sizes.shots)
    x = random.normal(size=(_WAYS, sizes.inputs))[labels] + random.normal(size=(len(labels), sizes.inputs))
    names, none = tuple(str(label) for label in range(_WAYS)), np.zeros(0, np.int64)
    data = DataSet("vectors", "table", names, x.astype(np.float32), labels, x[:0].astype(np.float32), none)
    tasks = VectorTasks(join([data]), ways=_WAYS, shots=sizes.shots, batch_size=sizes.batch)
    architecture = MultiLayerPerceptron(sizes.widths)
    return InnerLoop(tasks=tasks, architecture=architecture, objective=RidgeObjective(), horizon=Length(horizon))


def _apply(name: str, rule: Lean | Released, budget: Budget) -> list[Row]:
    sizes = _SMALL if budget.small else Sizes()
    theta = rule.build(jr.key(0))
    model = MultiLayerPerceptron(sizes.widths)((sizes.inputs,), jr.key(1))
    x = jr.normal(jr.key(2), (sizes.batch, sizes.inputs))
    return [measure(name, Program(_applied, theta, model, x), budget, each="inner step")]


def _applied(rule: AbstractRule, model: Model, x: Float[Array, "batch input"]) -> Model:
    updates, _ = rule.update(model, x, rule.init(model))
    return eqx.apply_updates(model, updates)


def _metagrad(name: str, rule: Lean | Released, budget: Budget) -> list[Row]:
    problem = inner_loop(_SMALL if budget.small else Sizes(), _STEPS)
    estimator = TruncatedBackprop(Population(1, stagger=False), Length(_STEPS), clip=None)
    theta = rule.build(jr.key(0))
    state = estimator.init(problem, theta, jr.key(1))

    def gradient(problem, theta, state, key):
        return estimator.estimate(problem, theta, state, key)

    return [measure(name, Program(gradient, problem, theta, state, jr.key(2)), budget, each=f"{_STEPS} inner steps")]
