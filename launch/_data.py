from pathlib import Path
from typing import Annotated, Literal

import rich.console
import rich.table
import tyro

from ..tasks import known


def main(arguments: list[str]) -> int:
    """Runs `metarule data`."""
    return tyro.cli(data, args=arguments, prog="metarule data")


def data(action: Annotated[Literal["list"], tyro.conf.Positional] = "list", /, data_dir: Path | None = None) -> int:
    """Says which data sets are at hand and where the files of the others belong.

    Args:
        action: what to do.
        data_dir: the folder with data sets; METARULE_DATA if not given.
    """
    rich.console.Console().print(data_table(data_dir))
    return 0


def data_table(data_dir: Path | None) -> rich.table.Table:
    """The data sets that `load` knows by name, and whether they are at hand."""
    table = rich.table.Table(title="data sets", title_justify="left", caption="and any PATH.npz with x and y")
    for name in ("name", "at hand", "files"):
        table.add_column(name, overflow="fold")
    for line in known(data_dir=data_dir):
        folders = sorted({str(path.parent) for path in line.where})
        missing = [str(path) for path in line.where if not path.is_file()]
        table.add_row(line.name, "yes" if line.present else "no", "\n".join(missing or folders or ["built in"]))
    return table
