import dataclasses

import numpy as np
from jaxtyping import Float64, UInt8

from ._data_set import DataSet


def resize(
    images: np.ndarray, side: int
) -> UInt8[np.ndarray, "example side side"] | UInt8[np.ndarray, "example side side 3"]:
    """Resizes square images: down by the mean over each new pixel's area, up by bilinear interpolation."""
    native = images.shape[1]
    if native == side:
        return images
    weights = (_area if side < native else _bilinear)(native, side).astype(np.float32)
    colours = images.shape[3:]
    resized = np.empty((len(images), side, side, *colours), np.uint8)
    for start in range(0, len(images), 4096):  # In chunks, to hold a few megabytes of floats at a time.
        chunk = images[start : start + 4096].astype(np.float32)
        rows = np.matmul(weights, chunk.reshape(len(chunk), native, -1)).reshape(len(chunk), side, native, *colours)
        both = np.matmul(weights, rows) if colours else np.matmul(rows, weights.T)
        resized[start : start + 4096] = np.clip(np.rint(both), 0, 255)
    return resized


def resized(data_set: DataSet, side: int) -> DataSet:
    """Returns the data set with its images resized to this side."""
    train_x, test_x = resize(data_set.train_x, side), resize(data_set.test_x, side)
    return dataclasses.replace(data_set, train_x=train_x, test_x=test_x)


def grey(data_set: DataSet) -> DataSet:
    """Returns the data set with its coloured images turned grey, by the luma of ITU-R BT.601."""
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    train_x, test_x = (np.rint(x @ luma).astype(np.uint8) for x in (data_set.train_x, data_set.test_x))
    return dataclasses.replace(data_set, train_x=train_x, test_x=test_x)


def _area(native: int, side: int) -> Float64[np.ndarray, "side native"]:
    edges = np.arange(side + 1) * native / side
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(native)
    overlap = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.maximum(overlap, 0) * side / native


def _bilinear(native: int, side: int) -> Float64[np.ndarray, "side native"]:
    centres = np.clip((np.arange(side) + 0.5) * native / side - 0.5, 0, native - 1)
    return np.maximum(1 - np.abs(centres[:, None] - np.arange(native)), 0)
