import dataclasses
import os
import re
from pathlib import Path

from ._bad_input import BadInput
from ._data_set import DataSet
from ._npz import read_npz
from ._resize import resized
from ._source import AbstractSource
from ._sources import SOURCES


@dataclasses.dataclass(frozen=True)
class Known:
    """One line of what can be loaded: its name, whether its files are at hand, and where they would have to be."""

    name: str
    present: bool
    where: tuple[Path, ...]


def known(data_dir: str | Path | None = None) -> tuple[Known, ...]:
    """Lists the data sets that `load` knows by name, at their usual sizes."""
    folder = data_folder(data_dir)
    lines = []
    for source in SOURCES:
        paths = source.paths(folder if folder is not None else Path("DATA_DIR"))
        present = all(path.is_file() for path in paths)
        lines += [Known(name, present, paths) for name in source.names]
    return tuple(lines)


def load(name: str, data_dir: str | Path | None = None) -> DataSet:
    """Loads a data set by its public name, such as `digits`, `mnist14` or `PATH.npz`.

    A number after the name of an image set is the side that its images are resized to. Files are looked for below
    `data_dir`, or below the folder that the environment variable METARULE_DATA names. Raises `BadInput` for an unknown
    name (it lists the known ones) and for missing files (it says where to put them).
    """
    if name.endswith(".npz"):
        return read_npz(Path(name))
    source, side = _find(name)
    data_set = source.read(source.require(data_folder(data_dir)))
    if side is not None:
        data_set = resized(data_set, side)
    return dataclasses.replace(data_set, name=name)


def data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder named by the argument, else by METARULE_DATA, else none."""
    chosen = data_dir if data_dir is not None else os.environ.get("METARULE_DATA") or None
    return None if chosen is None else Path(chosen)


def _find(name: str) -> tuple[AbstractSource, int | None]:
    for source in SOURCES:
        if name == source.name:
            return source, None
        match = re.fullmatch(re.escape(source.name) + r"_?(\d+)", name)
        if match and source.sides != (None,):
            side = int(match[1])
            if not 4 <= side <= 256:
                raise BadInput(f"{name}: images of side {side}; choose a side between 4 and 256.")
            return source, side
    names = ", ".join(label for source in SOURCES for label in source.names)
    raise BadInput(f"Unknown data set {name!r}; the known ones are {names}, and any PATH.npz.")

