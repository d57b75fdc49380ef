import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from ..data._data_set import DataSet


def silhouettes(data_set: DataSet) -> DataSet:
    """Returns the data set with filled images: pixels between strokes, in their row or column, turn grey.

    Each class has its own level, from 0.3 to 1, a hash of the class's name.
    """
    levels = np.array([0.3 + 0.7 * _hash_to_unit_interval(name) for name in data_set.class_names], np.float32)
    train_x = _filled(data_set.train_x, levels[data_set.train_y])
    test_x = _filled(data_set.test_x, levels[data_set.test_y])
    return dataclasses.replace(data_set, name=f"{data_set.name}-silhouettes", train_x=train_x, test_x=test_x)


def _filled(
    images: UInt8[np.ndarray, "example side side"], levels: Float[np.ndarray, " example"]
) -> UInt8[np.ndarray, "example side side"]:
    between = np.maximum(_between(images, 1), _between(images, 2))
    return np.maximum(images, between * levels[:, None, None]).astype(np.uint8)


def _between(images: np.ndarray, axis: int) -> UInt8[np.ndarray, "example side side"]:
    """Returns the ink that each pixel has on both sides along an axis: the smaller of the two maxima."""
    before = np.maximum.accumulate(images, axis)
    after = np.flip(np.maximum.accumulate(np.flip(images, axis), axis), axis)
    return np.minimum(before, after)


def _hash_to_unit_interval(name: str) -> float:
    """Hashes a name to a number in [0, 1)."""
    # Not Python's `hash`, which differs between processes.
    return (sum(ord(c) for c in name) * 2654435761 % 2**32) / 2**32
