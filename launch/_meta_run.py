import dataclasses
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import jax.random as jr

from ..rules import AbstractRule
from ..tasks import BadInput
from ._configuration import describe, Run, Training
from ._encoders import Contest, encoders_of, LEARNED
from ._few_shot import load_all, Protocol
from ._meta_training import MetaTraining
from ._network import network
from ._problems import problems_of
from ._rule_file import describe as describe_rule, save_rule
from ._rules import configuration_of
from ._run_folder import RunFolder
from ._table import Row, write_rows


@final
@dataclasses.dataclass(frozen=True)
class MetaRun:
    """A run of meta-training: its folder, the step it got to, seconds spent in all, and its table if it is done."""

    folder: RunFolder
    step: int
    seconds: float
    rows: list[Row] | None


def meta_run(preset: str, training: Training, run: Run) -> MetaRun:
    """Meta-trains a rule and scores it, or goes on with that.

    It stops early on SIGTERM, without a table. Raises `BadInput` before anything is computed or written.
    """
    problems, validation = problems_of(training, run.data_dir)
    held_out = load_all(training.held_out, run.data_dir, training.labels)  # Here, and not after hours of meta-training.
    key = jr.key(training.seed)
    untrained = training.rule.build(jr.fold_in(key, 0))
    meta_training = MetaTraining(training, problems, validation, key)
    start = meta_training.init(untrained, key)
    untrained = start.meta.theta  # The same numbers in the form that the trained rule has: nothing is compiled twice.
    folder = _folder(preset, training, run)

    def keep(path: Path, rule: AbstractRule, step: int, seconds: float) -> None:
        save_rule(path, rule, configuration_of(training.rule), _record(preset, training, step, seconds))

    def snapshot(step: int, rule: AbstractRule, seconds: float) -> None:
        keep(folder.snapshot(step), rule, step, seconds)

    state, seconds, done = meta_training.run(start, folder, run.resume, snapshot)
    seconds = round(seconds, 1)
    if not done:
        return MetaRun(folder, int(state.meta.step), seconds, None)
    keep(folder.rule, state.best, training.steps, seconds)
    protocol = protocol_of(training)
    encoders = encoders_of(LEARNED, Contest(protocol, state.best, untrained, (training.evaluation_steps,)))
    rows = protocol.rows(encoders, held_out)
    write_rows(folder.results, rows)
    return MetaRun(folder, training.steps, seconds, rows)


def cell_run(preset: str, training: Training, run: Run) -> MetaRun:
    """A run that is one cell of a grid: made if it is not there, gone on with if it was cut off, else read.

    Raises `BadInput` as `meta_run` does, or if the folder holds another run.
    """
    assert run.run is not None
    folder = RunFolder(run.run)
    if not folder.results.exists():
        return meta_run(preset, training, dataclasses.replace(run, resume=folder.configuration.exists()))
    folder = RunFolder.open(run.run, _configuration(preset, training))
    try:
        _, record = describe_rule(folder.rule)
        return MetaRun(folder, training.steps, record["seconds"], json.loads(folder.results.read_text()))
    except ValueError as error:
        raise BadInput(f"{folder.results} can't be read: delete it, and it is made again.") from error


def protocol_of(training: Training) -> Protocol:
    """How the final table of a training is made."""
    return Protocol(
        network(training.networks[0], training.activation, training.weight_scale),
        labels=training.labels,
        seeds=training.seeds,
        batch_size=training.batch_sizes[0],
    )


def _configuration(preset: str, training: Training) -> dict[str, Any]:
    return {"preset": preset, **describe(training)}


def _record(preset: str, training: Training, step: int, seconds: float) -> dict[str, Any]:
    """Where a rule comes from, and the base model that it is evaluated with unless a person says otherwise."""
    return {
        "preset": preset,
        "seed": training.seed,
        "steps": step,
        "seconds": round(seconds, 1),
        "estimator": describe(training.estimator),
        "sources": list(training.sources),
        "side": training.side,
        "network": training.networks[0],
        "activation": training.activation,
        "weight_scale": training.weight_scale,
        "batch_size": training.batch_sizes[0],
        "evaluation_steps": training.evaluation_steps,
        "metarule": version("metarule"),
    }


def _folder(preset: str, training: Training, run: Run) -> RunFolder:
    configuration = _configuration(preset, training)
    if run.resume:
        path = run.run or _latest(preset, training)
        return RunFolder.open(path, configuration, may_change=("steps",))
    return RunFolder.create(run.run or _unused(preset, training), configuration)


def _names(preset: str, training: Training) -> list[Path]:
    base = f"{preset}-seed{training.seed}"
    return [Path("runs") / (base if count == 1 else f"{base}-{count}") for count in range(1, 1000)]


def _unused(preset: str, training: Training) -> Path:
    return next(path for path in _names(preset, training) if not path.exists())


def _latest(preset: str, training: Training) -> Path:
    there = [path for path in _names(preset, training) if path.exists()]
    if not there:
        raise BadInput(f"There is no run of {preset} with seed {training.seed} to resume: say which with --run DIR.")
    return there[-1]
