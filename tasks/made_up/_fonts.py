import string
from pathlib import Path
from typing import final

import equinox as eqx

from ...errors import BadInput


# Fonts with other pictures at the code points of letters, or with one picture at all of them.
_PICTURES = frozenset(("cmsy10.ttf", "cmex10.ttf", "LastResortHE-Regular.ttf"))


@final
class Font(eqx.Module):
    """A font file, its family, and the code points that it has glyphs for."""

    path: Path
    family: str
    characters: frozenset[int]


def shipped_fonts() -> tuple[Font, ...]:
    """Returns the fonts that matplotlib ships: DejaVu, STIX and Computer Modern."""
    import matplotlib  # Takes half a second to import.

    fonts = find_fonts(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    return tuple(_letters_only(font) if font.family.startswith("cm") else font for font in fonts)


def _letters_only(font: Font) -> Font:
    """Restricts a font to the Latin letters: at all other code points Computer Modern does not follow Unicode."""
    letters = frozenset(ord(c) for c in string.ascii_letters)
    return Font(font.path, font.family, font.characters & letters)


def find_fonts(folder: Path) -> tuple[Font, ...]:
    """Returns the TrueType and OpenType fonts below a folder. Raises `BadInput` if there are fewer than two."""
    from matplotlib.ft2font import FT2Font

    fonts = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".ttf", ".otf") and path.name not in _PICTURES:
            try:
                face = FT2Font(str(path))
                fonts.append(Font(path, face.family_name, frozenset(face.get_charmap())))
            except (RuntimeError, OSError):
                continue  # One damaged file among a user's fonts is no reason to stop.
    if len(fonts) < 2:
        raise BadInput(f"{folder} holds {len(fonts)} readable .ttf or .otf fonts; glyphs need at least two.")
    return tuple(fonts)
