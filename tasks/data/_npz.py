from pathlib import Path

import numpy as np

from ...errors import BadInput, DAMAGED
from ._examples import Part


NAMES = (
    ("x", "y"),
    ("X", "y"),
    ("X", "Y"),
    ("images", "labels"),
    ("inputs", "labels"),
    ("features", "labels"),
    ("data", "target"),
    ("data", "labels"),
)
"""The names that inputs and labels go by, in files of arrays."""

_SPLITS = (("train_{}", "test_{}"), ("{}_train", "{}_test"), ("{}", "test_{}"), ("{}", "{}_test"))


def read_npz(path: Path, inputs: str | None = None, labels: str | None = None) -> tuple[Part, ...]:
    """Reads arrays from an .npz file: inputs, labels or none, and a test split if the file has one.

    Their names are `inputs` and `labels` if given, else one of the pairs of `NAMES`, as they are or with `train` and
    `test` before or behind them. A sparse matrix that scipy saved is a table. Raises `BadInput` for a file that is
    missing, damaged, or lacks these names. Nothing is unpickled.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = tuple(archive.files)
            if inputs is None and {"format", "shape", "data"} <= set(held):
                return (Part("", _sparse(path), None),)
            chosen = _chosen(path, held, inputs, labels)
            return tuple(
                Part(name, archive[x], archive[y] if y in held else None)
                for name, x, y in (chosen if len(chosen) > 1 else [("", *chosen[0][1:])])
            )
    except BadInput:
        raise
    except DAMAGED as error:
        raise BadInput(
            f"{path} can't be read as .npz ({error}); save plain arrays with numpy.savez, all examples of one size."
        ) from error


def read_npy(path: Path, labels: Path | None = None) -> tuple[Part, ...]:
    """Reads examples from an .npy file, and their labels from another one if it is given.

    Examples stay on disk, as a memory map, until they are asked for. Raises `BadInput` as `read_npz` does.
    """
    for file in (path, labels):
        if file is not None and not file.is_file():
            raise BadInput(f"There is no file {file}.")
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
        return (Part("", x, None if labels is None else np.load(labels, allow_pickle=False)),)
    except (OSError, EOFError, ValueError) as error:
        raise BadInput(f"{path} can't be read as .npy ({error}); save a plain array with numpy.save.") from error


def _chosen(path: Path, held: tuple[str, ...], inputs: str | None, labels: str | None) -> list[tuple[str, str, str]]:
    """The splits to read: name, array of inputs, array of labels."""
    for name in (inputs, labels):
        if name is not None and name not in held:
            raise BadInput(f"{path} holds no array {name!r}; it holds {', '.join(held) or 'nothing'}.")
    pairs = NAMES if inputs is None else ((inputs, labels or ""),)
    splits = _SPLITS if inputs is None else (("{}", "{}"),)
    for train, test in splits:
        # Of several pairs with these inputs, one whose labels are there, too.
        for x, y in sorted(pairs, key=lambda pair: train.format(pair[1]) not in held):
            if train.format(x) in held:
                y = labels or y
                found = [("train", train.format(x), y if labels else train.format(y))]
                if test.format(x) in held and test != train:
                    found.append(("test", test.format(x), test.format(y)))
                return found
    raise BadInput(
        f"{path} holds {', '.join(held) or 'nothing'}; name the inputs x and the labels y, or say their names, as in "
        f"{path}:INPUTS:LABELS."
    )


def _sparse(path: Path):
    from scipy.sparse import load_npz  # Takes half a second to import.

    return load_npz(path).tocsr()
