import dataclasses
import io
from pathlib import Path
from typing import Any, final, get_args, Literal

import matplotlib
import numpy as np

from ...errors import BadInput
from ..records._files import write_atomically


matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec


# Distinguishable with all types of colour vision (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")


def panels(count: int, width: float = 5.0, height: float = 3.6, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """Returns a figure and the axes of its panels, at most `columns` in a row; a panel's size is in inches."""
    columns = min(count, columns)
    rows = -(-count // columns)
    size = (width * columns, height * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    axes = list(grid.flat)
    for each in axes[count:]:
        each.remove()
    for each in axes[:count]:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes[:count]


def style(index: int) -> dict[str, Any]:
    """Returns the colour and the marker of the series with this index, as keyword arguments for matplotlib."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def bars(axes: Axes, names: list[str], means: list[float], halves: list[float], **options: Any) -> None:
    """Draws horizontal bars with error bars of half-widths `halves`, the first bar on top."""
    finite = np.where(np.isfinite(halves), halves, 0)  # A single seed has an infinite interval: no error bar.
    axes.barh(names, means, xerr=finite, capsize=3, **options)
    axes.invert_yaxis()


@final
@dataclasses.dataclass(frozen=True)
class Picture:
    """How a figure is written: as which kind of file, how large, and how finely."""

    format: Literal["png", "pdf", "svg"] = "png"
    """Kind of the file: png, or pdf and svg, which can be enlarged."""
    dpi: int = 120
    """Pixels per inch of a png."""
    width: float | None = None
    """Width in inches, such as 3.3 for a column of a paper; by default as wide as the panels want to be. Panels stand
    below each other where they don't fit beside each other."""

    def __post_init__(self):
        if not 20 <= self.dpi <= 2400 or not 1 <= (self.width or 1) <= 100:
            raise BadInput("--dpi lies between 20 and 2400, and --width between 1 and 100 inches.")

    @staticmethod
    def of(path: Path) -> "Picture":
        """The picture that the suffix of a file's name asks for. Raises `BadInput` for another suffix."""
        for known in get_args(Picture.__annotations__["format"]):
            if path.suffix == f".{known}":
                return Picture(known)
        raise BadInput(f"{path} is no name of a picture: let it end in .png, .pdf or .svg.")


PHONE = Picture(dpi=200, width=4.2)
"""For a screen of 400 pixels: letters are as large there as those of the page's text."""


def save(figure: Figure, *pictures: tuple[Path, Picture]) -> None:
    """Writes a figure as each of these pictures and closes it. Raises `BadInput` where a file can't be written."""
    for path, picture in pictures:
        write_atomically(path, drawn(figure, picture))
    plt.close(figure)


def drawn(figure: Figure, picture: Picture) -> bytes:
    """What a file of this picture of a figure holds."""
    if picture.width is not None:
        _arrange(figure, picture.width)
    content = io.BytesIO()
    figure.savefig(content, format=picture.format, dpi=picture.dpi)
    return content.getvalue()


_PANEL, _TILE = 4.0, 1.9
"""Inches that a panel with axes and one with an image need beside others."""


def _arrange(figure: Figure, width: float) -> None:
    """Makes a figure so wide, with as many of its panels beside each other as fit."""
    panes = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    before, height = figure.get_size_inches()
    shape = panes[0].get_subplotspec().get_gridspec()  # pyright: ignore[reportOptionalMemberAccess]
    tiles = all(axes.images for axes in panes)
    columns = min(len(panes), max(1, int(width // (_TILE if tiles else _PANEL))))
    rows = -(-len(panes) // columns)
    grid = GridSpec(rows, columns, figure)
    for place, axes in enumerate(panes):
        axes.set_subplotspec(grid[place // columns, place % columns])
    ratio = (height / shape.nrows) / (before / shape.ncols)
    figure.set_size_inches(width, rows * max(width / columns * ratio, 0.0 if tiles else min(2.6, width)))
