from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


NAMES = {"random-init": "the random start", "raw": "raw inputs", "kmeans": "k-means"}
"""What a rule has to be better than, and how a sentence calls it."""


def verdict(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """One sentence on a table: the accuracy of the meta-trained rule, and how far it is from its opponents.

    The mean is taken over data sets and readouts, as for `standings`. Those in `NAMES` are opponents, and the best one
    of all the others. Of an encoder that was scored after several numbers of steps the last counts. Returns None where
    the rule or every opponent is missing.
    """
    steps = {row["encoder"]: row["steps"] for row in rows}
    last = [row for row in rows if row["steps"] == steps[row["encoder"]]]
    means = {name: 100 * float(np.mean([row["accuracy"] for row in last if row["encoder"] == name])) for name in steps}
    own = means.pop("meta-trained", None)
    others = [name for name in means if name not in (*NAMES, "untrained")]
    best = [max(others, key=means.__getitem__)] if others else []
    opponents = [name for name in (*NAMES, *best) if name in means]
    if own is None or not opponents:
        return None
    distances = [_distance(own - means[name], NAMES.get(name, name)) for name in opponents]
    readouts = " and ".join(dict.fromkeys(row["readout"] for row in rows))
    tasks = len({row["task"] for row in rows})
    over = f" over {tasks} data sets" if tasks > 1 else ""
    return f"Mean of {readouts}{over}: {own:.1f} %, {_listed(distances)}."


def _distance(points: float, other: str) -> str:
    if abs(points) < 0.05:
        return f"level with {other}"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'} {other}"


def _listed(parts: Sequence[str]) -> str:
    first, *rest = parts
    short = [first, *(part.replace(" points", "") for part in rest)]
    return short[0] if len(short) == 1 else f"{', '.join(short[:-1])} and {short[-1]}"
