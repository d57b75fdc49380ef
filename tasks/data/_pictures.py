from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ...errors import BadInput, DAMAGED
from ._examples import Part
from ._images import full_scale
from ._resize import resize


_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_TRAIN, _TEST = ("train", "training"), ("test", "val", "valid", "validation")


def read_folder(folder: Path, side: int | None = None) -> tuple[Part, ...]:
    """Reads a folder of images with a folder for each class, `FOLDER/CLASS/IMAGE`.

    `FOLDER/train/CLASS/IMAGE` and `FOLDER/test/CLASS/IMAGE` are two splits (`val` serves where there is no `test`); a
    folder `train` alone is all there is. Images that lie in `FOLDER` itself have no labels. Each is turned as its
    camera says, put on white where it is transparent, cropped to its central square and resized to `side`; they are
    grey if all are. Raises `BadInput` for a folder without images, for images of mixed sizes if no side is given, and
    for a file that is no image.
    """
    inner = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
    train, test = (next((inner[name] for name in names if name in inner), None) for names in (_TRAIN, _TEST))
    if train is None or test is None:
        classes_within = train is not None and any(path.is_dir() and _files(path) for path in train.iterdir())
        alone = train is not None and len(inner) == 1
        return (_part("", train if train is not None and (classes_within or alone) else folder, side),)
    parts = [_part("train", train, side), _part("test", test, side)]
    if parts[0].x.ndim != parts[1].x.ndim:  # One split is grey, the other has colours.
        parts = [part if part.x.ndim == 4 else part._replace(x=np.stack([part.x] * 3, axis=3)) for part in parts]
    return tuple(parts)


def _part(name: str, folder: Path, side: int | None) -> Part:
    classes = [path for path in sorted(folder.iterdir()) if path.is_dir() and _files(path)]
    files = [_files(path) for path in classes] or [_files(folder)]
    if not any(files):
        raise BadInput(f"{folder} holds no images; put them into it, or into a folder for each class.")
    labels = [path.name for path, own in zip(classes, files) for _ in own]
    x = decode(str(folder), [file for own in files for file in own], side)
    names = tuple(path.relative_to(folder).as_posix() for own in files for path in own)
    return Part(name, x, np.array(labels) if classes else None, names)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]


def decode(
    name: str, files: Sequence[Any], side: int | None
) -> UInt8[np.ndarray, "example side side"] | UInt8[np.ndarray, "example side side 3"]:
    """Returns the central squares of images in files, grey if all are, resized to `side`.

    Raises `BadInput` where a file is no image, and where they differ in size and no side is given.
    """
    images = [_pixels(name, file) for file in files]
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.stack([image] * 3, axis=2) for image in images]
    if len({image.shape for image in images}) == 1:
        squares = _square(np.stack(images))
        return squares if side is None else resize(squares, side)
    if side is None:
        raise BadInput(f"{name} has images of mixed sizes; name one size, as in {name}@32.")
    return np.concatenate([resize(_square(image[None]), side) for image in images])


def _pixels(name: str, file: Any) -> np.ndarray:
    from PIL import Image, ImageOps

    said = str(file) if isinstance(file, Path) else f"An image of {name}"
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode == "F" or image.mode.startswith("I"):  # Pillow would cut off what is above 255.
                return _as_bytes(said, np.asarray(image), image.mode)
            grey = image.mode in ("1", "L", "LA")
            if image.has_transparency_data:
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image.convert("RGBA"))
            return np.asarray(image.convert("L" if grey else "RGB"))
    except (*DAMAGED, Image.DecompressionBombError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{said} can't be read as an image; leave it out.") from error


def _as_bytes(said: str, pixels: np.ndarray, mode: str) -> UInt8[np.ndarray, "row column"]:
    """Bytes of a grey image of 16 bits, or of numbers of 32 bits."""
    white = full_scale(pixels) if mode == "F" or pixels.max() <= 255 and mode == "I" else 65_535.0
    if white is None:
        low, high = pixels.min(), pixels.max()
        raise BadInput(f"{said} has pixels from {low:g} to {high:g}; give numbers in [0, 1] or [0, 255].")
    return np.rint(pixels.astype(np.float64) * (255 / white)).clip(0, 255).astype(np.uint8)


def _square(images: np.ndarray) -> np.ndarray:
    """Returns the central square of each image."""
    extent = min(images.shape[1:3])
    top, left = (images.shape[1] - extent) // 2, (images.shape[2] - extent) // 2
    return images[:, top : top + extent, left : left + extent]
