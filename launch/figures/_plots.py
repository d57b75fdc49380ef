from pathlib import Path
from typing import Any

import matplotlib
import numpy as np


matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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


def save(figure: Figure, path: Path) -> None:
    """Writes a figure to a file and closes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
