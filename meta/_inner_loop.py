from typing import final

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Key, PRNGKeyArray, PyTree

from ..models import AbstractArchitecture, Model, unlabelled
from ..rules import AbstractRule, keep
from ..tasks import AbstractTasks
from ._devices import shared
from ._length import Length
from ._objective import AbstractObjective
from ._problem import AbstractProblem


class InnerState(eqx.Module):
    """A base model during its unsupervised training: the state of an unroll."""

    task: PyTree
    model: Model
    rule_state: PyTree


@final
class InnerLoop(AbstractProblem[InnerState]):
    """A rule trains a base model on unlabelled batches of a task; few-shot problems of the task score it on the way.

    A step of the problem is `updates` applications of the rule and one score after them, so that `horizon` counts
    scores. Theta is the rule.
    """

    tasks: AbstractTasks
    architecture: AbstractArchitecture
    objective: AbstractObjective
    horizon: Length
    updates: int = eqx.field(static=True, default=1)

    def init(self, theta: AbstractRule, key: PRNGKeyArray) -> InnerState:
        task_key, model_key = jr.split(key)
        model = self.architecture(self.tasks.shape, model_key)
        return InnerState(self.tasks.sample(task_key), model, theta.init(model))

    def step(self, theta: AbstractRule, state: InnerState, key: PRNGKeyArray) -> tuple[InnerState, Float[Array, ""]]:
        episode_key, *batch_keys = jr.split(key, self.updates + 1)
        model, rule_state = state.model, state.rule_state
        for batch_key in batch_keys:
            draw = lambda key: self.tasks.batch(state.task, key)
            updates, rule_state = theta.update(model, keep(unlabelled(model, draw, batch_key)), rule_state)
            model = eqx.apply_updates(model, updates)
        loss = self.objective(model, keep(self.tasks.episode(state.task, episode_key)))
        return InnerState(state.task, model, rule_state), loss


@eqx.filter_jit
def rollout_loss(problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray, runs: int, steps: int) -> Float[Array, ""]:
    """The mean loss over `steps` steps of `runs` fresh runs: to validate theta on problems of one's choice."""

    def one(problem: AbstractProblem, theta: PyTree, key: PRNGKeyArray) -> Float[Array, ""]:
        start_key, step_key = jr.split(key)
        state = problem.init(theta, start_key)
        _, losses = jax.lax.scan(lambda s, k: problem.step(theta, s, k), state, jr.split(step_key, steps))
        return losses.mean()

    def every(common: tuple[AbstractProblem, PyTree], keys: Key[Array, " run"]) -> Float[Array, " run"]:
        return jax.vmap(lambda key: one(*common, key))(keys)

    return shared(every, (problem, theta), jr.split(key, runs)).mean()
