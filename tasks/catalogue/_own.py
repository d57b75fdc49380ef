import re
from pathlib import Path
from typing import final, NamedTuple

from ...errors import BadInput
from ..data._examples import Part
from ..data._npz import read_npy, read_npz
from ..data._pictures import read_folder
from ..data._table import read_table
from ..data._text import read_texts


FORMS = (
    *("PATH.npz", "PATH.npz:INPUTS:LABELS", "PATH.npy", "PATH.npy:LABELS.npy", "PATH.csv:LABEL"),
    *("PATH.tsv:LABEL", "PATH.parquet:LABEL", "PATH.jsonl", "FOLDER", "FOLDER@SIDE"),
)
"""How a user's own data are named."""

TABLE = r".+?\.(?:[ct]sv|[ct]sv\.gz|parquet)"
"""A regular expression of a table's file."""

_FILE = re.compile(r"(.+?\.(npz|npy|jsonl|jsonl\.gz|csv|csv\.gz|tsv|tsv\.gz|parquet))(?::(.*))?")


@final
class Chosen(NamedTuple):
    """What to read of a file: the names of its inputs and of its labels, and columns to leave out."""

    inputs: str | None = None
    labels: str | None = None
    drop: tuple[str, ...] = ()


def own_paths(name: str, chosen: Chosen = Chosen()) -> tuple[Path, ...]:
    """The file or folder that a user's data of this name are read from, and that of their labels if it is another."""
    found = _FILE.fullmatch(name)
    if found is None:
        return (Path(name),)
    labels = (found[3] or chosen.labels) if found[2] == "npy" else None
    return (Path(found[1]), *([Path(labels)] if labels else []))


def read_file(name: str, chosen: Chosen = Chosen()) -> tuple[Part, ...] | None:
    """Reads a user's file, named as in `FORMS`; None for a name of another form. What the name says goes first.

    Raises `BadInput` for what can't be read, and for a choice that this kind of file does not leave.
    """
    found = _FILE.fullmatch(name)
    if found is None:
        return None
    path, kind, rest = Path(found[1]), found[2].removesuffix(".gz"), found[3] or None
    if kind in ("csv", "tsv", "parquet"):
        if chosen.inputs is not None:
            raise BadInput(f"{path} is a table: choose its inputs by --drop, which leaves columns out.")
        return (read_table(path, rest or chosen.labels, chosen.drop),)
    if chosen.drop:
        raise BadInput(f"{path} has no columns with names to leave out; --drop is for tables.")
    if kind == "npz":
        inputs, _, labels = (rest or "").partition(":")
        return read_npz(path, inputs or chosen.inputs, labels or chosen.labels)
    if chosen.inputs is not None:
        raise BadInput(f"{path} holds one kind of inputs; --inputs is for arrays in .npz.")
    if kind == "npy":
        labels = rest or chosen.labels
        return read_npy(path, None if labels is None else Path(labels))
    if rest is not None or chosen.labels is not None:
        raise BadInput(f"{path} names its texts and labels itself, `text` and `label`.")
    return read_texts(path)


def read_images(name: str) -> tuple[Part, ...] | None:
    """Reads a user's folder of images, named FOLDER or FOLDER@SIDE; None where there is no such folder."""
    folder, _, side = name.rpartition("@")
    if folder and side.isdecimal() and Path(folder).is_dir():
        if not 1 <= int(side) <= 1024:
            raise BadInput(f"{name}: images of side {side}; choose a side between 1 and 1024.")
        return read_folder(Path(folder), int(side))
    return read_folder(Path(name)) if Path(name).is_dir() else None
