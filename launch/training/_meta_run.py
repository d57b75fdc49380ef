import dataclasses
from pathlib import Path
from typing import final

from ...errors import BadInput
from ...rules import AbstractRule
from ..evaluation._contestants import Comparators, encoders_of, LEARNED, OPPONENTS
from ..evaluation._rows import Row
from ..hosts._devices import Devices, to_local
from ..hosts._processes import Processes
from ..options._ingredients import terms_of
from ..options._training import RunOptions, Training
from ..records._description import describe
from ..records._metrics import weights_and_biases
from ..records._run_folder import RunFolder
from ..records._tables import write_rows
from ._agreement import of_data, of_program
from ._experiment import Experiment
from ._meta_training import MetaTraining
from ._snapshot import write_rule


@final
@dataclasses.dataclass(frozen=True)
class MetaRun:
    """A run of meta-training: its folder, the step it got to, seconds spent in all, and its table if it is done."""

    folder: RunFolder
    step: int
    seconds: float
    rows: list[Row] | None


def meta_run(training: Training, run: RunOptions, devices: Devices = Devices()) -> MetaRun:
    """Meta-trains a rule and scores it, or goes on with that; all processes of the devices do this together.

    It stops early on SIGTERM, without a table. Raises `BadInput` before anything is computed or written.
    """
    processes = devices.processes
    if run.wandb is not None:
        weights_and_biases()
    processes.agree(of_program({**describe(training), "resume": run.resume}, processes.count))
    experiment = processes.together(lambda: Experiment.of(training, run.data_dir))
    if processes.count > 1:
        tables = [(each.train_x, each.train_y) for each in experiment.held_out]
        processes.agree(of_data((experiment.rule, experiment.learner.problems, experiment.validation, tables)))
    with devices.sharing(training.estimator) as shared:
        meta_training = MetaTraining(experiment)
        start = meta_training.init()
        folder = _common_folder(training, run, processes)
        if processes.first:
            for sentence in (_terms(experiment.rule), shared):
                if sentence:
                    print(sentence, flush=True)
        state, seconds, done = meta_training.run(start, folder, run, devices)
    best = to_local(state.best)
    seconds = round(seconds, 1)
    if not done:
        return MetaRun(folder, int(state.meta.step), seconds, None)

    def conclude() -> list[Row]:
        write_rule(folder.rule, best, experiment.provenance, (training.steps, seconds))
        comparators = Comparators(experiment.protocol, best, experiment.untrained, (experiment.evaluation_steps,))
        rows = experiment.protocol.rows(encoders_of((*LEARNED, *OPPONENTS), comparators), experiment.held_out)
        write_rows(folder.results, rows)
        return rows

    return MetaRun(folder, training.steps, seconds, processes.once(conclude))


def _terms(rule: AbstractRule) -> str:
    """What the rule is made of, so that an ablation of something else than was meant is seen; empty without terms."""
    terms = terms_of(rule)
    return f"The rule has {len(terms)} terms: {', '.join(terms)}." if terms else ""


def _folder(training: Training, run: RunOptions) -> RunFolder:
    configuration = describe(training)
    if run.resume:
        path = run.run or _latest(training)
        return RunFolder.open(path, configuration, may_change=("steps",))
    return RunFolder.create(run.run or _unused(training), configuration)


def _common_folder(training: Training, run: RunOptions, processes: Processes) -> RunFolder:
    """The run's folder, which process 0 makes and all must see."""
    if processes.count == 1:
        return _folder(training, run)
    folder = RunFolder(Path(processes.once(lambda: str(_folder(training, run).path.absolute()))))

    def see() -> None:
        if not folder.configuration.is_file():
            raise BadInput(f"{folder.path} is not to be seen here: --run must be on storage that all hosts share.")

    processes.together(see)
    return folder


def _names(training: Training) -> list[Path]:
    base = f"{training.preset}-seed{training.seed}"
    return [Path("runs") / (base if count == 1 else f"{base}-{count}") for count in range(1, 1000)]


def _unused(training: Training) -> Path:
    return next(path for path in _names(training) if not path.exists())


def _latest(training: Training) -> Path:
    existing = [path for path in _names(training) if path.exists()]
    if not existing:
        raise BadInput(
            f"There is no run of {training.preset} with seed {training.seed} to resume: say which with --run DIR."
        )
    return existing[-1]
