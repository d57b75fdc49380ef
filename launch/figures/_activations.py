import dataclasses

import numpy as np

from ..evaluation._contestants import LEARNED
from ..options._names import choose
from ..options._networks import ACTIVATIONS
from ._plots import COLOURS, panels
from ._request import apart, Drawing, FigureRequest, LEVELS, levels, of_task


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
        levels(axes, apart(of_task(rows, task), "activation")[1])
        for index, encoder in enumerate(LEARNED):
            own = [row for row in of_task(rows, task) if row["encoder"] == encoder]
            accuracy, error = (100 * np.array([row[key] for row in own]) for key in ("accuracy", "stderr"))
            positions = np.arange(len(own)) + 0.27 * (index - 1)
            axes.bar(positions, accuracy, 0.27, yerr=2 * error, capsize=2, color=COLOURS[index], label=encoder)
        axes.set_xticks(range(len(names)), names)
        axes.set(xlabel="nonlinearity of the base model", ylabel=f"accuracy on {task}, %", ylim=(0, 100))
    panes[-1].legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    caption = (
        f"The rule on base models with different nonlinearities; it was meta-trained on {request.trained.activation}. "
        f"{request.protocol} {LEVELS}"
    )
    return Drawing(figure, "Generalisation to nonlinearities", caption, rows)
