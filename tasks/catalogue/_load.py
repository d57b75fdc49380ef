import dataclasses
import functools
import os
import re
from pathlib import Path
from typing import final

from ...errors import BadInput
from ..data._data_set import DataSet
from ..data._npz import read_npz
from ..data._resize import resized
from ..data._table import read_table
from ..data._text import read_texts
from ..data._tfds import read_tfds, tfds_folder
from ._source import AbstractSource
from ._sources import SOURCES


_TABLES = (".csv", ".csv.gz", ".parquet")


@final
@dataclasses.dataclass(frozen=True)
class Known:
    """A data set that `load` knows: its name, whether its files are present, and the paths where they belong."""

    name: str
    present: bool
    where: tuple[Path, ...]


def known(data_dir: str | Path | None = None) -> tuple[Known, ...]:
    """Returns the data sets that `load` knows by name, at their usual sizes, and those prepared by `prepare`."""
    folder = data_folder(data_dir)
    lines = []
    for source in SOURCES:
        paths = source.paths(folder if folder is not None else Path("DATA_DIR"))
        present = all(path.is_file() for path in paths)
        lines += [Known(name, present, paths) for name in source.names]
    prepared = sorted(tfds_folder(folder).glob("*/*/dataset_info.json")) if folder is not None else []
    lines += [Known(f"tfds:{path.parents[1].name}", True, (path.parent,)) for path in prepared]
    return tuple(lines)


def load(name: str, data_dir: str | Path | None = None) -> DataSet:
    """Loads a data set by name.

    A name is one of `known()`, such as `digits` or `mnist14` (a number after an image set is the side to resize to);
    `tfds:NAME` or `tfds:NAME@SIDE`; or a file, `PATH.npz`, `PATH.jsonl`, `PATH.csv:LABEL` or `PATH.parquet:LABEL`,
    where LABEL is the label column. Known data sets are read from files below `data_dir`, by default the folder in the
    environment variable METARULE_DATA. Raises `BadInput` for an unknown name (the message lists the known ones) and for
    missing files (it says where to put them).
    """
    data_set = _read_own(name) or _read_prepared(name, data_folder(data_dir))
    if data_set is None:
        source, side = _find(name)
        folder = source.require(data_folder(data_dir))
        stamps = tuple((folder / file).stat().st_mtime_ns for file in source.files)
        data_set = _read(source, folder, stamps)
        data_set = data_set if side is None else resized(data_set, side)
    return dataclasses.replace(data_set, name=name)


@functools.lru_cache(maxsize=1)  # Several sizes of a data set are often loaded in a row. Stamps tell changed files.
def _read(source: AbstractSource, folder: Path, stamps: tuple[int, ...]) -> DataSet:
    return source.read(folder)


def data_folder(data_dir: str | Path | None) -> Path | None:
    """Returns `data_dir` if given, else the folder in METARULE_DATA, else None."""
    chosen = data_dir if data_dir is not None else os.environ.get("METARULE_DATA") or None
    return None if chosen is None else Path(chosen)


def _read_own(name: str) -> DataSet | None:
    if name.endswith(".npz"):
        return read_npz(Path(name))
    if name.endswith((".jsonl", ".jsonl.gz")):
        return read_texts(Path(name))
    if name.endswith(_TABLES):
        raise BadInput(f"{name} is a table: name its label column too, as in {name}:LABEL.")
    path, separator, label = name.rpartition(":")
    return read_table(Path(path), label) if separator and path.endswith(_TABLES) else None


def _read_prepared(name: str, folder: Path | None) -> DataSet | None:
    prefix, separator, rest = name.partition(":")
    if not separator or prefix != "tfds":
        return None
    if folder is None:
        raise BadInput(f"{name} is read from prepared files: name their folder by --data-dir or METARULE_DATA.")
    public, _, side = rest.partition("@")
    if side and not side.isdecimal():
        raise BadInput(f"{name}: {side!r} is no side in pixels; write it as in tfds:{public}@32.")
    return read_tfds(public, int(side) if side else None, folder)


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
    raise BadInput(
        f"Unknown data set {name!r}; the known ones are {names}, and tfds:NAME, PATH.npz, "
        "PATH.jsonl, PATH.csv:LABEL, PATH.parquet:LABEL."
    )
