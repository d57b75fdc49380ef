import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from ..evaluation._contestants import LEARNED
from ._plots import panels
from ._request import apart, curves, Drawing, FigureRequest, LEVELS, levels, of_task


def depth(request: FigureRequest) -> Drawing:
    """Draws accuracy against the number of layers, all but the last as wide as the rule's own; --values are depths."""
    wide, features = request.perceptron.widths[0], request.perceptron.widths[-1]
    depths = request.numbers((2, 3, 4, 6, 8, 11), 1)
    rows = _along(request, "layers", depths, lambda layers: (wide,) * (layers - 1) + (features,))
    own = len(request.perceptron.widths)
    caption = (
        f"The rule on base models of different depths: hidden layers of {wide} units, {features} features. The default "
        f"base model has {own} layers. {request.protocol} {LEVELS}"
    )
    return Drawing(_draw(request, rows, "layers"), "Generalisation to depth", caption, rows)


def width(request: FigureRequest) -> Drawing:
    """Draws accuracy against the width of a single hidden layer; --values are widths."""
    features = request.perceptron.widths[-1]
    widths = request.numbers((64, 200, 600, 2000, 10_000), 1)
    rows = _along(request, "units", widths, lambda units: (units, features))
    what = f"The rule on base models of different widths: one hidden layer, {features} features."
    caption = f"{what} {request.protocol} {LEVELS}"
    figure = _draw(request, rows, "units in the hidden layer", "units")
    for axes in figure.axes:
        axes.set_xscale("log")
    return Drawing(figure, "Generalisation to width", caption, rows)


def _along(
    request: FigureRequest, name: str, sizes: Sequence[int], widths: Callable[[int], tuple[int, ...]]
) -> list[dict[str, Any]]:
    rows = []
    for size in sorted(sizes):
        print(f"{name}: {size}", flush=True)
        architecture = dataclasses.replace(request.perceptron, widths=widths(size))
        rows += [{name: size, **row} for row in request.score(LEARNED, architecture)]
    return rows + [{name: None, **row} for row in request.opponents()]


def _draw(request: FigureRequest, rows: list[dict[str, Any]], label: str, along: str | None = None) -> Figure:
    figure, panes = panels(len(request.tasks))
    for axes, task in zip(panes, request.tasks):
        own, constant = apart(of_task(rows, task), along or label)
        levels(axes, constant)
        curves(axes, own, along or label)
        axes.set_xlabel(label)
    return figure
