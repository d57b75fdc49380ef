from pathlib import Path
from typing import final, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped

from ...errors import BadInput
from ..data._data_set import as_image_shape, as_inputs
from ..data._from_arrays import check_inputs, prepare_inputs
from ..data._npz import FORMS, read_arrays
from ._load import load


@final
class Part(NamedTuple):
    """The examples of one split as rows of numbers, with their labels if there are any.

    `name` is `train` or `test`, or empty for data without a split. Labels are the user's own values, not indices.
    """

    name: str
    x: Float32[np.ndarray, "example input"]
    y: Shaped[np.ndarray, " example"] | None
    image_shape: tuple[int, int, int] | None = None
    """Height, width and colours of the images whose pixels the rows are; None if they are no images."""


def load_inputs(name: str, data_dir: str | Path | None = None) -> tuple[Part, ...]:
    """Returns the inputs of a data set, one part per split; the first part is the one to fit to. Labels are optional.

    A `PATH.npz` without a split is one part, in the order of the file. All other names that `load` knows have a train
    and a test part. Inputs are scaled as by `load`. Raises `BadInput` as `load` does.
    """
    if name.endswith(".npz"):
        return _read_own(Path(name))
    data_set = load(name, data_dir)
    names, shape = np.array(data_set.class_names), data_set.image_shape
    train = Part("train", data_set.train_inputs(), names[data_set.train_y], shape)
    if not len(data_set.test_y):
        return (train,)
    return train, Part("test", data_set.test_inputs(), names[data_set.test_y], shape)


def _read_own(path: Path) -> tuple[Part, ...]:
    arrays = read_arrays(path)
    for (train, train_y), (test, test_y) in FORMS:
        if train in arrays:
            x, y = [arrays[train]], [arrays.get(train_y)]
            if test in arrays:
                x, y = [*x, arrays[test]], [*y, arrays.get(test_y)]
            return _parts(str(path), x, y)
    raise BadInput(f"{path} holds {', '.join(arrays)}; name the inputs x, or x_train and x_test.")


def _parts(name: str, x: list[np.ndarray], y: list[np.ndarray | None]) -> tuple[Part, ...]:
    for examples, labels in zip(x, y):
        check_inputs(name, examples)
        if labels is not None and labels.shape != examples.shape[:1]:
            raise BadInput(f"{name}: {len(examples)} examples but labels of shape {labels.shape}; give one for each.")
    split = ("train", "test") if len(x) > 1 else ("",)
    made = prepare_inputs(name, x[0], x[-1])
    shape = as_image_shape(made[0].shape[1:]) if made[0].ndim > 2 else None
    return tuple(Part(*each, shape) for each in zip(split, map(as_inputs, made), y))
