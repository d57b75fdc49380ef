import os
from pathlib import Path
from typing import Annotated, Literal

import rich.console
import tyro

from ....errors import BadInput
from ....tasks import known, prepare
from ...options._parse import parse


def main(arguments: list[str]) -> int:
    """Runs `metarule data` and returns its exit code."""
    return parse(data, arguments, "data")


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
        list_data(rich.console.Console(), data_dir)
        return 0
    folder = data_dir or os.environ.get("METARULE_DATA")
    if name is None or not folder:
        raise BadInput("Name the data set and the folder: metarule data prepare NAME --data-dir DIR.")
    prepare(name, Path(folder))
    print(f"Prepared {name} in {folder}: use it as tfds:{name}.")
    return 0


def list_data(console: rich.console.Console, data_dir: Path | None) -> None:
    """Prints the data sets that `load` knows by name, where the files of each are, and which of them are missing.

    A path is never broken, whatever the width of the terminal.
    """
    lines = known(data_dir=data_dir)
    width = max(len(line.name) for line in lines)
    texts = ["", "data sets"]
    for line in lines:
        folders = sorted({str(path.parent) for path in line.where})
        missing = [str(path) for path in line.where if not path.is_file()]
        place = "missing:" if missing else ", ".join(folders) or "built in"
        texts += [f"  {line.name:<{width}}  {place}", *(f"    {path}" for path in missing)]
    texts.append("  and any PATH.npz with x and y")
    console.print("\n".join(texts), markup=False, highlight=False, soft_wrap=True)
