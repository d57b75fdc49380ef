import numpy as np

from ._plots import COLOURS, panels
from ._request import Drawing, FigureRequest, of_task


_NAMES = ("meta-trained", "untrained", "random-init", "raw", "pca", "kmeans")


def generalisation(request: FigureRequest) -> Drawing:
    """Draws accuracy on each data set, for the rule and for baselines; --values are names of encoders."""
    names = request.values or _NAMES
    rows = request.score(names, request.trained.architecture)
    figure, (axes,) = panels(1, 2.5 + 0.4 * len(names) * len(request.tasks), 3.8)
    thickness = 0.84 / len(names)
    for index, name in enumerate(names):
        own = [next(row for row in of_task(rows, task) if row["encoder"] == name) for task in request.tasks]
        accuracy, error = (100 * np.array([row[key] for row in own]) for key in ("accuracy", "stderr"))
        positions = np.arange(len(own)) + (index - (len(names) - 1) / 2) * thickness
        hatch = "//" if index >= len(COLOURS) else None  # There are more encoders than colours.
        colour = COLOURS[index % len(COLOURS)]
        axes.bar(positions, accuracy, thickness, yerr=2 * error, capsize=2, color=colour, label=name, hatch=hatch)
    axes.set_xticks(range(len(request.tasks)), request.tasks)
    axes.set(xlabel="data set", ylabel="accuracy, %", ylim=(0, 100))
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, loc="outside right upper")
    caption = f"Accuracy with features of the meta-trained rule and of other encoders. {request.protocol}"
    return Drawing(figure, "Generalisation to data sets", caption, rows)
