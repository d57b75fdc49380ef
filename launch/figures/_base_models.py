import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...errors import BadInput
from ...models import MultiLayerPerceptron
from ..evaluation._contestants import LEARNED
from ..options._names import choose
from ..options._networks import ACTIVATIONS
from ._plots import COLOURS, panels
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


def activation(request: FigureRequest) -> Drawing:
    """Draws accuracy against the base model's nonlinearity; --values are names of nonlinearities."""
    names = request.values or tuple(ACTIVATIONS)
    chosen = {name: choose(name, ACTIVATIONS, "activation") for name in names}
    rows = []
    for name, function in chosen.items():
        print(f"activation: {name}", flush=True)
        architecture = dataclasses.replace(request.trained.architecture, activation=function)
        rows += [{"activation": name, **row} for row in request.score(LEARNED, architecture)]
    rows += [{"activation": None, **row} for row in request.opponents()]
    figure, panes = panels(len(request.tasks), 5.6)
    for axes, task in zip(panes, request.tasks):
        own, constant = apart(of_task(rows, task), "activation")
        levels(axes, constant)
        _groups(axes, own, "activation")
        axes.set(xlabel="nonlinearity of the base model", ylabel=f"accuracy on {task}, %", ylim=(0, 100))
    panes[-1].legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    caption = (
        f"The rule on base models with different nonlinearities; it was meta-trained on {request.trained.activation}. "
        f"{request.protocol} {LEVELS}"
    )
    return Drawing(figure, "Generalisation to nonlinearities", caption, rows)


def architecture(request: FigureRequest) -> Drawing:
    """Draws accuracy of one or several rules on base models of different kinds; --values are networks."""
    own = request.trained.network if isinstance(request.trained.architecture, MultiLayerPerceptron) else _PERCEPTRON
    networks = request.values or (own, *_IMAGE_NETWORKS)
    rules = (request.trained, *request.others)
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise BadInput(f"Two of these rules are called {max(names, key=names.count)}: give rules of different names.")
    # All networks are made before anything is computed: one that can't be is refused at once.
    placed = {text: [rule.on(text) for rule in rules] for text in networks}
    *_, start = LEARNED
    rows = []
    for text, own_rules in placed.items():
        print(f"network: {text}", flush=True)
        for place, (name, rule) in enumerate(zip(names, own_rules)):
            scored = dataclasses.replace(request, trained=rule)
            # The random start is that of the network, whatever the rule: it is scored once.
            found = scored.score(("meta-trained", *[start] * (place == 0)), rule.architecture)
            rows += [
                {"network": text, **row, "encoder": row["encoder"] if row["encoder"] == start else name}
                for row in found
            ]
    raw = request.score(("raw",), request.trained.architecture)
    rows += [{"network": None, **row} for row in raw]
    figure, panes = panels(len(request.tasks), 2.0 + 1.6 * len(networks), 4.0, columns=1)
    for axes, task in zip(panes, request.tasks):
        bars, constant = apart(of_task(rows, task), "network")
        levels(axes, constant)
        _groups(axes, bars, "network")
        axes.set(xlabel="base model", ylabel=f"accuracy on {task}, %", ylim=(0, 100))
    panes[0].legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    several = "The same rules" if len(rules) > 1 else "The same rule"
    caption = (
        f"{several} on base models of different kinds, beside the random start of each. {request.protocol} Perceptrons "
        "get inputs in a random order, the others images in their own. Broken line: raw inputs."
    )
    return Drawing(figure, "Generalisation to architectures", caption, rows)


_PERCEPTRON = "128-64"
"""The perceptron beside a rule that was meta-trained on other base models."""

_IMAGE_NETWORKS = ("conv3x3x32-3x3s2x64-quadrants", "attention4x4s2x32h2b1-quadrants")
"""Base models that fit images from 8 x 8 pixels on."""


def _groups(axes: Axes, rows: Sequence[Mapping[str, Any]], along: str) -> None:
    """Draws accuracy in % as bars with error bars: a group for each value on the axis, a colour for each encoder."""
    places, encoders = (tuple(dict.fromkeys(row[key] for row in rows)) for key in (along, "encoder"))
    thickness = 0.81 / len(encoders)
    for index, encoder in enumerate(encoders):
        own = [row for row in rows if row["encoder"] == encoder]
        accuracy, error = (100 * np.array([row[key] for row in own]) for key in ("accuracy", "stderr"))
        positions = [places.index(row[along]) + thickness * (index - (len(encoders) - 1) / 2) for row in own]
        colour = COLOURS[index % len(COLOURS)]
        axes.bar(positions, accuracy, thickness, yerr=2 * error, capsize=2, color=colour, label=encoder)
    axes.set_xticks(
        range(len(places)), [place.replace("-", "-\n", 1) if len(place) > 14 else place for place in places]
    )


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
