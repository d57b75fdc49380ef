from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..evaluation._verdict import verdict
from ._plots import COLOURS, panels
from ._request import Drawing, FigureRequest, of_readout


_NAMES = ("meta-trained", "untrained", "random-init", "raw", "pca", "kmeans")


def generalisation(request: FigureRequest) -> Drawing:
    """Draws accuracy on each data set, for the rule and for baselines; --values are names of encoders."""
    rows = request.score(request.values or _NAMES, request.trained.architecture)
    caption = f"Accuracy with features of the meta-trained rule and of other encoders. {request.protocol}"
    sentence = verdict(rows)
    caption += f" {sentence}" if sentence else ""
    return Drawing(_bars(of_readout(rows)), "Generalisation to data sets", caption, rows)


def results(rows: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draws the final table of a run: the accuracy of the rule beside its opponents, by ridge regression."""
    own = of_readout(rows) or list(rows)
    caption = f"Ridge regression on {own[0]['labelled']:,} labelled examples; error bars: two standard errors."
    return Drawing(_bars(own), "Accuracy with few labels", caption, own)


def _bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Bars of every data set side by side, one for each encoder."""
    names, tasks = (tuple(dict.fromkeys(row[key] for row in rows)) for key in ("encoder", "task"))
    figure, (axes,) = panels(1, 2.5 + 0.4 * len(names) * len(tasks), 3.8)
    thickness = 0.84 / len(names)
    for index, name in enumerate(names):
        own = [next(row for row in rows if (row["encoder"], row["task"]) == (name, task)) for task in tasks]
        accuracy, error = (100 * np.array([row[key] for row in own]) for key in ("accuracy", "stderr"))
        positions = np.arange(len(own)) + (index - (len(names) - 1) / 2) * thickness
        hatch = "//" if index >= len(COLOURS) else None  # There are more encoders than colours.
        colour = COLOURS[index % len(COLOURS)]
        axes.bar(positions, accuracy, thickness, yerr=2 * error, capsize=2, color=colour, label=name, hatch=hatch)
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set(xlabel="data set", ylabel="accuracy, %", ylim=(0, 100))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=3)
    return figure
