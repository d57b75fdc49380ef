from collections.abc import Mapping, Sequence
from typing import Any, final, NamedTuple

from matplotlib.figure import Figure


@final
class Drawing(NamedTuple):
    """A picture, its title, a caption that says what is seen, and the numbers in it as rows of a table."""

    figure: Figure
    title: str
    caption: str
    rows: Sequence[Mapping[str, Any]]
