import dataclasses
from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from ...meta import MetaLearner, MetaState, replicate_to_mesh, rollout_loss
from ...rules import AbstractRule
from ..caches._code import code_digest
from ..caches._meta_steps import CompiledStepCache
from ..hosts._devices import Devices, to_local
from ..hosts._stop import terminated as _terminated
from ..options._training import RunOptions
from ..records._checkpoints import Checkpoints
from ..records._run_folder import RunFolder
from ._clock import Clock
from ._divergence import DivergenceGuard
from ._experiment import Experiment
from ._logging import Reports
from ._snapshot import write_rule
from ._unrest import unrest


_COMPILING = 3600.0  # seconds that the compiler may take
_VALIDATION_UNROLLS = 16


@final
class Progressed(eqx.Module):
    """The content of a checkpoint: the outer loop's state, and the average rule with the lowest validation loss."""

    meta: MetaState
    best: AbstractRule
    best_loss: Float[Array, ""]


@final
class MetaTraining:
    """One run of meta-training: steps, metrics, validations and checkpoints until the last step or a signal to stop."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        self.learner = replicate_to_mesh(experiment.learner)
        self.validation = replicate_to_mesh(experiment.validation)
        key = experiment.key
        self.key, self.validation_key = replicate_to_mesh((jr.fold_in(key, 2), jr.fold_in(key, 3)))
        self._step = CompiledStepCache({"code": code_digest(), "training": experiment.provenance.step})

    def init(self) -> Progressed:
        """The state before the first step. Raises `BadInput` if the estimator does not suit the problems."""
        rule, key = replicate_to_mesh((self.experiment.rule, jr.fold_in(self.experiment.key, 1)))
        known = self._step.know(self.learner, rule)
        if not known:  # Steps that an earlier run has traced are known to suit.
            self.learner.check(rule, key)
        meta = eqx.filter_jit(self.learner.init)(rule, key)
        return Progressed(meta, meta.theta, replicate_to_mesh(jnp.array(jnp.inf, float)))

    def run(
        self, start: Progressed, folder: RunFolder, run: RunOptions, devices: Devices
    ) -> tuple[Progressed, float, bool]:
        """Meta-trains from the start, or from the last checkpoint on a resume, to the last step.

        Returns the state, the seconds spent in all, and whether the last step was reached: SIGTERM ends the run early,
        with a checkpoint. After several meta-gradients in a row that are not finite, the run goes back to the last
        checkpoint and takes smaller steps; no checkpoint is written within such a row, so that there is a good one to
        go back to. Process 0 writes a snapshot of the average rule at the start and at every validation.
        """
        (total, validate_every, every), processes = self.experiment.schedule, devices.processes
        with (
            Checkpoints(folder.checkpoints, processes=processes) as checkpoints,
            _terminated(processes) as stop,
            Reports(folder, processes, total, run.wandb) as reports,
        ):
            step, state, clock, guard, notes = self._latest(checkpoints, start, run.resume)
            if step < total:
                checkpoints.check_space(state)
            reports.begin(step)
            for note in notes:
                reports.say(note)
            learner, warm = self._at(guard.step_scale), False
            if step == 0 and devices.processes.first:
                self._write_snapshot(state, folder, 0.0)
            stopping = validated = warned = False
            while step < total and not stopping:
                with devices.awaited("A meta-step", 0.0 if warm else _COMPILING), clock.compiling(not warm):
                    meta, measured = learner.step(state.meta, self.key, self._step)
                    values = {name: float(value) for name, value in measured.items()}
                state, warm = Progressed(meta, state.best, state.best_loss), True
                step += 1
                if not warned and (sentence := unrest(values)):
                    reports.say(sentence)
                    warned = True
                if guard.see(values):
                    checkpoints.wait()
                    step, state, _, _, notes = self._latest(checkpoints, start, True)
                    learner, warm = self._at(guard.step_scale), False
                    reports.begin(step)
                    for note in (*notes, guard.sentence(step)):
                        reports.say(note)
                    continue
                if (step % validate_every == 0 or step == total) and not guard.row:
                    with devices.awaited("A validation", _COMPILING), clock.compiling(not validated):
                        state = self._validated(state)
                        if devices.processes.first:
                            self._write_snapshot(state, folder, clock.seconds)
                        validated = True
                        values["best_validation_loss"] = float(state.best_loss)
                reports.write(step, {**values, "seconds": clock.seconds, "own_seconds": clock.own_seconds})
                stopping = stop.is_set()  # Once a step, before its checkpoint: there is no stop without one.
                if (step % every == 0 or step == total or stopping) and not guard.row:
                    extra = {**clock.kept(), "setbacks": guard.taken}
                    with devices.awaited("A checkpoint"):
                        checkpoints.save(step, state, extra)
            with devices.awaited("The last checkpoint"):
                checkpoints.wait()
        return state, clock.seconds, step >= total

    def _at(self, step_scale: float) -> MetaLearner:
        """The learner with its steps scaled. Unscaled it is the same object, and so the same compiled program."""
        if step_scale == 1:
            return self.learner
        return dataclasses.replace(self.learner, step_scale=replicate_to_mesh(jnp.asarray(step_scale)))

    def _latest(
        self, checkpoints: Checkpoints, start: Progressed, resume: bool
    ) -> tuple[int, Progressed, Clock, DivergenceGuard, tuple[str, ...]]:
        """The step, state, clock and divergence guard to go on from, and sentences to tell the user."""
        if resume and checkpoints.steps:
            restored = checkpoints.restore(start)
            extra = restored.extra
            return (
                restored.step,
                restored.state,
                Clock(extra["seconds"], extra.get("compiling", 0.0)),
                DivergenceGuard(extra.get("setbacks", 0)),
                restored.notes,
            )
        notes = ("There is no checkpoint yet: beginning at step 0.",) if resume else ()
        return 0, start, Clock(), DivergenceGuard(), notes

    def _write_snapshot(self, state: Progressed, folder: RunFolder, seconds: float) -> None:
        step = int(state.meta.step)
        write_rule(folder.snapshot(step), to_local(state.meta.average), self.experiment.provenance, (step, seconds))

    def _validated(self, state: Progressed) -> Progressed:
        """The state with the average rule as the best one, if its validation loss is below that of the best so far."""
        rule, key, steps = state.meta.average, self.validation_key, self.experiment.validation_steps
        losses = [rollout_loss(problem, rule, key, _VALIDATION_UNROLLS, steps) for problem in self.validation]
        loss = jnp.mean(jnp.stack(losses))
        if not loss < state.best_loss:
            return state
        return Progressed(state.meta, state.meta.average, loss)
