import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray, PyTree
from matplotlib.axes import Axes

from ...meta import GradientSamples, InnerLoop, sample_gradients
from ...meta.estimators import AbstractEstimator, FullBackprop, FullES, Population
from ..figures._plots import panels, Picture, save, style
from ..options._estimators import NOISE
from ..options._training import Training
from ..records._files import write_atomically
from ..records._metrics import MEASURED, read_metrics
from ..records._tables import best_in_bold, print_columns
from ..training._meta_run import MetaRun
from ._intervals import Interval


def reference_estimator(training: Training, name: str) -> AbstractEstimator:
    """Returns the estimator that others are compared with: backprop or ES through whole unrolls."""
    tasks = training.tasks_per_step
    return FullBackprop(Population(tasks), None) if name == "backprop" else FullES(Population(tasks, 16), NOISE)


_SCALARS = ("variance", "nonfinite", "inner_steps", "seconds", "memory")


def sampled(
    file: Path, estimator: AbstractEstimator, where: tuple[InnerLoop, PyTree, PRNGKeyArray], samples: int
) -> GradientSamples:
    """Returns samples of an estimator, read from `file` if it exists, else drawn and written to it."""
    if file.exists():
        with np.load(file) as arrays:
            return GradientSamples(arrays["means"], *(arrays[name].item() for name in _SCALARS))
    print(f"{file}: {samples} samples", flush=True)
    found = sample_gradients(estimator, *where, samples)
    content = io.BytesIO()
    np.savez(content, means=found.means, **{name: getattr(found, name) for name in _SCALARS})
    write_atomically(file, content.getvalue())
    return found


def for_seconds(training: Training, seconds: float, seconds_a_step: float) -> Training:
    """Returns the training with as many meta-steps as fit into `seconds`."""
    steps = max(1, round(seconds / seconds_a_step))
    return dataclasses.replace(training, steps=steps, validate_every=max(1, steps // 8), checkpoint_every=steps)


def learned(runs: Sequence[MetaRun]) -> dict[str, Any]:
    """Returns the columns about meta-training with one estimator: accuracies over seeds, and gains over baselines."""

    def accuracy(encoder: str) -> list[float]:
        tables = [[row["accuracy"] for row in run.rows or () if row["encoder"] == encoder] for run in runs]
        return [float(np.mean(table)) for table in tables]

    learned = Interval.of(accuracy("meta-trained"))
    gain = Interval.of([a - b for a, b in zip(accuracy("meta-trained"), accuracy("untrained"))])
    return {
        "meta_steps": runs[0].step,
        "accuracy": learned.mean,
        "accuracy_interval": learned.half,
        "above_untrained": gain.mean,
        "above_untrained_interval": gain.half,
        "above_random_init": float(np.mean(accuracy("meta-trained")) - np.mean(accuracy("random-init"))),
    }


def by_data_set(runs: Sequence[MetaRun]) -> dict[str, Any]:
    """Returns the mean accuracy on each data set, over seeds and readouts: of the rule, and of its random start."""
    rows = [row for run in runs for row in run.rows or ()]
    tasks, encoders = dict.fromkeys(row["task"] for row in rows), ("meta-trained", "random-init")

    def mean(encoder: str, task: str) -> float:
        return float(np.mean([row["accuracy"] for row in rows if (row["encoder"], row["task"]) == (encoder, task)]))

    return {f"{encoder} on {task}": mean(encoder, task) for task in tasks for encoder in encoders}


_START = "random-init on "


def print_rules(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Prints what rules have learned in equal time, with a column for each data set."""
    tasks = [name.removeprefix(_START) for name in rows[0] if name.startswith(_START)]
    starts = [f"{100 * float(np.mean([row[_START + task] for row in rows])):.1f} on {task}" for task in tasks]
    accuracies = {task: [row[f"meta-trained on {task}"] for row in rows] for task in tasks}
    print_columns(
        title,
        {
            "rule": [row["rule"] for row in rows],
            "numbers": [f"{row['numbers']:,}" for row in rows],
            "ms an\ninner step": [f"{1e3 * row['seconds'] / row['inner_steps']:.2f}" for row in rows],
            "meta-\nsteps": [f"{row['meta_steps']:,}" for row in rows],
            "accuracy\n%": [Interval(row["accuracy"], row["accuracy_interval"]).text() for row in rows],
            "above\nuntrained": [
                Interval(row["above_untrained"], row["above_untrained_interval"]).text(sign=True) for row in rows
            ],
            **{
                f"{task}\n%": best_in_bold([f"{100 * value:.1f}" for value in values], values)
                for task, values in accuracies.items()
            },
        },
        "numbers: meta-parameters; an inner step with its share of the meta-gradient; ± is half a 95% confidence "
        f"interval over seeds; random starts: {', '.join(starts)}",
    )


def plot_rules(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws accuracy against the number of meta-parameters, and the validation loss along meta-training."""
    figure, axes = panels(2)
    for index, row in enumerate(rows):
        where = [row["numbers"]], [100 * row["accuracy"]]
        half = row["accuracy_interval"]
        axes[0].errorbar(*where, yerr=[100 * half] if math.isfinite(half) else None, color=style(index)["color"])
        axes[0].scatter(*where, **style(index), label=row["rule"])
        _curve(axes[1], index, path / row["rule"].replace(":", "-"))
    axes[0].set(xscale="log", xlabel="meta-parameters", ylabel="accuracy in %")
    axes[1].set(xlabel="seconds, without compilation", ylabel="best validation loss (mean of seeds)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    save(figure, (path / "comparison.png", Picture()))


def print_comparison(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    columns = {
        "estimator": [row["estimator"] for row in rows],
        "bias": [f"{row['bias']:.2f}" for row in rows],
        "least\nvisible bias": [f"{row['resolution']:.2f}" for row in rows],
        "variance": [f"{row['variance']:.3g}" for row in rows],
        "cosine": [f"{row['cosine']:.2f}" for row in rows],
        "not\nfinite %": [f"{100 * row['nonfinite']:.1f}" for row in rows],
        "inner\nsteps": [f"{row['inner_steps']:,.0f}" for row in rows],
        "seconds": [f"{row['seconds']:.3f}" for row in rows],
        "memory\nMB": [f"{row['memory'] / 1e6:.1f}" for row in rows],
    }
    caption = "bias, variance and cosine (to the reference) of one estimate, in units of the reference's norm"
    if "accuracy" in rows[0]:
        columns |= {
            "meta-\nsteps": [str(row["meta_steps"]) for row in rows],
            "accuracy\n%": [Interval(row["accuracy"], row["accuracy_interval"]).text() for row in rows],
            "above\nuntrained": [
                Interval(row["above_untrained"], row["above_untrained_interval"]).text(sign=True) for row in rows
            ],
        }
        caption += "; ± is half a 95% confidence interval over seeds"
    print_columns(title, columns, caption)


def plot_comparison(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    has_accuracy = "accuracy" in rows[0]
    figure, axes = panels(2 + has_accuracy)
    for index, row in enumerate(rows):
        axes[0].scatter(row["seconds"], row["variance"], **style(index), label=row["estimator"])
        bias = row["bias"] if row["bias"] > row["resolution"] else row["resolution"]
        # A hollow marker is an upper limit: any bias is below what this number of samples can resolve.
        axes[1].scatter(row["seconds"], bias, **(style(index) if row["bias"] > row["resolution"] else _hollow(index)))
        if has_accuracy:
            _curve(axes[2], index, path / row["estimator"].replace(":", "-"))
    axes[0].set(xscale="log", yscale="log", xlabel="seconds for one estimate", ylabel="variance of one estimate / |g|²")
    axes[1].set(xscale="log", yscale="log", xlabel="seconds for one estimate", ylabel="bias / |g|")
    axes[1].set_title("hollow: upper limit, no significant bias", fontsize=9)
    if has_accuracy:
        axes[2].set(xlabel="seconds, without compilation", ylabel="best validation loss (mean of seeds)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    save(figure, (path / "comparison.png", Picture()))


def _hollow(index: int) -> dict[str, Any]:
    own = style(index)
    return {"marker": own["marker"], "facecolors": "none", "edgecolors": own["color"]}


def _curve(axes: Axes, index: int, folder: Path) -> None:
    """Draws the best validation loss against seconds: the mean over seeds, and their range as a band."""
    times, losses = [], []
    for file in sorted(folder.glob("seed*/metrics.jsonl")):
        lines = read_metrics(file, MEASURED)
        validated = [line for line in lines if "best_validation_loss" in line]
        times.append([line.get("own_seconds", line["seconds"]) for line in validated])
        losses.append([line["best_validation_loss"] for line in validated])
    own = style(index)
    axes.plot(np.mean(times, 0), np.mean(losses, 0), color=own["color"], marker=own["marker"], markersize=3)
    axes.fill_between(np.mean(times, 0), np.min(losses, 0), np.max(losses, 0), color=own["color"], alpha=0.12, lw=0)
