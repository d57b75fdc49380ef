from typing import Any

import numpy as np
from jaxtyping import UInt8

from ...errors import BadInput


def as_bytes(
    name: str, images: np.ndarray
) -> UInt8[np.ndarray, "example side side"] | UInt8[np.ndarray, "example side side 3"]:
    """Returns images as bytes, colours last.

    Colours may come first or last, and `full_scale` says which numbers are white. Raises `BadInput` for numbers of no
    known scale, and for images that are not square and grey or RGB.
    """
    images = colours_last(images)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.shape[1] != images.shape[2] or (images.ndim == 4 and images.shape[3] != 3):
        raise BadInput(
            f"{name}: images of shape {images.shape[1:]} are not square, grey or with 3 colours; resize them."
        )
    if images.dtype == np.uint8:
        return images
    white = full_scale(images)
    if white is None:
        low, high = images.min(), images.max()
        raise BadInput(f"{name}: pixels from {low:g} to {high:g}; give bytes, or floats in [0, 1] or [0, 255].")
    return np.rint(images * (255 / white)).astype(np.uint8)


def full_scale(pixels: Any) -> float | None:
    """The number that is white, black being 0: 255 for bytes and numbers up to 255, 65,535 for integers of 16 bits of
    which one is larger, 1 for floats up to 1 and for truth values; None for numbers that are no such pixels."""
    if pixels.dtype in (np.uint8, bool):
        return 255.0 if pixels.dtype == np.uint8 else 1.0
    low, high = pixels.min(), pixels.max()
    if pixels.dtype == np.uint16 and high > 255:
        return 65_535.0
    if not (low >= 0 and high <= 255):
        return None
    return 1.0 if high <= 1 and np.issubdtype(pixels.dtype, np.floating) else 255.0


def colours_last(images: np.ndarray) -> np.ndarray:
    """Images [example, height, width] or [example, height, width, colour]; colours may have come first."""
    first = images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3)
    return np.moveaxis(images, 1, 3) if first else images
