import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..evaluation._contestants import LEARNED
from ._plots import panels
from ._request import apart, curves, Drawing, FigureRequest, LEVELS, levels, of_task
from ._snapshots import own_seconds, snapshots


def transfer(request: FigureRequest) -> Drawing:
    """Draws the accuracy of rules saved during meta-training against meta-steps; --values are meta-steps."""
    files = snapshots(request)
    rules = {step: request.trained.read(path) for step, path in files.items()}
    spent = own_seconds(request, files)
    *_, start = LEARNED
    constant = request.score((start,), request.trained.architecture)  # The random initialisation: no rule, scored once.
    rows = []
    for step, rule in rules.items():
        print(f"meta-step {step}", flush=True)
        at = {"meta_step": step, "meta_seconds": spent[step]}
        rows += [{**at, **row} for row in request.score(("meta-trained",), request.trained.architecture, rule)]
        rows += [{**at, **row} for row in constant]
    rows += [{"meta_step": None, "meta_seconds": None, **row} for row in request.opponents()]
    figure, panes = panels(len(request.tasks), height=4.0)
    for axes, task in zip(panes, request.tasks):
        own, others = apart(of_task(rows, task), "meta_step")
        levels(axes, others)
        curves(axes, own, "meta_step")
        axes.set_xlabel("meta-steps")
        _minutes(axes, spent)
    caption = (
        "The moving average of the meta-parameters during meta-training (at step 0: the initial rule), on data that "
        f"the rule was not meta-trained on. Top axis: minutes of meta-training, without compilation. "
        f"{request.protocol} {LEVELS}"
    )
    return Drawing(figure, "Transfer along meta-training", caption, rows)


def _minutes(axes: Axes, spent: dict[int, float]) -> None:
    """Adds a second x axis at the top with the minutes of meta-training."""
    steps, minutes = np.array(list(spent)), np.array(list(spent.values())) / 60
    if not (np.diff(minutes) > 0).all() or len(steps) < 2:
        return  # The map between the axes must be invertible.
    to_minutes = lambda step: np.interp(step, steps, minutes)
    to_steps = lambda minute: np.interp(minute, minutes, steps)
    above = axes.secondary_xaxis("top", functions=(to_minutes, to_steps))
    ticks = MaxNLocator(6).tick_values(minutes[0], minutes[-1])
    above.set_xticks([tick for tick in ticks if minutes[0] <= tick <= minutes[-1]])
    above.set_xlabel("minutes of meta-training")
