import functools

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFont

from ._fonts import Font


_FILL = 0.8
_POINTS = 40


def render(font: Font, character: str, side: int) -> UInt8[np.ndarray, "{side} {side}"]:
    """Renders a character in white on black: antialiased, centred, its longer extent 0.8 of the side."""
    mask = _open(str(font.path)).getmask(character, mode="L")
    box = mask.getbbox()
    if box is None:
        return np.zeros((side, side), np.uint8)
    left, top, right, bottom = box
    frame = round(max(right - left, bottom - top) / _FILL)
    left -= (frame - (right - left)) // 2
    top -= (frame - (bottom - top)) // 2
    ink = Image.frombytes("L", mask.size, bytes(mask))  # pyright: ignore[reportArgumentType] (it is bytes-like)
    framed = ink.crop((left, top, left + frame, top + frame))  # Black outside of the ink.
    return np.asarray(framed.resize((side, side), Image.Resampling.BOX))


@functools.cache
def _open(path: str) -> ImageFont.FreeTypeFont:
    # The basic layout suffices for single characters, and not every build of Pillow has the other, Raqm.
    return ImageFont.truetype(path, _POINTS, layout_engine=ImageFont.Layout.BASIC)
