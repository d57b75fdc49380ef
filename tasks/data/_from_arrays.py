from collections.abc import Callable, Sequence
from typing import final, NamedTuple

import numpy as np
from jaxtyping import Int64, Shaped

from ...errors import BadInput
from ._data_set import DataSet, Kind
from ._examples import check_inputs, count, Examples, has_label, Part, take
from ._images import as_bytes
from ._preparation import Preparation
from ._split import stratified_split


_Pair = tuple[np.ndarray, np.ndarray]


def from_arrays(name: str, train: _Pair, test: _Pair | None = None, held_out: float = 0.2) -> DataSet:
    """Makes a data set from arrays: each split is a pair of examples and labels.

    Images are [example, side, side] or [example, side, side, 3], or colours first, as bytes, as floats in [0, 1] or
    [0, 255], or as integers of 16 bits. Vectors are [example, feature]: bytes are scaled to [0, 1]; other columns are
    standardised by the train split's mean and deviation, and constant ones become zero; NaN is a missing value. A label
    that is NaN or an empty text makes a train example an unlabelled one.
    Without a test split, the share `held_out` of each class becomes one, by a fixed seed. Raises `BadInput` for
    infinity, labels of the wrong length, a single class, or other shapes.
    """
    parts = [Part("train", *train), *([] if test is None else [Part("test", *test)])]
    return from_parts(name, parts, held_out)


def from_parts(
    name: str, parts: Sequence[Part], held_out: float = 0.2, tell: Callable[[str], None] = lambda _: None
) -> DataSet:
    """Makes a data set from the examples of one or two splits in any form; the first needs labels.

    Train examples without a label are kept as unlabelled ones, and test examples without one are left out. Everything
    that is fitted is fitted to the train split, unlabelled examples included. Without a test split the share `held_out`
    of each class becomes one, by a fixed seed, or all are split anew for each problem where most have no label. `tell`
    is called with a sentence on what was left out and filled in.

    Raises `BadInput` as `from_arrays` and `Preparation` do.
    """
    split = [_Labelled.of(name, part.x, part.y) for part in parts if part.y is not None]
    if parts[0].y is None or not len(split[0].labels):
        raise BadInput(f"{name} has no labels: name them, as in PATH.csv:LABEL or PATH.npz:INPUTS:LABELS.")
    train, *rest = split
    class_names, train_y = _encode(train.labels)
    kept, unlabelled = train.rows, train.others
    split_anew = not rest and len(unlabelled) > len(kept)
    if rest:
        # Classes are those of the train split: a class without train examples can't be learned.
        test_x, test_y = take(rest[0].x, rest[0].rows), _look_up(name, rest[0].labels, class_names)
    elif split_anew:
        test_x, test_y = take(train.x, kept), train_y
    else:
        learned, chosen = stratified_split(train_y, fraction=held_out, seed=0)
        test_x, test_y = take(train.x, kept[chosen]), train_y[chosen]
        kept, train_y = kept[learned], train_y[learned]
    for part, fate in zip(split, ("serve as unlabelled ones only", "are left out")):
        if len(part.others):
            tell(f"{name}: {len(part.others):,} of {count(part.x):,} examples have no label and {fate}.")
    train_x, test_x = _prepared(name, take(train.x, np.concatenate([kept, unlabelled])), test_x, tell)
    return DataSet(name, _kind(train.x), class_names, train_x, train_y, test_x, test_y, split_anew)


@final
class _Labelled(NamedTuple):
    """The examples of a split, the numbers of those with a label, their labels, and the numbers of the others."""

    x: Examples
    rows: Int64[np.ndarray, " labelled"]
    labels: Shaped[np.ndarray, " labelled"]
    others: Int64[np.ndarray, " other"]

    @classmethod
    def of(cls, name: str, x: Examples, y: np.ndarray) -> "_Labelled":
        """Raises `BadInput` for other examples than numbers, and unless there is a place for a label for each."""
        if isinstance(x, np.ndarray):
            check_inputs(name, x)
        if y.ndim != 1 or count(x) != len(y):
            raise BadInput(
                f"{name}: {count(x)} examples but labels of shape {y.shape}; give one label for each example."
            )
        known = has_label(y)
        labels = y[known]
        if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
            labels = labels.astype(np.int64)  # Whole numbers became floats for the sake of those that are missing.
        return cls(x, np.flatnonzero(known), labels, np.flatnonzero(~known))


def _kind(x: Examples) -> Kind:
    if isinstance(x, list):
        return "text"
    return "image" if isinstance(x, np.ndarray) and x.ndim > 2 else "table"


def _prepared(name: str, train: Examples, test: Examples, tell: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """Both splits as a data set holds them: images as bytes, all else as inputs."""
    if not count(train) or (isinstance(train, np.ndarray) and not train.size):
        raise BadInput(f"{name}: there are no train inputs; give at least one example.")
    if isinstance(train, np.ndarray) and train.shape[1:] != test.shape[1:]:
        raise BadInput(f"{name}: train examples have shape {train.shape[1:]} but test examples {test.shape[1:]}.")
    if isinstance(train, np.ndarray) and train.ndim > 2:
        images = as_bytes(name, np.concatenate([train, test]))
        return images[: len(train)], images[len(train) :]
    try:
        preparation = Preparation.of(train)
        if preparation.notices:
            tell(f"{name}: {'; '.join(preparation.notices)}.")
        made = preparation(train)
        return made, preparation(test) if count(test) else made[:0]
    except BadInput as error:
        raise BadInput(f"{name}: {str(error)[0].lower()}{str(error)[1:]}") from error


def _encode(labels: Shaped[np.ndarray, " example"]) -> tuple[tuple[str, ...], Int64[np.ndarray, " example"]]:
    names, indices = np.unique(labels, return_inverse=True)
    return tuple(str(name) for name in names), indices.astype(np.int64)


def _look_up(
    name: str, labels: Shaped[np.ndarray, " example"], class_names: tuple[str, ...]
) -> Int64[np.ndarray, " example"]:
    index_of = {class_name: index for index, class_name in enumerate(class_names)}
    unknown = sorted({str(label) for label in labels} - index_of.keys())
    if unknown:
        raise BadInput(f"{name}: the test labels {', '.join(unknown[:5])} do not occur among the train labels.")
    return np.array([index_of[str(label)] for label in labels], np.int64)
