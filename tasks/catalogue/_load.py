import dataclasses
import difflib
import functools
import os
import re
import warnings
from pathlib import Path
from typing import final

from ...errors import BadInput
from ..data._data_set import DataSet
from ..data._from_arrays import from_parts
from ..data._resize import resized
from ..data._tfds import read_tfds, tfds_folder
from ._own import Chosen, FORMS, read_file, read_images, TABLE
from ._source import AbstractSource
from ._sources import SOURCES


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
    lines: dict[str, Known] = {}
    for source in SOURCES:
        paths = source.paths(folder if folder is not None else Path("DATA_DIR"))
        present = all(path.is_file() for path in paths)
        for name in source.names:
            if name not in lines or (present and not lines[name].present):
                lines[name] = Known(name, present, paths)
    prepared = sorted(tfds_folder(folder).glob("*/*/dataset_info.json")) if folder is not None else []
    return (*lines.values(), *(Known(f"tfds:{path.parents[1].name}", True, (path.parent,)) for path in prepared))


_CLASS = re.compile(r"[A-Za-z_]\w*:[A-Z]\w*")
"""The name of a class, as `metarule train --tasks` takes it."""


def load(name: str, data_dir: str | Path | None = None, chosen: Chosen = Chosen()) -> DataSet:
    """Loads a data set by name.

    A name is one of `known()`, such as `digits` or `mnist14` (a number after an image set is the side to resize to);
    `tfds:NAME` or `tfds:NAME@SIDE`; or a file or folder of one's own: `PATH.npz` or `PATH.npz:INPUTS:LABELS`,
    `PATH.npy:LABELS.npy`, `PATH.jsonl`, a table, `PATH.csv:LABEL`, where LABEL is the label column, and
    `FOLDER` or `FOLDER@SIDE` with a folder of images for each class. Known data sets are read from files below
    `data_dir`, by default the folder in the environment variable METARULE_DATA; `chosen` says what to read of a file.
    Of data without a split a fifth of each class is held out. Raises `BadInput` for an unknown name (the message names
    a similar one), for missing files (it says where to put them), and for data without labels. Warns of what was left
    out of a table or filled in.
    """
    parts = read_file(name, chosen)
    data_set = None if parts is not None else load_known(name, data_dir)
    if data_set is None:
        parts = parts or read_images(name) or ()
        if not any(part.y is not None for part in parts) and re.fullmatch(TABLE, name):
            raise BadInput(f"{name} is a table: name its label column too, as in {name}:LABEL.")
        data_set = from_parts(name, parts, tell=lambda sentence: warnings.warn(sentence, stacklevel=4))
    return dataclasses.replace(data_set, name=name)


def load_known(name: str, data_dir: str | Path | None) -> DataSet | None:
    """Loads a data set that is known by name or was prepared; None where the name is that of a folder of one's own."""
    data_set = _read_prepared(name, data_folder(data_dir))
    if data_set is not None:
        return data_set
    found = find(name, data_folder(data_dir))
    if found is None:
        return None
    source, side = found
    folder = source.require(data_folder(data_dir))
    stamps = tuple((folder / file).stat().st_mtime_ns for file in source.files)
    data_set = _read(source, folder, stamps)
    return data_set if side is None else resized(data_set, side)


@functools.lru_cache(maxsize=1)  # Several sizes of a data set are often loaded in a row. Stamps tell changed files.
def _read(source: AbstractSource, folder: Path, stamps: tuple[int, ...]) -> DataSet:
    return source.read(folder)


def data_folder(data_dir: str | Path | None) -> Path | None:
    """Returns `data_dir` if given, else the folder in METARULE_DATA, else None."""
    chosen = data_dir if data_dir is not None else os.environ.get("METARULE_DATA") or None
    return None if chosen is None else Path(chosen)


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


def find(name: str, folder: Path | None = None) -> tuple[AbstractSource, int | None] | None:
    """The source of a known name, the first whose files are there, and the side to resize to. None for the name of a
    folder of one's own; raises `BadInput` for any other."""
    found = None
    for source in SOURCES:
        match = re.fullmatch(re.escape(source.name) + r"_?(\d+)", name) if source.sides != (None,) else None
        if name != source.name and match is None:
            continue
        side = int(match[1]) if match and name != source.name else None
        if side is not None and not 4 <= side <= 256:
            raise BadInput(f"{name}: images of side {side}; choose a side between 4 and 256.")
        present = folder is not None and all(path.is_file() for path in source.paths(folder))
        if found is None or present:
            found = source, side
        if present:
            return found
    if found is None and not (Path(name).is_dir() or Path(name.rpartition("@")[0] or "?").is_dir()):
        if _CLASS.fullmatch(name):
            raise BadInput(f"{name} is no data set: a class of tasks is meta-trained on, by `metarule train --tasks`.")
        path = Path(name.partition(":")[0])
        if path.suffix and not path.exists():
            raise BadInput(f"There is no file {path}, and data of one's own are named {', '.join(FORMS)}.")
        names = dict.fromkeys(label for source in SOURCES for label in source.names)
        near = difflib.get_close_matches(name, names, n=1)
        meant = f"; did you mean {near[0]}?" if near else "."
        raise BadInput(
            f"Unknown data set {name!r}{meant} `metarule data list` names the known ones; those of your own are named "
            f"{', '.join(FORMS)}."
        )
    return found
