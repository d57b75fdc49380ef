import os
from pathlib import Path
from typing import Annotated, Literal

import rich.console
import rich.table
import tyro

from ...errors import BadInput
from ...tasks import known, prepare


def main(arguments: list[str]) -> int:
    """Runs `metarule data` and returns its exit code."""
    return tyro.cli(data, args=arguments, prog="metarule data")


def data(
    action: Annotated[Literal["list", "prepare"], tyro.conf.Positional] = "list",
    name: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    data_dir: Path | None = None,
) -> int:
    """Lists the available data sets and where the files of the others belong, or prepares a data set.

    Args:
        action: `list`, or `prepare` to download a data set of tensorflow-datasets. Only `prepare` needs TensorFlow.
        name: the data set to prepare, a name of tensorflow-datasets such as mnist.
        data_dir: the folder with data sets; by default the environment variable METARULE_DATA.
    """
    if action == "list":
        rich.console.Console().print(data_table(data_dir))
        return 0
    folder = data_dir or os.environ.get("METARULE_DATA")
    if name is None or not folder:
        raise BadInput("Name the data set and the folder: metarule data prepare NAME --data-dir DIR.")
    prepare(name, Path(folder))
    print(f"Prepared {name} in {folder}: use it as tfds:{name}.")
    return 0


def data_table(data_dir: Path | None) -> rich.table.Table:
    """Returns a table of the data sets that `load` knows by name, whether each is available, and its files."""
    table = rich.table.Table(title="data sets", title_justify="left", caption="and any PATH.npz with x and y")
    for name in ("name", "available", "files"):
        table.add_column(name, overflow="fold")
    for line in known(data_dir=data_dir):
        folders = sorted({str(path.parent) for path in line.where})
        missing = [str(path) for path in line.where if not path.is_file()]
        table.add_row(line.name, "yes" if line.present else "no", "\n".join(missing or folders or ["built in"]))
    return table
