import dataclasses
import functools
import math
import time
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from ...meta import InnerLoop, MetaLearner, MetaState, replicate_to_mesh, rollout_loss
from ...rules import AbstractRule
from ..caches._code import code_digest
from ..caches._meta_steps import CompiledStepCache
from ..hosts._devices import Devices, to_local
from ..hosts._stop import terminated as _terminated
from ..options._training import Run, Training
from ..records._checkpoints import Checkpoints
from ..records._description import describe
from ..records._run_folder import RunFolder
from ._divergence import DivergenceGuard
from ._logging import Reports
from ._snapshot import keep_rule


_COMPILING = 3600.0  # seconds that the compiler may take
_VALIDATION_RUNS = 16


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

    def __init__(
        self,
        training: Training,
        problems: tuple[InnerLoop, ...],
        validation: tuple[InnerLoop, ...],
        key: PRNGKeyArray,
    ):
        self.training = training
        learner = MetaLearner(problems, training.estimator, optimiser_of(training), training.averaging)
        self.learner = replicate_to_mesh(learner)
        self.validation = replicate_to_mesh(validation)
        self.key, self.validation_key = replicate_to_mesh((jr.fold_in(key, 2), jr.fold_in(key, 3)))
        self._step = CompiledStepCache({"code": code_digest(), "training": describe(_of_a_step(training))})

    def init(self, untrained: AbstractRule, key: PRNGKeyArray) -> Progressed:
        """The state before the first step. Raises `BadInput` if the estimator does not suit the problems."""
        untrained, key = replicate_to_mesh((untrained, jr.fold_in(key, 1)))
        known = self._step.know(self.learner, untrained)
        meta = eqx.filter_jit(self.learner.init)(untrained, key, rehearsed=known)
        return Progressed(meta, meta.theta, replicate_to_mesh(jnp.array(jnp.inf, float)))

    def run(self, start: Progressed, folder: RunFolder, run: Run, devices: Devices) -> tuple[Progressed, float, bool]:
        """Goes on to the last step: the state there, the seconds spent in all, and whether it got there.

        It stops early, with a checkpoint, on SIGTERM. After several meta-gradients in a row that are not finite it goes
        back to the last checkpoint, with smaller steps; there is none of a step amid them. Process 0 keeps a snapshot
        of the average rule at the start and at every validation.
        """
        every, total, processes = self.training.checkpoint_every, self.training.steps, devices.processes
        with (
            Checkpoints(folder.checkpoints, processes=processes) as checkpoints,
            _terminated(processes) as stop,
            Reports(folder, processes, total, run.wandb) as reports,
        ):
            step, state, spent, guard, notes = self._latest(checkpoints, start, run.resume)
            reports.begin(step)
            for note in notes:
                reports.say(note)
            begun, learner, warm = time.monotonic() - spent, self._at(guard.step_scale), False
            if step == 0 and devices.processes.first:
                self._keep(state, folder, 0.0)
            stopping = False
            while step < total and not stopping:
                with devices.awaited("A meta-step", 0.0 if warm else _COMPILING):
                    meta, measured = learner.step(state.meta, self.key, self._step)
                    values = {name: float(value) for name, value in measured.items()}
                state, warm = Progressed(meta, state.best, state.best_loss), True
                step += 1
                if guard.see(values):
                    checkpoints.wait()
                    step, state, _, _, notes = self._latest(checkpoints, start, True)
                    learner = self._at(guard.step_scale)
                    reports.begin(step)
                    for note in (*notes, guard.sentence(step)):
                        reports.say(note)
                    continue
                if (step % self.training.validate_every == 0 or step == total) and not guard.row:
                    with devices.awaited("A validation", _COMPILING):
                        state = self._validated(state)
                        if devices.processes.first:
                            self._keep(state, folder, time.monotonic() - begun)
                        values["best_validation_loss"] = float(state.best_loss)
                reports.write(step, {**values, "seconds": time.monotonic() - begun})
                stopping = stop.is_set()  # Asked once a step: there is no stop without a checkpoint.
                if (step % every == 0 or step == total or stopping) and not guard.row:
                    extra = {"seconds": time.monotonic() - begun, "setbacks": guard.taken}
                    with devices.awaited("A checkpoint"):
                        checkpoints.save(step, state, extra)
            with devices.awaited("The last checkpoint"):
                checkpoints.wait()
        return state, time.monotonic() - begun, step >= total

    def _at(self, step_scale: float) -> MetaLearner:
        """The learner at this pace. At the full one it is the program that it has always been."""
        if step_scale == 1:
            return self.learner
        return dataclasses.replace(self.learner, step_scale=replicate_to_mesh(jnp.asarray(step_scale)))

    def _latest(
        self, checkpoints: Checkpoints, start: Progressed, resume: bool
    ) -> tuple[int, Progressed, float, DivergenceGuard, tuple[str, ...]]:
        """Where to go on from."""
        if resume and checkpoints.steps:
            restored = checkpoints.restore(start)
            extra = restored.extra
            return (
                restored.step,
                restored.state,
                extra["seconds"],
                DivergenceGuard(extra.get("setbacks", 0)),
                restored.notes,
            )
        notes = ("There is no checkpoint yet: beginning at step 0.",) if resume else ()
        return 0, start, 0.0, DivergenceGuard(), notes

    def _keep(self, state: Progressed, folder: RunFolder, seconds: float) -> None:
        step = int(state.meta.step)
        made = {"preset": folder.read_configuration()["preset"], "steps": step, "seconds": round(seconds, 1)}
        keep_rule(folder.snapshot(step), to_local(state.meta.average), self.training, made)

    def _validated(self, state: Progressed) -> Progressed:
        steps = min(self.training.horizon.maximum, math.ceil(self.training.evaluation_steps / self.training.updates))
        rule, key = state.meta.average, self.validation_key
        losses = [rollout_loss(problem, rule, key, _VALIDATION_RUNS, steps) for problem in self.validation]
        loss = jnp.mean(jnp.stack(losses))
        if not loss < state.best_loss:
            return state
        return Progressed(state.meta, state.meta.average, loss)


def _of_a_step(training: Training) -> Training:
    """The training without what says nothing of its meta-steps: all that comes of a seed is in arrays, and a table and
    the times of validations and checkpoints lie outside."""
    return dataclasses.replace(
        training, seed=0, validate_every=1, checkpoint_every=1, held_out=(), evaluation_steps=1, labels=1, seeds=1
    )
