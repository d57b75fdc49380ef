import time
from pathlib import Path
from typing import Annotated

import rich.console
import rich.live
import tyro

from ....errors import BadInput
from ...figures._terminal import RunSummary
from ...options._parse import parse
from ...records._run_folder import RunFolder


def main(arguments: list[str]) -> int:
    """Runs `metarule watch` and returns its exit code."""
    return parse(watch, arguments, "watch")


_Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


def watch(run: _Folder, /, once: bool = False, every: float = 2.0) -> int:
    """Shows the progress of a run until it is done; Ctrl-C ends.

    It reads the run's files only, so it works on any machine that sees the folder, and after the run has ended.

    Args:
        run: the folder of a run.
        once: show the progress once and end.
        every: seconds between two updates.
    """
    folder = RunFolder.open(run)
    if not every > 0:
        raise BadInput(f"--every must be above 0 seconds; got {every:g}.")
    console = rich.console.Console()
    if once:
        console.print(RunSummary(folder))
        return 0
    with rich.live.Live(RunSummary(folder), console=console, auto_refresh=False) as live:
        while not folder.results.exists():
            time.sleep(every)
            live.update(RunSummary(folder), refresh=True)
    if not console.is_terminal:
        console.print()  # Elsewhere the last line has no end yet.
    return 0
