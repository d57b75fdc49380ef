import string
from pathlib import Path
from typing import final

import equinox as eqx

from ...errors import BadInput


# Fonts that keep other pictures under the code points of letters, or one picture under all of them.
_PICTURES = frozenset(("cmsy10.ttf", "cmex10.ttf", "LastResortHE-Regular.ttf"))


@final
class Font(eqx.Module):
    """A font file and the code points that it draws."""

    path: Path
    family: str
    characters: frozenset[int]


def shipped_fonts() -> tuple[Font, ...]:
    """The fonts that matplotlib ships: a dozen of DejaVu, the STIX family and some of Computer Modern."""
    import matplotlib  # half a second to import

    fonts = find_fonts(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    return tuple(_letters_only(font) if font.family.startswith("cm") else font for font in fonts)


def _letters_only(font: Font) -> Font:
    """Computer Modern keeps other pictures than Unicode's below every code point but the Latin letters."""
    letters = frozenset(ord(c) for c in string.ascii_letters)
    return Font(font.path, font.family, font.characters & letters)


def find_fonts(folder: Path) -> tuple[Font, ...]:
    """The TrueType and OpenType fonts below a folder. Raises `BadInput` where there are fewer than two."""
    from matplotlib.ft2font import FT2Font

    fonts = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".ttf", ".otf") and path.name not in _PICTURES:
            try:
                face = FT2Font(str(path))
                fonts.append(Font(path, face.family_name, frozenset(face.get_charmap())))
            except (RuntimeError, OSError):
                continue  # one damaged file among a user's fonts is no reason to stop
    if len(fonts) < 2:
        raise BadInput(f"{folder} holds {len(fonts)} readable .ttf or .otf fonts; glyphs need at least two.")
    return tuple(fonts)
