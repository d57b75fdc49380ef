import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..evaluation._contestants import LEARNED
from ..options._recipes import build
from ..records._rule_file import load_rule, read_header
from ._plots import panels
from ._request import curves, Drawing, FigureRequest, of_task
from ._snapshots import snapshots


def transfer(request: FigureRequest) -> Drawing:
    """Accuracy of the rule along its meta-training, as the run kept it; --values are meta-steps."""
    kept = snapshots(request)
    rules = {step: load_rule(path, build) for step, path in kept.items()}
    spent = {step: read_header(path)[1]["seconds"] for step, path in kept.items()}
    *_, start = LEARNED
    still = request.score((start,), request.trained.architecture)
    rows = []
    for step, rule in rules.items():
        print(f"meta-step {step}", flush=True)
        at = {"meta_step": step, "meta_seconds": spent[step]}
        rows += [{**at, **row} for row in request.score(("meta-trained",), request.trained.architecture, rule)]
        rows += [{**at, **row} for row in still]
    figure, panes = panels(len(request.tasks), height=4.0)
    for axes, task in zip(panes, request.tasks):
        curves(axes, of_task(rows, task), "meta_step")
        axes.set_xlabel("meta-steps")
        _minutes(axes, spent)
    caption = (
        "The moving average of the meta-parameters along the run, the rule that it began with at step 0, on data that "
        f"it was not meta-trained on. Above: minutes of meta-training, compilation included. {request.protocol}"
    )
    return Drawing(figure, "Transfer along meta-training", caption, rows)


def _minutes(axes: Axes, spent: dict[int, float]) -> None:
    """A second axis with the time of meta-training."""
    steps, minutes = np.array(list(spent)), np.array(list(spent.values())) / 60
    if not (np.diff(minutes) > 0).all() or len(steps) < 2:
        return
    there = lambda step: np.interp(step, steps, minutes)
    back = lambda minute: np.interp(minute, minutes, steps)
    above = axes.secondary_xaxis("top", functions=(there, back))
    ticks = MaxNLocator(6).tick_values(minutes[0], minutes[-1])
    above.set_xticks([tick for tick in ticks if minutes[0] <= tick <= minutes[-1]])
    above.set_xlabel("minutes of meta-training")
