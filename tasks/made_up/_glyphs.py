from pathlib import Path
from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import UInt8

from ...errors import BadInput
from ..data._data_set import DataSet
from ._characters import choose_characters, is_validation
from ._fonts import find_fonts, Font, shipped_fonts
from ._render import render


@final
class Glyphs(eqx.Module):
    """Two data sets without a common character: one to meta-train on, one to select rules by."""

    training: DataSet
    validation: DataSet


def glyphs(side: int = 14, fonts: str | Path | None = None) -> Glyphs:
    """Renders several hundred characters of many scripts in many fonts, as grey images; a character is a class.

    The fonts are those below the folder `fonts`, by default those that matplotlib ships. No character is a digit or
    looks like one. Identical renderings of a character count once. Raises `BadInput` where the side is not 8 to 28 or
    the fonts have too few characters.
    """
    if not 8 <= side <= 28:
        raise BadInput(f"Glyphs of side {side}; choose a side between 8 and 28.")
    held = shipped_fonts() if fonts is None else find_fonts(Path(fonts))
    # Classes need several examples for few-shot tasks; with few fonts there can't be more than fonts.
    minimum = min(8, max(2, len(held) // 2))
    classes = [(c, _renderings(held, c, side)) for c in choose_characters(held, minimum)]
    classes = [(character, images) for character, images in classes if len(images) >= minimum]
    name = f"glyphs{side}"
    training = [entry for entry in classes if not is_validation(entry[0])]
    validation = [entry for entry in classes if is_validation(entry[0])]
    if len(training) < 10 or len(validation) < 2:
        raise BadInput(f"The fonts in {fonts} share only {len(classes)} characters; add fonts of wider coverage.")
    return Glyphs(_data_set(name, training), _data_set(f"{name}-validation", validation))


def _renderings(fonts: tuple[Font, ...], character: str, side: int) -> UInt8[np.ndarray, "rendering side side"]:
    """Returns the distinct renderings of a character, without those of fonts that draw something else in its place."""
    images = [render(font, character, side) for font in fonts if ord(character) in font.characters]
    different = np.stack(list({image.tobytes(): image for image in images}.values()))
    vectors = different.reshape(len(different), -1).astype(np.float32)
    vectors -= vectors.mean(1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return different[vectors @ np.median(vectors, axis=0) > _FOREIGN]


def _data_set(name: str, classes: list[tuple[str, np.ndarray]]) -> DataSet:
    images = np.concatenate([images for _, images in classes])
    labels = np.repeat(np.arange(len(classes)), [len(images) for _, images in classes]).astype(np.int64)
    names = tuple(character for character, _ in classes)
    return DataSet(name, "image", names, images, labels, images[:0], labels[:0])


# The least product of a unit rendering with the median of its class. DejaVu's obliques reach 0.3, other pictures 0.1.
_FOREIGN = 0.2
