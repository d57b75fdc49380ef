import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped

from ...errors import BadInput
from ...tasks import has_label
from ._files import write_atomically


_SUFFIXES = (".csv", ".parquet", ".npz", ".npy")


@final
class FeaturePart(NamedTuple):
    """The features of one split: its name (empty for data without a split), features, labels if there are any, and the
    file of each example where each was in one."""

    name: str
    features: Float32[np.ndarray, "example feature"]
    y: Shaped[np.ndarray, " example"] | None
    files: tuple[str, ...] | None = None


def check_features_file(path: Path) -> None:
    """Raises `BadInput` for a file whose suffix says nothing."""
    if path.suffix not in _SUFFIXES:
        raise BadInput(f"--out {path} says no form: let it end in one of {', '.join(_SUFFIXES)}.")


def write_features(path: Path, parts: Sequence[FeaturePart], names: Sequence[str]) -> str:
    """Writes features atomically in the form that the file's suffix says, and returns a sentence about it.

    As .csv and .parquet: a column for each feature, under its name, then `y`, and before them `split` where there are
    several parts, and `file` where each example was in one; a feature whose name is taken has a number behind it. As
    .npz: `features`, `y` and `files`, or with `_train` and `_test` behind. As .npy: the features alone. Raises
    `BadInput` where the file can't be written, and for several parts as .npy.
    """
    if path.suffix == ".npy" and len(parts) > 1:
        raise BadInput(f"{path} can hold one array, but the data have two splits: write .npz, .csv or .parquet.")
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, parts[0].features)
        held = {"features": parts[0].features}
    elif path.suffix == ".npz":
        held = {}
        for part in parts:
            suffix = f"_{part.name}" if part.name else ""
            held[f"features{suffix}"] = part.features
            if part.y is not None:
                held[f"y{suffix}"] = part.y
            if part.files is not None:
                held[f"files{suffix}"] = np.array(part.files)
        np.savez(content, **held)
    else:
        held = _write_table(content, path.suffix, parts, names)
    write_atomically(path, content.getvalue())
    return f"Wrote {path}: " + ", ".join(f"{name} {list(array.shape)}" for name, array in held.items()) + "."


def _write_table(
    content: io.BytesIO, suffix: str, parts: Sequence[FeaturePart], names: Sequence[str]
) -> dict[str, np.ndarray]:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    features = np.concatenate([part.features for part in parts])
    columns: dict[str, object] = {}
    if len(parts) > 1:
        columns["split"] = pyarrow.array([part.name for part in parts for _ in part.features])
    if any(part.files for part in parts):
        columns["file"] = pyarrow.array([file for part in parts for file in part.files or [None] * len(part.features)])
    taken = {*columns, "y"}
    for place, name in enumerate(names):
        free = next(each for each in itertools.chain([name], _numbered(name)) if each not in taken)
        taken.add(free)
        columns[free] = features[:, place]
    held = {"features": features}
    if any(part.y is not None for part in parts):
        labels = [label for part in parts for label in _labels(part)]
        columns["y"] = pyarrow.array(labels)
        held["y"] = np.array(labels)
    table = pyarrow.table(columns)
    if suffix == ".csv":
        pyarrow.csv.write_csv(table, content)
    else:
        pyarrow.parquet.write_table(table, content)
    return held


def _numbered(name: str) -> Iterator[str]:
    return (f"{name}_{number}" for number in itertools.count(2))


def _labels(part: FeaturePart) -> list[object]:
    if part.y is None:
        return [None] * len(part.features)
    return [label if known else None for label, known in zip(part.y.tolist(), has_label(part.y))]
