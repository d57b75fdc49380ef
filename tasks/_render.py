import functools

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFont

from ._fonts import Font


_FILL = 0.8
_POINTS = 40


def render(font: Font, character: str, side: int) -> UInt8[np.ndarray, "{side} {side}"]:
    """A character in white on black, antialiased, scaled so that its longer extent fills 0.8 of the side, centred."""
    mask = _open(str(font.path)).getmask(character, mode="L")
    width, height = mask.size
    if not width or not height:
        return np.zeros((side, side), np.uint8)
    ink = Image.frombytes("L", (width, height), bytes(mask))  # pyright: ignore[reportArgumentType] (it is bytes-like)
    box = ink.getbbox()
    if box is None:
        return np.zeros((side, side), np.uint8)
    ink = ink.crop(box)
    frame = round(max(ink.size) / _FILL)
    canvas = Image.new("L", (frame, frame))
    canvas.paste(ink, ((frame - ink.width) // 2, (frame - ink.height) // 2))
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX))


@functools.cache
def _open(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, _POINTS)
