from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ...errors import BadInput
from ..inspection._numbers import coefficients as coefficients_of
from ..records._run_folder import RunFolder
from ._plots import bars, COLOURS, panels, style
from ._request import Drawing, FigureRequest
from ._snapshots import snapshots


def coefficients(request: FigureRequest) -> Drawing:
    """Draws how much each term counts in a rule, and how that moved in meta-training; --values are meta-steps."""
    found = coefficients_of(request.trained.rule)
    if not found:
        raise BadInput("This rule adds up no terms, so it has no coefficients to draw: name another figure.")
    names, values = list(found), np.array(list(found.values()))
    order = np.argsort(-np.abs(values))
    rows: list[dict[str, Any]] = [{"meta_step": None, "term": names[i], "coefficient": float(values[i])} for i in order]
    kept = bool(request.values or RunFolder(request.trained.folder).snapshots)
    if kept:
        for step, path in snapshots(request).items():
            then = coefficients_of(request.trained.read(path))
            rows += [{"meta_step": step, "term": names[i], "coefficient": then[names[i]]} for i in order]
    figure, (axes, *others) = panels(1 + kept, 6.0, max(1.2 + 0.3 * len(names), 3.0 * kept))
    bars(axes, [names[i] for i in order], values[order].tolist(), [0.0] * len(names), color=COLOURS[0])
    axes.axvline(0.1, color="#555555", linestyle="--", linewidth=1.2, label="at the start")
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="coefficient of the term")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for each in others:
        _along(each, [row for row in rows if row["meta_step"] is not None])
    moved = (
        "Second: the moving average of the coefficients along meta-training."
        if kept
        else "How they moved can't be shown: the rule comes without snapshots of its meta-training."
    )
    caption = (
        "The learned coefficient of each term in the change of a weight. Every term's change is divided by its root "
        f"mean square first, so that coefficients can be compared; a negative one turns the term round. {moved}"
    )
    return Drawing(figure, "What the rule weighs", caption, rows)


def _along(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for index, name in enumerate(dict.fromkeys(row["term"] for row in rows)):
        own = [row for row in rows if row["term"] == name]
        steps, values = ([row[key] for row in own] for key in ("meta_step", "coefficient"))
        axes.plot(steps, values, label=name, markersize=4, **style(index))
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="meta-steps", ylabel="coefficient")
    axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
