import unicodedata
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ._fonts import Font
from ._render import render


# Scripts whose characters are single unjoined shapes: Latin and its extensions, phonetic letters, Greek, Cyrillic,
# Armenian, Georgian; and arrows.
_BLOCKS = ((0x21, 0x2AF), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F), (0x10D0, 0x10FF), (0x2190, 0x21FF))
_FORBIDDEN = "0123456789OoIl|"


def choose_characters(fonts: Sequence[Font], minimum: int) -> str:
    """Returns the characters that serve as classes, in the order of their code points.

    Each is in at least `minimum` fonts. Of characters that look the same, like A in Latin, Greek and Cyrillic or C and
    c, only the first is included. Numbers, and characters that look like a digit in any font, are left out, because
    rules are tested on handwritten digits. Looks are compared in three fonts: those with the most characters, one of
    each family.
    """
    held = Counter(c for font in fonts for c in font.characters if c < 0x2200)
    codes = [code for low, high in _BLOCKS for code in range(low, high + 1)]
    candidates = [chr(code) for code in codes if held[code] >= minimum and _single(chr(code))]
    widest = {font.family: font for font in sorted(fonts, key=lambda font: len(font.characters))}
    reference = sorted(widest.values(), key=lambda font: -len(font.characters))[:3]
    looks = [_looks(font, [*_FORBIDDEN, *candidates]) for font in reference]
    digits = len(_FORBIDDEN)
    digit_like = np.max([own @ own[:digits].T for own in looks], axis=0).max(1) > 0.87
    held_by_both = np.sum([np.outer(own.any(1), own.any(1)) for own in looks], axis=0)
    alike = np.sum([own @ own.T for own in looks], axis=0) > 0.88 * held_by_both
    chosen: list[int] = []
    for index in range(digits, digits + len(candidates)):
        if not digit_like[index] and not alike[index, chosen].any():
            chosen.append(index)
    return "".join(candidates[index - digits] for index in chosen)


def is_validation(character: str) -> bool:
    """Returns whether a character is for validation: about 15% of all are, chosen by a hash."""
    return zlib.crc32(character.encode()) % 100 < 15


def _single(character: str) -> bool:
    """Returns whether a character is a letter or symbol without accents and without a numerical value."""
    category = unicodedata.category(character)
    number = category[0] == "N" or unicodedata.numeric(character, None) is not None
    return category[0] in "LSP" and not number and not unicodedata.decomposition(character)


def _looks(font: Font, characters: Sequence[str]) -> Float[np.ndarray, "character pixel"]:
    """Returns smoothed renderings as centred vectors of unit norm; zero where the font lacks the character.

    The product of two of them is the correlation of the renderings.
    """
    images = np.zeros((len(characters), _SIDE + 2, _SIDE + 2), np.float32)
    for index, character in enumerate(characters):
        if ord(character) in font.characters:
            images[index, 1:-1, 1:-1] = render(font, character, _SIDE)
    images = images[:, :-2] + 2 * images[:, 1:-1] + images[:, 2:]
    images = images[:, :, :-2] + 2 * images[:, :, 1:-1] + images[:, :, 2:]
    vectors = images.reshape(len(images), -1)
    vectors = vectors - vectors.mean(1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


_SIDE = 14
