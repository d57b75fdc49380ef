import dataclasses
from typing import Annotated, final

import tyro

from ..caches._compilations import cache_compilations
from ..evaluation._rows import print_table
from ..hosts._devices import Devices
from ..hosts._distributed import DistributedOptions
from ..hosts._processes import Processes
from ..hosts._watchdog import Watchdog
from ..options._command_line import parse_training
from ..options._recipes import configuration_of
from ..options._training import RunOptions
from ._meta_run import meta_run


@final
@dataclasses.dataclass(frozen=True)
class _Options:
    run: Annotated[RunOptions, tyro.conf.arg(name="")] = RunOptions()
    distribution: Annotated[DistributedOptions, tyro.conf.arg(name="")] = DistributedOptions()


def train(
    arguments: list[str], distribution: DistributedOptions, processes: Processes, watchdog: Watchdog | None
) -> int:
    """Meta-trains as the command line says, with the processes that were met; process 0 speaks."""
    training, options = parse_training(arguments, _Options())
    run = options.run
    cache_compilations()
    finished = meta_run(training, run, Devices(processes, watchdog, distribution))
    if not processes.first:
        return 0
    path = finished.folder.path
    if finished.rows is None:
        print(f"Stopped at step {finished.step} and saved: go on with --run {path} --resume.")
        return 0
    rows, title = finished.rows, f"Accuracy with {training.labels} labels per class"
    run.table.write_and(lambda: print_table(rows, title), rows)
    rule, seconds = finished.folder.rule, round(finished.seconds)
    name = configuration_of(training.rule)["architecture"]
    own = f" --rule-class {name}" if ":" in name else ""  # A rule file never has the user's code imported.
    print(f"The rule is {rule}, meta-trained in {seconds} s; try `metarule evaluate {path}{own}`.")
    return 0
