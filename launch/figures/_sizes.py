import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from ..evaluation._contestants import LEARNED
from ._plots import panels
from ._request import Asked, curves, Drawing, of_task


def depth(asked: Asked) -> Drawing:
    """Accuracy with base models of 2 to 11 layers, all but the last as wide as the rule's own; --values are depths."""
    wide, features = asked.use.architecture.widths[0], asked.use.architecture.widths[-1]
    depths = asked.numbers((2, 3, 4, 6, 8, 11), 1)
    rows = _along(asked, "layers", depths, lambda layers: (wide,) * (layers - 1) + (features,))
    own = len(asked.use.architecture.widths)
    caption = (
        f"The rule on base models of other depths: hidden layers of {wide} units, {features} features. The one that "
        f"the table is made with has {own} layers. {asked.protocol}"
    )
    return Drawing(_draw(asked, rows, "layers"), "Generalisation to depth", caption, rows)


def width(asked: Asked) -> Drawing:
    """Accuracy with one hidden layer of 64 to 10,000 units; --values are widths."""
    features = asked.use.architecture.widths[-1]
    widths = asked.numbers((64, 200, 600, 2000, 10_000), 1)
    rows = _along(asked, "units", widths, lambda units: (units, features))
    caption = (
        f"The rule on base models of other widths: one hidden layer of so many units, and {features} features. "
        f"{asked.protocol}"
    )
    figure = _draw(asked, rows, "units in the hidden layer", "units")
    for axes in figure.axes:
        axes.set_xscale("log")
    return Drawing(figure, "Generalisation to width", caption, rows)


def _along(
    asked: Asked, name: str, sizes: Sequence[int], widths: Callable[[int], tuple[int, ...]]
) -> list[dict[str, Any]]:
    rows = []
    for size in sorted(sizes):
        print(f"{name}: {size}", flush=True)
        architecture = dataclasses.replace(asked.use.architecture, widths=widths(size))
        rows += [{name: size, **row} for row in asked.score(LEARNED, architecture)]
    return rows


def _draw(asked: Asked, rows: list[dict[str, Any]], label: str, along: str | None = None) -> Figure:
    figure, panes = panels(len(asked.tasks))
    for axes, task in zip(panes, asked.tasks):
        curves(axes, of_task(rows, task), along or label)
        axes.set_xlabel(label)
    return figure
