from typing import Any

import jax.random as jr
import numpy as np

from ...errors import BadInput
from ..inspection._response import Probe, response as response_of
from ..options._networks import ACTIVATIONS
from ._plots import panels
from ._request import Drawing, FigureRequest


_WEIGHTS = (-1.0, 0.0, 1.0)
_SIGNALS = (-1.0, 0.0, 1.0)
_MODELS = 4
"""Random probes whose responses are averaged."""


def response(request: FigureRequest) -> Drawing:
    """Draws the change of a weight against activity on both of its sides; --values are weights."""
    weights = _numbers(request.values) or _WEIGHTS
    trained = request.trained
    probe = Probe(trained.architecture.features, activation=ACTIVATIONS[trained.activation])
    keys = [jr.fold_in(jr.key(0), index) for index in range(_MODELS)]
    mean = lambda at: np.mean([response_of(trained.rule, probe, at, key) for key in keys], 0)
    found = {(weight, signal): mean((weight, signal)) for signal in _SIGNALS for weight in weights}
    largest = max(float(np.abs(each).max()) for each in found.values()) or 1.0
    heard = any(np.abs(found[weight, signal] - found[weight, 0.0]).max() > 1e-4 * largest for weight, signal in found)
    signals = _SIGNALS if heard else (0.0,)  # A local rule hears of nothing from above: all rows would be alike.
    figure, panes = panels(len(weights) * len(signals), 2.5, 2.4, columns=len(weights))
    rows: list[dict[str, Any]] = []
    for axes, (signal, weight) in zip(panes, ((signal, weight) for signal in signals for weight in weights)):
        changes = found[weight, signal]
        rows += [
            {"signal": signal, "weight": weight, "pre": pre, "post": post, "change": float(changes[i, j])}
            for i, pre in enumerate(probe.pre)
            for j, post in enumerate(probe.post)
        ]
        axes.pcolormesh(probe.pre, probe.post, changes.T, cmap="RdBu_r", vmin=-largest, vmax=largest, rasterized=True)
        if np.ptp(changes) > 0.02 * largest:
            axes.contour(probe.pre, probe.post, changes.T, levels=[0.0], colors="black", linewidths=0.8)
        above = f", from above {signal:g}" if heard else ""
        axes.set_title(f"weight {weight:g}{above}", fontsize="small")
    for axes in panes[-len(weights) :]:
        axes.set_xlabel("presynaptic activity")
    for axes in panes[:: len(weights)]:
        axes.set_ylabel("postsynaptic input")
    figure.colorbar(panes[0].collections[0], ax=panes, label="change / weights", shrink=0.8)
    from_above = (
        "Rows: the error signal, set by the weights that join the unit to those above it: turned round (-1), none (0), "
        "and as they are (+1)."
        if heard
        else "What the units above do makes no difference to this rule."
    )
    caption = (
        "What one example adds to a weight, were all examples like it, against the activity of the presynaptic unit "
        "and the sum of inputs of the postsynaptic one, in standard deviations over the other examples. "
        "Columns: the weight. Weights and changes are in root mean squares of the unit's weights; black lines: no "
        f"change. {from_above} Means of {_MODELS} random base models."
    )
    return Drawing(figure, "How a weight responds to activity", caption, rows)


def _numbers(values: tuple[str, ...]) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in values)
    except ValueError as error:
        raise BadInput(f"--values for this figure are weights, such as -1 0 1; got {' '.join(values)}.") from error
    if any(not abs(value) <= 3 for value in found):
        raise BadInput(
            "--values for this figure are weights between -3 and 3, in root mean squares of all of a unit's."
        )
    return found
