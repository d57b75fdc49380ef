import dataclasses
from collections.abc import Sequence
from typing import final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ...errors import BadInput
from ._rows import Row


Table = Float[np.ndarray, "task encoder"]

RAW = "raw"
"""The encoder that leaves inputs as they are: what others must not fall below."""

_RESAMPLES = 10_000


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """Accuracies in [0, 1] of the same encoders on several data sets, for every seed: the mean of all readouts.

    The mean is taken because it leaves nothing to choose: the better readout of each encoder can only be known from the
    test examples, and favours whoever has more of them.
    """

    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    accuracies: Float[np.ndarray, "task encoder seed"]

    @staticmethod
    def of(rows: Sequence[Row]) -> "Scores":
        """Collects the rows of a table. An encoder that was scored after several numbers of steps is one for each.

        Raises `BadInput` where there is no row, and where an encoder or a seed is missing on a data set.
        """
        names = encoder_names(rows)
        cells: dict[tuple[str, str], list[list[float]]] = {}
        for row, name in zip(rows, names):
            cells.setdefault((row["task"], name), []).append(row["accuracies"])
        tasks, encoders = tuple(dict.fromkeys(row["task"] for row in rows)), tuple(dict.fromkeys(names))
        shapes = {(len(cell), *map(len, cell)) for cell in cells.values()}
        if len(shapes) != 1 or len(cells) != len(tasks) * len(encoders):
            raise BadInput("Encoders can be compared where all have the same seeds and readouts on every data set.")
        accuracies = [[np.mean(cells[task, name], axis=0) for name in encoders] for task in tasks]
        return Scores(tasks, encoders, np.array(accuracies))

    @property
    def mean(self) -> Table:
        """Accuracies, averaged over seeds."""
        return self.accuracies.mean(2)

    @property
    def standard_error(self) -> Table:
        """The standard error of `mean` over seeds; zero for a single seed."""
        return standard_error(self.accuracies)


def encoder_names(rows: Sequence[Row]) -> list[str]:
    """The encoder of each row, with its number of steps where the rows hold several of it on one data set."""
    several = {}
    for row in rows:
        several.setdefault((row["task"], row["encoder"]), set()).add(row["steps"])
    curves = {encoder for (_, encoder), steps in several.items() if len(steps) > 1}
    return [f"{row['encoder']}, {row['steps']:,} steps" if row["encoder"] in curves else row["encoder"] for row in rows]


@final
class Bootstrapped(NamedTuple):
    """A mean over data sets and its 95% interval: that of the means of data sets drawn with replacement."""

    mean: float
    low: float
    high: float


@final
@dataclasses.dataclass(frozen=True)
class Standing:
    """How an encoder does on a suite, beside the others that were scored there.

    `rank` counts from 1, the best; those that tie share the mean of their places. `distance` is how far below the best
    encoder of each data set it is, in [0, 1]. `near_best` counts the data sets where that distance is at most its
    standard error, and `below_raw` those where it is below raw inputs by more than the standard error of the
    difference; None where raw inputs were not scored. Differences are paired by seed.
    """

    encoder: str
    rank: Bootstrapped
    distance: Bootstrapped
    near_best: int
    below_raw: int | None
    tasks: int


def standings(rows: Sequence[Row]) -> list[Standing]:
    """How the encoders of a table do over all its data sets. Returns one for each encoder, in the rows' order.

    Raises `BadInput` as `Scores.of` does.
    """
    scores = Scores.of(rows)
    best = scores.mean.argmax(1)
    near = ~below(scores.accuracies, best)
    raw = scores.encoders.index(RAW) if RAW in scores.encoders else None
    under = None if raw is None else below(scores.accuracies, np.full(len(best), raw)).sum(0)
    placed, away = bootstrapped(ranks(scores.mean)), bootstrapped(scores.mean.max(1, keepdims=True) - scores.mean)
    return [
        Standing(name, placed[k], away[k], int(near[:, k].sum()), None if under is None else int(under[k]), len(best))
        for k, name in enumerate(scores.encoders)
    ]


def ranks(accuracy: Table) -> Table:
    """The place of every encoder on each data set: 1 is the best, and those that tie share the mean of their places."""
    accuracy = accuracy.round(6)  # Rounding of single floats is no difference.
    above = (accuracy[:, None, :] > accuracy[:, :, None]).sum(2)
    alike = (accuracy[:, None, :] == accuracy[:, :, None]).sum(2)
    return above + (alike + 1) / 2


def below(accuracies: Float[np.ndarray, "task encoder seed"], other: np.ndarray) -> Bool[np.ndarray, "task encoder"]:
    """Whether each encoder is below another one by more than the standard error of the difference, paired by seed.

    `other` is the place of that encoder on each data set. With a single seed there is no standard error: any difference
    counts.
    """
    difference = np.take_along_axis(accuracies, other[:, None, None], axis=1) - accuracies
    return difference.mean(2) > standard_error(difference)


def standard_error(values: Float[np.ndarray, "task encoder seed"]) -> Table:
    """The standard error of the mean over seeds; zero for a single seed."""
    seeds = values.shape[2]
    return values.std(2, ddof=1) / seeds**0.5 if seeds > 1 else np.zeros(values.shape[:2])


def bootstrapped(values: Table, resamples: int = _RESAMPLES, seed: int = 0) -> list[Bootstrapped]:
    """The mean over data sets of every encoder's values with its percentile bootstrap interval of 95%.

    All encoders share the draws of data sets.
    """
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(values[draws].mean(1), [0.025, 0.975], axis=0)
    return [Bootstrapped(*map(float, each)) for each in zip(values.mean(0), low, high)]
