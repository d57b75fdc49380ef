from typing import Any

import numpy as np
from jaxtyping import Float

from ...errors import BadInput
from ...tasks import load
from ..inspection._numbers import coefficients
from ..inspection._shares import pushes
from ..options._ingredients import additive
from ._plots import COLOURS, panels
from ._request import Drawing, FigureRequest


_SMOOTH = 10
"""Inner steps that a point of a curve is the mean of, at most."""


def terms(request: FigureRequest) -> Drawing:
    """Draws the share of each term in the change of weights, and its size, over layers and inner steps."""
    trained, name = request.trained, request.tasks[0]
    if additive(trained.rule) is None:
        raise BadInput("This rule adds up no terms, so that its change can't be split: name another figure.")
    if request.steps < 1:
        raise BadInput("Without inner steps there is no change to split: give --steps of 1 or more.")
    measured = pushes(trained, load(name, request.data_dir), request.steps)
    layers = measured.whole.shape[1]
    figure, panes = panels(2 * layers, 4.4, 3.0, columns=layers)
    rows: list[dict[str, Any]] = []
    for layer in range(layers):
        shares, sizes = panes[layer], panes[layers + layer]
        for index, part in enumerate(measured.parts):
            share, size = measured.share[:, layer, index], measured.size[:, layer, index]
            rows += [
                {"layer": layer + 1, "step": step, "part": part, "share": float(a), "size": float(b)}
                for step, (a, b) in enumerate(zip(share, size), 1)
            ]
            look: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)]}
            look["linestyle"] = ("-", "--", ":")[index // len(COLOURS) % 3]
            for axes, values in ((shares, share), (sizes, size)):
                steps, smooth = _smoothed(100 * values)
                axes.plot(steps, smooth, label=part, linewidth=1.8, **look)
        shares.set_title(f"layer {layer + 1}")
        shares.axhline(0, color="#999999", linewidth=0.8)
        sizes.set(xlabel="inner step", ylim=(0, None))
    panes[0].set_ylabel("share of the change, %")
    panes[layers].set_ylabel("size / weights, %")
    figure.legend(*panes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=5)
    others = ", ".join(part for part in measured.parts if part not in coefficients(trained.rule))
    caption = (
        f"The rule trains a base model {trained.network} on {name}, one start. Top: the share of each part in the "
        "change of a layer's weights; all shares sum to 100 %, and a part that pushes against the whole change has a "
        "negative one. Bottom: the root mean square of what the part adds in one step, relative to the weights. Parts "
        f"are the terms and {others}. Means of {min(_SMOOTH, request.steps)} steps."
    )
    return Drawing(figure, "What each term does", caption, rows)


def _smoothed(values: Float[np.ndarray, " step"]) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    width = min(_SMOOTH, len(values))
    means = np.convolve(values, np.ones(width) / width, "valid")
    return np.arange(width, len(values) + 1, dtype=float), means
