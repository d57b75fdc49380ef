from collections.abc import Sequence

import numpy as np

from ..records._tables import print_columns
from ._rows import Row
from ._standings import Bootstrapped, encoder_names, Scores, Standing, standings


def print_suite(rows: Sequence[Row], title: str) -> None:
    """Prints accuracies, a line for each data set and a column for each encoder, and then how every encoder stands."""
    scores, seeds = Scores.of(rows), rows[0]["seeds"]
    columns = {"data set": list(scores.tasks)}
    for place, encoder in enumerate(scores.encoders):
        cells = zip(scores.mean[:, place], scores.standard_error[:, place])
        columns[encoder] = [f"{100 * mean:.1f} ±{100 * error:.1f}" for mean, error in cells]
    readouts = " and ".join(dict.fromkeys(row["readout"] for row in rows))
    print_columns(title, columns, f"in %, mean of {readouts}; ± is the standard error over {seeds} seeds")
    many = len(scores.tasks)
    print_columns(
        f"Over these {many} data sets", _summary(rows, standings(rows)), "in brackets: 95% by bootstrap over data sets"
    )


def _summary(rows: Sequence[Row], placed: Sequence[Standing]) -> dict[str, list[str]]:
    names, columns = encoder_names(rows), {"encoder": [each.encoder for each in placed]}
    columns["mean rank"] = [_text(each.rank, 1.0) for each in placed]
    columns["points below\nthe best"] = [_text(each.distance, 100.0) for each in placed]
    columns["within 1 s.e.\nof the best"] = [f"{each.near_best} of {each.tasks}" for each in placed]
    columns["below raw by\nover 1 s.e."] = ["" if each.below_raw is None else str(each.below_raw) for each in placed]
    for readout in dict.fromkeys(row["readout"] for row in rows):
        own = [
            [row["accuracy"] for row, name in zip(rows, names) if (name, row["readout"]) == (each.encoder, readout)]
            for each in placed
        ]
        columns[f"{readout}\n%"] = [f"{100 * np.mean(accuracies):.1f}" for accuracies in own]
    return columns


def _text(value: Bootstrapped, scale: float) -> str:
    return f"{scale * value.mean:.1f} [{scale * value.low:.1f}, {scale * value.high:.1f}]"
