import numpy as np
from jaxtyping import UInt8

from ...errors import BadInput


def as_bytes(
    name: str, images: np.ndarray
) -> UInt8[np.ndarray, "example side side"] | UInt8[np.ndarray, "example side side 3"]:
    """Returns images as bytes, colours last.

    Colours may come first or last. Floats in [0, 1] are multiplied by 255, and integers of 16 bits divided by 257, if
    one of them is above 255; other numbers must lie in [0, 255]. Raises `BadInput` for other numbers, and for images
    that are not square and grey or RGB.
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
    low, high = images.min(), images.max()
    if images.dtype == np.uint16 and high > 255:
        return np.rint(images / 257).astype(np.uint8)
    if low < 0 or high > 255:
        raise BadInput(f"{name}: pixels from {low:g} to {high:g}; give bytes, or floats in [0, 1] or [0, 255].")
    scale = 255 if high <= 1 and np.issubdtype(images.dtype, np.floating) else 1
    return np.rint(images * scale).astype(np.uint8)


def colours_last(images: np.ndarray) -> np.ndarray:
    """Images [example, height, width] or [example, height, width, colour]; colours may have come first."""
    first = images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3)
    return np.moveaxis(images, 1, 3) if first else images
