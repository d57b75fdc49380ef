import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...errors import BadInput
from ...models import AbstractArchitecture, MultiLayerPerceptron
from ...rules import AbstractRule
from ..encoders._trained_rule import TrainedRule
from ..evaluation._contestants import Comparators, encoders_of, OPPONENTS
from ..evaluation._data import load_all
from ..evaluation._protocol import Protocol
from ._plots import style


@final
@dataclasses.dataclass(frozen=True)
class FigureRequest:
    """The options of `metarule figure`.

    `trained` is the rule and `tasks` the names of data sets. `values` are those on the figure's own axis, or empty for
    its defaults. `steps` are inner steps, `labels` labelled examples per class, `queries` test examples per
    seed. `budget` is the fraction of their training steps that baselines get. `others` are more rules, for figures that
    show several.
    """

    trained: TrainedRule
    tasks: tuple[str, ...]
    values: tuple[str, ...]
    steps: int
    labels: int
    seeds: int
    queries: int
    budget: float
    data_dir: Path | None
    others: tuple[TrainedRule, ...] = ()

    def numbers(self, default: Sequence[int], low: int) -> list[int]:
        """Returns the values as integers of at least `low`, or the defaults. Raises `BadInput` for other values."""
        for value in self.values:
            if not value.isdecimal() or int(value) < low:
                raise BadInput(f"--values for this figure are whole numbers of {low} or more; got {value!r}.")
        return [int(value) for value in self.values] or list(default)

    @property
    def perceptron(self) -> MultiLayerPerceptron:
        """The rule's base model, for figures that change its widths. Raises `BadInput` for one that has none."""
        architecture = self.trained.architecture
        if not isinstance(architecture, MultiLayerPerceptron):
            raise BadInput(
                "This figure changes the layer widths of a perceptron, but the rule's base model is another."
            )
        return architecture

    def score(
        self, names: Sequence[str], architecture: AbstractArchitecture, rule: AbstractRule | None = None
    ) -> list[dict[str, Any]]:
        """Scores encoders on every data set and returns rows, as `metarule evaluate` writes them.

        `names` are those of encoders, `rule` replaces the meta-trained rule.
        """
        protocol = Protocol(
            architecture,
            labels=self.labels,
            seeds=self.seeds,
            queries=self.queries,
            batch_size=self.trained.batch_size,
        )
        comparators = Comparators(
            protocol, rule or self.trained.rule, self.trained.untrained(), (self.steps,), budget=self.budget
        )
        encoders = encoders_of(names, comparators)
        data_sets = load_all(self.tasks, self.data_dir, self.labels)
        return [{**row} for row in protocol.rows(encoders, data_sets)]

    def opponents(self) -> list[dict[str, Any]]:
        """Scores what costs no meta-training, raw inputs and k-means, once: no axis of a figure changes it."""
        return self.score(OPPONENTS, self.trained.architecture)

    @property
    def protocol(self) -> str:
        """How accuracies were measured, as the last sentences of a caption."""
        return (
            f"Ridge regression on {self.labels} labels per class; error bars: two standard errors over {self.seeds} "
            f"seeds of initialisation, input order and examples. {self.steps} inner steps on unlabelled examples."
        )


def of_task(rows: Sequence[Mapping[str, Any]], task: str) -> list[Mapping[str, Any]]:
    """Returns the rows of one data set whose readout is ridge regression; figures show only these."""
    return [row for row in of_readout(rows) if row["task"] == task]


def of_readout(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the rows whose readout is ridge regression."""
    return [row for row in rows if row["readout"] == "ridge"]


def apart(rows: Sequence[Mapping[str, Any]], along: str) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Returns the rows that have a place on the axis `along`, and the others."""
    return [row for row in rows if row[along] is not None], [row for row in rows if row[along] is None]


def curves(axes: Axes, rows: Sequence[Mapping[str, Any]], along: str) -> None:
    """Draws accuracy in % against the column `along`, one line with error bars for each encoder."""
    for index, name in enumerate(dict.fromkeys(row["encoder"] for row in rows)):
        own = [row for row in rows if row["encoder"] == name]
        accuracy, error = (100 * np.array([row[key] for row in own]) for key in ("accuracy", "stderr"))
        places = [row[along] for row in own]
        axes.errorbar(places, accuracy, 2 * error, capsize=3, markersize=5, label=name, **style(index))
    axes.set_ylabel(f"accuracy on {rows[0]['task']}, %")
    axes.legend(frameon=False)


LEVELS = "Broken lines: raw inputs and k-means, which cost no meta-training."


def levels(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draws the accuracy in % of encoders that don't depend on the axis as broken lines from side to side."""
    for row, pattern in zip(rows, ("--", ":", "-.")):
        accuracy, name = 100 * row["accuracy"], row["encoder"]
        axes.axhline(accuracy, color="#555555", linestyle=pattern, linewidth=1.2, label=name, zorder=1)


@final
class Drawing(NamedTuple):
    """A figure, its title, its caption, and its numbers as rows of a table."""

    figure: Figure
    title: str
    caption: str
    rows: Sequence[Mapping[str, Any]]
