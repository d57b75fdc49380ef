from collections.abc import Callable
from dataclasses import replace
from typing import final

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


MetaStep = Callable[["MetaLearner", "MetaState", PyTree, PRNGKeyArray], tuple["MetaState", PyTree, dict[str, Array]]]
"""`meta_step`, or the same compiled: the learner's new state, the estimator's new state, and the metrics."""


class MetaState(eqx.Module):
    """Everything that changes while a rule is meta-trained, and so exactly the content of a checkpoint.

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

    Several problems (shapes of the base model, say) take turns; each has its own running unrolls and its own compiled
    step. `averaging` is the share of the average that one step keeps. Steps are multiplied by `step_scale` if given.
    """

    problems: tuple[AbstractProblem, ...]
    estimator: AbstractEstimator
    optimiser: optax.GradientTransformation = eqx.field(static=True)
    averaging: float = eqx.field(static=True, default=0.98)
    step_scale: Float[Array, ""] | None = None

    def check(self, theta: PyTree, key: PRNGKeyArray) -> None:
        """Raises `BadInput` if the estimator can't work on one of the problems. Traces a step; computes nothing."""
        for index, problem in enumerate(self.problems):
            self.estimator.check(problem, theta, jr.fold_in(key, index))

    def init(self, theta: PyTree, key: PRNGKeyArray) -> MetaState:
        """The state before the first step."""
        # An array made from a Python number has a weak type, which the first step would lose: and compile twice.
        learned, fixed = eqx.partition(theta, eqx.is_array)
        theta = eqx.combine(jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), learned), fixed)
        estimators = tuple(
            self.estimator.init(problem, theta, jr.fold_in(key, index)) for index, problem in enumerate(self.problems)
        )
        optimiser = self.optimiser.init(ravel(theta)[0])
        theta, optimiser, step = replicate((theta, optimiser, jnp.zeros((), jnp.int32)))
        return MetaState(theta, optimiser, estimators, theta, step)

    def step(
        self, state: MetaState, key: PRNGKeyArray, compiled: MetaStep | None = None
    ) -> tuple[MetaState, dict[str, Float[Array, ""]]]:
        """One meta-step with the problem whose turn it is. Returns the new state and the metrics.

        `key` is the root key: a step's draws depend on the key and on the step's number alone. `compiled` stands in for
        the compiled `meta_step`, for callers that compile it in another way than `equinox.filter_jit`.
        """
        # With one problem the step's number is not read: to read it would be to wait for the last step to end.
        turn = int(state.step) % len(self.problems) if len(self.problems) > 1 else 0
        estimators = state.estimators
        compiled = compiled or _compiled
        after, estimated, metrics = compiled(self.each[turn], replace(state, estimators=()), estimators[turn], key)
        return replace(after, estimators=(*estimators[:turn], estimated, *estimators[turn + 1 :])), metrics

    @property
    def each(self) -> tuple["MetaLearner", ...]:
        """A learner for each problem alone: what a compiled step is given."""
        return tuple(replace(self, problems=(problem,)) for problem in self.problems)


def meta_step(
    learner: MetaLearner, state: MetaState, estimator: PyTree, key: PRNGKeyArray
) -> tuple[MetaState, PyTree, dict[str, Array]]:
    """A meta-step of a learner with one problem. Returns the new state, the estimator's new state and the metrics.

    The estimator's state is apart from the rest of the state, where there is one for each of several problems.
    """
    key = jr.fold_in(key, state.step)
    estimate, estimator = learner.estimator.estimate(learner.problems[0], state.theta, estimator, key)
    # As one vector, because an operation for every array would take longer to trace, to compile and to run.
    vector, as_theta, _ = ravel(state.theta)
    gradient, average = ravel(estimate.grad)[0], ravel(state.average)[0]
    updates, optimiser = learner.optimiser.update(gradient, state.optimiser, vector)
    if (step_scale := learner.step_scale) is not None:
        updates = jax.tree.map(lambda update: step_scale.astype(update.dtype) * update, updates)
    moved = optax.apply_updates(vector, updates)
    # Where the estimate is not usable, theta and the optimiser's state stay.
    moved, optimiser = jax.tree.map(
        lambda new, old: jnp.where(estimate.usable, new, old), (moved, optimiser), (vector, state.optimiser)
    )
    average = learner.averaging * average + (1 - learner.averaging) * moved
    state = MetaState(as_theta(moved), optimiser, (), as_theta(average), state.step + 1)
    variance = ravel(estimate.variance)[0].sum()
    noise, norm = jnp.sqrt(variance), jnp.linalg.norm(gradient)
    metrics = {
        "meta_loss": estimate.loss,
        "gradient_norm": norm,
        "signal_to_noise": jnp.where(noise > 0, norm / jnp.where(noise > 0, noise, 1), jnp.inf),
        "inner_steps": estimate.inner_steps,
        **estimate.diagnostics,
    }
    state, metrics = replicate((state, metrics))
    return state, estimator, metrics


_compiled = eqx.filter_jit(meta_step)
