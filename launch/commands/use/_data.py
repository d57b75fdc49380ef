import os
from pathlib import Path
from typing import Annotated, Literal

import rich.console
import tyro

from ....errors import BadInput
from ....tasks import known, origin, prepare
from ...options._parse import parse
from ...records._fetch import fetch


def main(arguments: list[str]) -> int:
    """Runs `metarule data` and returns its exit code."""
    return parse(data, arguments, "data")


def data(
    action: Annotated[Literal["list", "get", "prepare"], tyro.conf.Positional] = "list",
    name: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    data_dir: Path | None = None,
) -> int:
    """Lists the available data sets and where the files of the others belong, or gets one of them.

    Args:
        action: `list`; `get` to say where a listed data set comes from, and to fetch its original files where their
            addresses and checksums are known; or `prepare` to download a data set of tensorflow-datasets, any one of
            images or texts with one class each, which is then tfds:NAME. Only `prepare` needs TensorFlow.
        name: the data set to get, a name of the list, or to prepare, a name of tensorflow-datasets; such as mnist.
        data_dir: the folder with data sets; by default the environment variable METARULE_DATA.
    """
    if action == "list":
        list_data(rich.console.Console(), data_dir)
        return 0
    folder = data_dir or os.environ.get("METARULE_DATA")
    if action == "get":
        return get_data(name, data_dir)
    if name is None or not folder:
        raise BadInput("Name the data set and the folder: metarule data prepare NAME --data-dir DIR.")
    prepare(name, Path(folder))
    print(f"Prepared {name} in {folder}: use it as tfds:{name}.")
    return 0


def get_data(name: str | None, data_dir: Path | None) -> int:
    """Says where a data set comes from, and fetches its files. Returns the exit code.

    Raises `BadInput` where no set or no folder is named, and as `fetch` does.
    """
    if name is None:
        raise BadInput("Name the data set: metarule data get NAME; `metarule data list` lists them.")
    found = origin(name, data_dir)
    print(found.sentence)
    folder = data_dir or os.environ.get("METARULE_DATA")
    for address in found.addresses:
        print(f"{address.url}\n  SHA-256 {address.checksum}")
    if found.addresses and not folder:
        raise BadInput(f"Name the folder to fetch {name} into by --data-dir or METARULE_DATA.")
    for address in found.addresses:
        print(fetch(address.url, Path(folder or "") / address.place, address.checksum))
    wanted = [str(path) for path in found.files if not path.is_file()]
    if wanted and not found.addresses:
        print(f"No address of its files is known here. They belong at {', '.join(wanted)}.")
    return 0


def list_data(console: rich.console.Console, data_dir: Path | None) -> None:
    """Prints the data sets that `load` knows by name, a line each: where its files are, or where some are missing.

    A path is never broken, whatever the width of the terminal.
    """
    lines = known(data_dir=data_dir)
    width = max(len(line.name) for line in lines)
    texts = ["", "data sets"]
    for line in lines:
        folders = sorted({str(path.parent) for path in line.where})
        missing = "" if all(path.is_file() for path in line.where) else "missing from "
        texts.append(f"  {line.name:<{width}}  {missing}{', '.join(folders) or 'built in'}")
    texts += [f"  {'tfds:NAME':<{width}}  any of tensorflow-datasets, after `metarule data prepare NAME`"]
    texts += ["  and files of your own, such as PATH.npz or PATH.csv:LABEL"]
    texts += ["`metarule data get NAME` says which files they are, and fetches them where it can."]
    console.print("\n".join(texts), markup=False, highlight=False, soft_wrap=True)
