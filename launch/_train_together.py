import dataclasses
from typing import Annotated, final

import tyro

from ._configuration import parse_training, Run
from ._crew import Crew
from ._machines import Machines
from ._meta_run import meta_run
from ._presets import PRESETS, with_estimator
from ._processes import Processes
from ._start import cache_compilations
from ._table import print_table
from ._watchdog import Watchdog


@final
@dataclasses.dataclass(frozen=True)
class _Options:
    run: Annotated[Run, tyro.conf.arg(name="")] = Run()
    machines: Annotated[Machines, tyro.conf.arg(name="")] = Machines()


def train(arguments: list[str], machines: Machines, processes: Processes, watchdog: Watchdog | None) -> int:
    """Meta-trains as the command line says, with the processes that were met; process 0 speaks."""
    preset, training, options = parse_training(arguments, PRESETS, with_estimator, _Options())
    run = options.run
    cache_compilations()
    finished = meta_run(preset, training, run, Crew(processes, watchdog, machines))
    if not processes.first:
        return 0
    path = finished.folder.path
    if finished.rows is None:
        print(f"Stopped at step {finished.step} and saved: go on with --run {path} --resume.")
        return 0
    print_table(finished.rows, f"Accuracy with {training.labels} labels per class", json_file=run.json)
    rule, seconds = finished.folder.rule, round(finished.seconds)
    print(f"The rule is {rule}, meta-trained in {seconds} s; try `metarule evaluate {path}`.")
    return 0
