import functools
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from ..meta import InnerLoop, MetaLearner, MetaState, rollout_loss
from ..rules import AbstractRule
from ._checkpoints import Checkpoints
from ._configuration import Training
from ._metrics import Metrics
from ._progress import Progress
from ._run_folder import RunFolder


_VALIDATION_RUNS = 16
Keep = Callable[[int, AbstractRule, float], None]
"""What is done with a rule at a step, so many seconds after the start."""


@final
class Progressed(eqx.Module):
    """What a checkpoint of `metarule train` holds: the outer loop's state, and the best rule so far."""

    meta: MetaState
    best: AbstractRule
    best_loss: Float[Array, ""]


def optimiser_of(training: Training) -> optax.GradientTransformation:
    """Adam under a warm-up and a cosine decay to a tenth, on gradients of a norm of at most one; or plain steps."""
    return _optimiser(training.optimiser, training.learning_rate, training.steps)


@functools.cache  # One object for the same numbers: another one would have a meta-step compiled again.
def _optimiser(kind: str, learning_rate: float, steps: int) -> optax.GradientTransformation:
    if kind == "sgd":
        return optax.sgd(learning_rate)
    warm_up = min(20, steps // 10)
    schedule = optax.warmup_cosine_decay_schedule(
        0.1 * learning_rate, learning_rate, warm_up, max(steps, warm_up + 1), 0.1 * learning_rate
    )
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))


@final
class MetaTraining:
    """The run itself: steps, logs, validations, checkpoints, until it is done or told to stop."""

    def __init__(self, training: Training, problems: tuple[InnerLoop, ...], validation: InnerLoop, key: PRNGKeyArray):
        self.training = training
        self.learner = MetaLearner(problems, training.estimator, optimiser_of(training), training.averaging)
        self.validation = validation
        self.key = jr.fold_in(key, 2)
        self.validation_key = jr.fold_in(key, 3)

    def init(self, untrained: AbstractRule, key: PRNGKeyArray) -> Progressed:
        """The state before the first step. Raises `BadInput` if the estimator does not suit the problems."""
        meta = eqx.filter_jit(self.learner.init)(untrained, jr.fold_in(key, 1))
        return Progressed(meta, meta.theta, jnp.array(jnp.inf, float))

    def run(self, state: Progressed, folder: RunFolder, resume: bool, keep: Keep) -> tuple[Progressed, float, bool]:
        """Goes on to the last step: the state there, the seconds spent in all, and whether it got there.

        It stops early, with a checkpoint, on SIGTERM. `keep` is given the average rule at the start and whenever it is
        validated.
        """
        total, step, spent = self.training.steps, 0, 0.0
        with Checkpoints(folder.checkpoints) as checkpoints, _terminated() as stop:
            notes = ("There is no checkpoint yet: beginning at step 0.",) if resume else ()
            if resume and checkpoints.steps:
                restored = checkpoints.restore(state)
                step, state, spent, notes = restored.step, restored.state, restored.extra["seconds"], restored.notes
            with Metrics(folder, step) as metrics, Progress(total, step) as progress:
                for note in notes:
                    progress.say(note)
                begun = time.monotonic() - spent
                if step == 0:
                    keep(0, state.meta.average, 0.0)
                stopping = False
                while step < total and not stopping:
                    meta, measured = self.learner.step(state.meta, self.key)
                    state = Progressed(meta, state.best, state.best_loss)
                    step += 1
                    values = {name: float(value) for name, value in measured.items()}
                    if step % self.training.validate_every == 0 or step == total:
                        state = self._validated(state)
                        keep(step, state.meta.average, time.monotonic() - begun)
                        values["best_validation_loss"] = float(state.best_loss)
                    metrics.write(step, {**values, "seconds": time.monotonic() - begun})
                    progress.update(step, values["meta_loss"])
                    stopping = stop.is_set()  # Asked once a step: there is no stop without a checkpoint.
                    if step % self.training.checkpoint_every == 0 or step == total or stopping:
                        checkpoints.save(step, state, {"seconds": time.monotonic() - begun})
                checkpoints.wait()
        return state, time.monotonic() - begun, step >= total

    def _validated(self, state: Progressed) -> Progressed:
        steps = min(self.validation.horizon.maximum, math.ceil(self.training.evaluation_steps / self.training.updates))
        loss = rollout_loss(self.validation, state.meta.average, self.validation_key, _VALIDATION_RUNS, steps)
        if not loss < state.best_loss:
            return state
        return Progressed(state.meta, state.meta.average, loss)


@contextmanager
def _terminated() -> Iterator[threading.Event]:
    """An event that SIGTERM sets: a preempted run saves what it has."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.signal(signal.SIGTERM, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)
