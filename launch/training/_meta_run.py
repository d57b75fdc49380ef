import dataclasses
from pathlib import Path
from typing import Any, final

import jax.random as jr
from jaxtyping import PRNGKeyArray

from ...errors import BadInput
from ...rules import AbstractRule
from ..evaluation._contestants import Comparators, encoders_of, LEARNED
from ..evaluation._data import load_all
from ..evaluation._protocol import Protocol
from ..evaluation._rows import Row
from ..hosts._devices import Devices, to_local
from ..hosts._processes import Processes
from ..options._networks import network
from ..options._problems import problems_of
from ..options._recipes import build, configuration_of
from ..options._training import Run, Training
from ..records._description import describe
from ..records._metrics import weights_and_biases
from ..records._rule_file import load_rule_like, locate_rule
from ..records._run_folder import RunFolder
from ..records._tables import write_rows
from ._agreement import of_data, of_program
from ._meta_training import MetaTraining
from ._snapshot import keep_rule


@final
@dataclasses.dataclass(frozen=True)
class MetaRun:
    """A run of meta-training: its folder, the step it got to, seconds spent in all, and its table if it is done."""

    folder: RunFolder
    step: int
    seconds: float
    rows: list[Row] | None


def meta_run(preset: str, training: Training, run: Run, devices: Devices = Devices()) -> MetaRun:
    """Meta-trains a rule and scores it, or goes on with that; all processes of the crew do this together.

    It stops early on SIGTERM, without a table. Raises `BadInput` before anything is computed or written.
    """
    processes = devices.processes
    if run.wandb is not None:
        weights_and_biases()
    processes.agree(of_program({**_configuration(preset, training), "resume": run.resume}, processes.count))
    key = jr.key(training.seed)
    load = lambda: (  # All of it here, and not after hours of meta-training.
        first_rule(training, jr.fold_in(key, 0)),
        problems_of(training, run.data_dir),
        load_all(training.held_out, run.data_dir, training.labels),
    )
    first, (problems, validation), held_out = processes.together(load)
    if processes.count > 1:
        data = first, problems, validation, [(each.train_x, each.train_y) for each in held_out]
        processes.agree(of_data(data))
    with devices.sharing(training.estimator) as shared:
        meta_training = MetaTraining(training, problems, validation, key)
        start = meta_training.init(first, key)
        folder = _common_folder(preset, training, run, processes)
        if shared and processes.first:
            print(shared, flush=True)
        state, seconds, done = meta_training.run(start, folder, run, devices)
    best = to_local(state.best)
    seconds = round(seconds, 1)
    if not done:
        return MetaRun(folder, int(state.meta.step), seconds, None)

    def conclude() -> list[Row]:
        made = {"preset": preset, "steps": training.steps, "seconds": seconds}
        keep_rule(folder.rule, best, training, made)
        protocol = protocol_of(training)
        untrained = build(configuration_of(training.rule), jr.fold_in(key, 0))
        encoders = encoders_of(LEARNED, Comparators(protocol, best, untrained, (training.evaluation_steps,)))
        rows = protocol.rows(encoders, held_out)
        write_rows(folder.results, rows)
        return rows

    return MetaRun(folder, training.steps, seconds, processes.once(conclude))


def first_rule(training: Training, key: PRNGKeyArray) -> AbstractRule:
    """The rule to begin with. Raises `BadInput` for one of another architecture."""
    fresh = training.rule.build(key)
    return fresh if training.start is None else load_rule_like(locate_rule(training.start), fresh)


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


def _folder(preset: str, training: Training, run: Run) -> RunFolder:
    configuration = _configuration(preset, training)
    if run.resume:
        path = run.run or _latest(preset, training)
        return RunFolder.open(path, configuration, may_change=("steps",))
    return RunFolder.create(run.run or _unused(preset, training), configuration)


def _common_folder(preset: str, training: Training, run: Run, processes: Processes) -> RunFolder:
    """The run's folder, which process 0 makes and all must see."""
    if processes.count == 1:
        return _folder(preset, training, run)
    folder = RunFolder(Path(processes.once(lambda: str(_folder(preset, training, run).path.absolute()))))

    def see() -> None:
        if not folder.configuration.is_file():
            raise BadInput(f"{folder.path} is not to be seen here: --run must be on storage that all hosts share.")

    processes.together(see)
    return folder


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
