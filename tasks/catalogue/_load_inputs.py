from pathlib import Path

import numpy as np

from ...errors import BadInput
from ..data._examples import check_inputs, count, Part
from ._load import load_known
from ._own import Chosen, read_file, read_images


def load_inputs(
    name: str, data_dir: str | Path | None = None, chosen: Chosen = Chosen()
) -> tuple[tuple[Part, ...], bool]:
    """Returns the examples of a data set as they are, and whether they are inputs already. Labels are optional.

    Nothing is split that has no split of its own: a user's file without one is one part, in the order of the file. The
    first part is the one to fit to. Tables and texts that are known by name are inputs already; all else is prepared by
    what is fitted to it. Raises `BadInput` as `load` does, and where labels are not as many as examples.
    """
    parts = read_file(name, chosen)
    if parts is None:
        if chosen != Chosen():
            raise BadInput(f"{name} is no file with names in it to choose from.")
        data_set = load_known(name, data_dir)
        if data_set is not None:
            names = np.array(data_set.class_names)
            splits = [("train", data_set.train_x, data_set.train_y), ("test", data_set.test_x, data_set.test_y)]
            made = [Part(split, x, names[y]) for split, x, y in splits if len(y)]
            return tuple(made), data_set.kind != "image"
        parts = read_images(name)
    assert parts is not None  # `load_known` refuses what nobody knows.
    for part in parts:
        if isinstance(part.x, np.ndarray):
            check_inputs(name, part.x)
        if part.y is not None and (part.y.ndim != 1 or count(part.x) != len(part.y)):
            raise BadInput(f"{name}: {count(part.x)} examples but labels of shape {part.y.shape}; give one for each.")
        if isinstance(part.x, np.ndarray) and part.x.shape[1:] != parts[0].x.shape[1:]:
            raise BadInput(
                f"{name}: train examples have shape {parts[0].x.shape[1:]} but test examples {part.x.shape[1:]}."
            )
    return parts, False
