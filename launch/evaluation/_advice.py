from collections.abc import Sequence

import numpy as np

from ._rows import Row
from ._standings import Scores


def advice(rows: Sequence[Row], names: dict[str, str], unit: str, guessing: float) -> str:
    """One sentence on a table of one data set: which encoder to use there, and how far from it the rule is.

    `names` are the encoders of the table, the simplest first and the rule last, each with what a sentence calls it.
    Advised is the simplest one that is not below the best by more than the standard error of their difference, paired
    by seed (the one-standard-error rule of Breiman, Friedman, Olshen and Stone, 1984). `unit` is what a hundredth of a
    score is called. Nothing is advised where the best one is not above `guessing`, the score of features that say
    nothing, by two standard errors. Raises `BadInput` as `Scores.of` does.
    """
    scores = Scores.of(rows)
    of = dict(zip(scores.encoders, 100 * scores.accuracies[0]))
    *others, rule = names
    best = max(names, key=lambda name: of[name].mean())
    above = of[best] - 100 * guessing
    if _mean(above) <= 2 * _error(above):
        how = f"is clearly better than guessing, {_distance(above, unit)}"
        return f"No advice: not even the best here, {names[best]}, {how}."
    advised = next(name for name in names if _mean(of[best] - of[name]) <= _error(of[best] - of[name]))
    if advised == rule:
        second = max(others, key=lambda name: of[name].mean())
        return f"Use the rule here: it is {_distance(of[rule] - of[second], unit, f' {names[second]}')}."
    why = "" if advised == best else f", the simplest within a standard error of the best, which is {names[best]}"
    difference = of[rule] - of[advised]
    # Of a table of categories the rule's features are the inputs.
    how = f"is {_distance(difference, unit)}" if difference.any() else "has the same scores"
    return f"Use {names[advised]} here{why}: the rule {how}."


def _distance(difference: np.ndarray, unit: str, other: str = "") -> str:
    side = "above" if _mean(difference) >= 0 else "below"
    return f"{abs(_mean(difference)):.1f} {unit} {side}{other} (standard error {_error(difference):.1f})"


def _mean(difference: np.ndarray) -> float:
    return float(difference.mean())


def _error(difference: np.ndarray) -> float:
    return float(difference.std(ddof=1) / len(difference) ** 0.5)
