import zipfile
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ._data_set import DataSet
from ._from_arrays import from_arrays


def read_npz(path: Path) -> DataSet:
    """Reads a data set from an .npz file: `x` and `y`, or `train_x`, `train_y`, `test_x` and `test_y`.

    `x` are inputs and `y` labels; `x_train` and so on are also understood. Raises `BadInput` for a file
    that is missing, damaged, or lacks these names.
    """
    arrays = read_arrays(path)
    for train, test in FORMS:
        if all(name in arrays for name in train):
            pair = (arrays[test[0]], arrays[test[1]]) if all(name in arrays for name in test) else None
            return from_arrays(str(path), (arrays[train[0]], arrays[train[1]]), pair)
    raise BadInput(f"{path} holds {', '.join(arrays)}; name the inputs x and the labels y.")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file whose names are in `FORMS`. Nothing is unpickled.

    Raises `BadInput` for a file that is missing or damaged, or that holds no array of these names.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in _NAMES}
            present = archive.files
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path} can't be read as .npz ({error}); save plain arrays with numpy.savez, all examples of one size."
        ) from error
    if not arrays:
        raise BadInput(f"{path} holds {', '.join(present) or 'nothing'}; name the inputs x and the labels y.")
    return arrays


FORMS = (
    (("train_x", "train_y"), ("test_x", "test_y")),
    (("x_train", "y_train"), ("x_test", "y_test")),
    (("x", "y"), ("test_x", "test_y")),
)
"""The names of arrays in a file: ((train inputs, train labels), (test inputs, test labels)) for each form."""
_NAMES = {name for form in FORMS for pair in form for name in pair}
