import numpy as np

from ...errors import BadInput
from ..records._metrics import MEASURED, read_metrics
from ..records._run_folder import RunFolder
from ._plots import COLOURS, panels
from ._request import Drawing, FigureRequest
from ._snapshots import nothing_kept


def training(request: FigureRequest) -> Drawing:
    """Draws the meta-loss and the norm of the meta-gradient against meta-steps, from the metrics of the run."""
    path = RunFolder(request.trained.folder).metrics
    if not path.exists():
        raise nothing_kept(request, f"There are no metrics at {path}")
    lines = read_metrics(path, MEASURED)
    if not lines:
        raise BadInput(f"{path} is empty: give the folder of a run that has made a meta-step.")
    steps = np.array([line["step"] for line in lines])
    loss = np.array([float(line["meta_loss"]) for line in lines])
    smooth = _smooth(loss, max(1, len(loss) // 20))
    figure, (left, right) = panels(2)
    left.plot(steps, loss, color="#BBBBBB", linewidth=1, label="meta-loss of a step")
    left.plot(steps, smooth, color=COLOURS[0], label=f"mean of the last {max(1, len(loss) // 20)}")
    validated = [line for line in lines if "best_validation_loss" in line]
    best = [float(line["best_validation_loss"]) for line in validated]
    left.plot([line["step"] for line in validated], best, color=COLOURS[1], marker="o", label="best validation")
    left.set(xlabel="meta-steps", ylabel="meta-loss (few-shot, held-out labels)")
    left.legend(frameon=False)
    norm = np.array([float(line.get("gradient_norm", np.nan)) for line in lines])
    right.plot(steps, norm, color=COLOURS[2], linewidth=1)
    right.set(xlabel="meta-steps", ylabel="norm of the meta-gradient", yscale="log")
    names = (
        "step",
        "meta_loss",
        "best_validation_loss",
        "gradient_norm",
        "signal_to_noise",
        "nonfinite",
        "seconds",
        "own_seconds",
    )
    rows = [{name: line.get(name) for name in names} | {"smoothed": mean} for line, mean in zip(lines, smooth)]
    caption = (
        f"First: the meta-loss over {len(lines)} meta-steps, its running mean, and the lowest loss so far on "
        "validation tasks, which selects the rule. Second: the norm of the estimated meta-gradient before clipping. "
        f"{lines[-1]['seconds']:,.0f} s in all, with compilation."
    )
    return Drawing(figure, "Meta-training", caption, rows)


def _smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Returns the running mean of the last `window` values, of fewer at the start, over the finite values."""
    finite = np.isfinite(values)
    sums, counts = np.cumsum(np.where(finite, values, 0)), np.cumsum(finite)
    before = np.arange(len(values)) - window
    earlier = lambda total: np.where(before >= 0, total[before], 0)
    return (sums - earlier(sums)) / np.maximum(counts - earlier(counts), 1)
