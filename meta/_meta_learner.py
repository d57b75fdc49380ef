from collections.abc import Callable
from dataclasses import replace
from typing import final, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ._devices import replicate
from ._problem import AbstractProblem
from .estimators import AbstractEstimator
from .particles._flat import ravel


_Item = TypeVar("_Item")

MetaStep = Callable[["MetaLearner", "MetaState", PyTree, PRNGKeyArray], tuple["MetaState", PyTree, dict[str, Array]]]
"""`meta_step`, or the same compiled: both states after it, and what there is to log."""


class MetaState(eqx.Module):
    """All that changes while a rule is meta-trained, and so exactly what a checkpoint holds.

    `average` is the exponential moving average of theta, for evaluation. `estimators` holds one state per problem.
    """

    theta: PyTree
    optimiser: optax.OptState
    estimators: tuple[PyTree, ...]
    average: PyTree
    step: Int[Array, ""]


@final
class MetaLearner(eqx.Module):
    """The outer loop: an estimate of the meta-gradient, then an optax step.

    Several problems (shapes of the base model, say) take turns; each keeps its own running episodes and its own
    compiled step. `averaging` is the share of the average that one step keeps; steps are multiplied by `step_scale`.
    """

    problems: tuple[AbstractProblem, ...]
    estimator: AbstractEstimator
    optimiser: optax.GradientTransformation = eqx.field(static=True)
    averaging: float = eqx.field(static=True, default=0.98)
    step_scale: Float[Array, ""] | None = None

    def init(self, theta: PyTree, key: PRNGKeyArray, *, rehearsed: bool = False) -> MetaState:
        """The state before the first step. Raises `BadInput` if the estimator does not suit a problem.

        To find out is to trace its steps; steps that were `rehearsed` before are believed to do.
        """
        # An array made from a Python number has a weak type, which the first step would lose: and compile twice.
        learned, fixed = eqx.partition(theta, eqx.is_array)
        theta = eqx.combine(jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), learned), fixed)
        estimators = tuple(
            self.estimator.init(problem, theta, jr.fold_in(key, index), rehearsed=rehearsed)
            for index, problem in enumerate(self.problems)
        )
        optimiser = self.optimiser.init(ravel(theta)[0])
        theta, optimiser, step = replicate((theta, optimiser, jnp.zeros((), jnp.int32)))
        return MetaState(theta, optimiser, estimators, theta, step)

    def step(
        self, state: MetaState, key: PRNGKeyArray, compiled: MetaStep | None = None
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        """One meta-step with the problem whose turn it is, and what there is to log of it.

        `key` is the root key: what a step draws depends on it and on the step's number alone. `compiled` is `meta_step`
        as something else than Equinox's jit has it compiled.
        """
        # Asking for the step's number waits for the last one to end.
        turn = int(state.step) % len(self.problems) if len(self.problems) > 1 else 0
        estimators = state.estimators
        compiled = compiled or _compiled
        after, estimated, metrics = compiled(self.each[turn], replace(state, estimators=()), estimators[turn], key)
        return replace(after, estimators=(*estimators[:turn], estimated, *estimators[turn + 1 :])), metrics

    def steps(
        self, state: MetaState, key: PRNGKeyArray, rounds: int
    ) -> tuple[MetaState, dict[str, Float[Array, " step"]]]:
        """The meta-steps of one or more rounds, in each of which every problem has its turn, as one program.

        They are those that `step` takes, one after another: for problems so small that to call a program takes longer
        than its step, in a fraction of the time. Metrics have an entry for each.
        """
        turn = int(state.step) % len(self.problems)
        learner = replace(self, problems=_turned(self.problems, turn))
        state = replace(state, estimators=_turned(state.estimators, turn))
        state, metrics = _rounds(learner, state, key, int(rounds))
        return replace(state, estimators=_turned(state.estimators, -turn)), metrics

    @property
    def each(self) -> tuple["MetaLearner", ...]:
        """A learner for every problem alone, as its steps have it."""
        return tuple(replace(self, problems=(problem,)) for problem in self.problems)


def _turned(items: tuple[_Item, ...], turn: int) -> tuple[_Item, ...]:
    """From the item of this number on, and then those before it."""
    return items[turn:] + items[:turn]


@eqx.filter_jit
def _rounds(
    learner: MetaLearner, state: MetaState, key: PRNGKeyArray, rounds: int
) -> tuple[MetaState, dict[str, Array]]:
    arrays, rest = eqx.partition(state, eqx.is_array)

    def one(arrays: PyTree, _: None) -> tuple[PyTree, dict[str, Array]]:
        state, estimators, measured = eqx.combine(arrays, rest), [], []
        for each, estimator in zip(learner.each, state.estimators):
            state, estimator, metrics = meta_step(each, replace(state, estimators=()), estimator, key)
            estimators.append(estimator)
            measured.append(metrics)
        state = replace(state, estimators=tuple(estimators))
        return eqx.filter(state, eqx.is_array), jax.tree.map(lambda *values: jnp.stack(values), *measured)

    arrays, metrics = jax.lax.scan(one, arrays, None, rounds)
    return eqx.combine(arrays, rest), jax.tree.map(lambda values: values.reshape(-1), metrics)


def meta_step(
    learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray
) -> tuple[MetaState, PyTree, dict[str, Array]]:
    """A meta-step of a learner with one problem, whose estimator's state stands beside the learner's other state."""
    key = jr.fold_in(key, state.step)
    estimate, estimator = learner.estimator.estimate(learner.problems[0], state.theta, estimator, key)
    # As one vector: an operation for every array would take longer to trace, to compile and to run.
    vector, as_theta, _ = ravel(state.theta)
    gradient, average = ravel(estimate.grad)[0], ravel(state.average)[0]
    updates, optimiser = learner.optimiser.update(gradient, state.optimiser, vector)
    if (step_scale := learner.step_scale) is not None:
        updates = jax.tree.map(lambda update: step_scale.astype(update.dtype) * update, updates)
    moved = optax.apply_updates(vector, updates)
    # Without a finite particle there is nothing to step on: theta and the optimiser's memory stay.
    moved, optimiser = jax.tree.map(
        lambda new, old: jnp.where(estimate.usable, new, old), (moved, optimiser), (vector, state.optimiser)
    )
    average = learner.averaging * average + (1 - learner.averaging) * moved
    state = MetaState(as_theta(moved), optimiser, (), as_theta(average), state.step + 1)
    state, metrics = replicate((state, {"meta_loss": estimate.loss, **estimate.diagnostics}))
    return state, estimator, metrics


_compiled = eqx.filter_jit(meta_step)
