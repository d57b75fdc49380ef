import time
from pathlib import Path
from typing import Annotated

import rich.console
import rich.live
import tyro

from ...errors import BadInput
from ..figures._terminal import run_summary
from ..records._run_folder import RunFolder


def main(arguments: list[str]) -> int:
    """Runs `metarule watch`."""
    configured = tyro.conf.configure(tyro.conf.FlagCreatePairsOff)(watch)
    return tyro.cli(configured, args=arguments, prog="metarule watch")


_Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


def watch(run: _Folder, /, once: bool = False, every: float = 2.0) -> int:
    """Shows how a run goes, from its files alone: while it goes, from any machine that sees them, and afterwards.

    Args:
        run: the folder of a run.
        once: show how it stands, and end.
        every: seconds between two looks. Ctrl-C ends.
    """
    folder = RunFolder.open(run)
    if not every > 0:
        raise BadInput(f"--every is a number of seconds above 0; got {every:g}.")
    console = rich.console.Console()
    if once:
        console.print(run_summary(folder))
        return 0
    with rich.live.Live(run_summary(folder), console=console, auto_refresh=False) as live:
        while not folder.results.exists():
            time.sleep(every)
            live.update(run_summary(folder), refresh=True)
    return 0
