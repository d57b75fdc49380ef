from collections.abc import Sequence

import numpy as np

from ..records._tables import best_in_bold, Cell, print_columns
from ._rows import Row
from ._standings import Bootstrapped, encoder_names, Scores, Standing, standings


def print_suite(rows: Sequence[Row], title: str) -> None:
    """Prints accuracies, a line for each data set and a column for each encoder, and then how every encoder stands."""
    scores, seeds = Scores.of(rows), rows[0]["seeds"]
    lines = []
    for means, errors in zip(scores.mean, scores.standard_error):
        texts = [f"{100 * mean:.1f} ±{100 * error:.1f}" for mean, error in zip(means, errors)]
        lines.append(best_in_bold(texts, means.tolist()))
    columns: dict[str, Sequence[Cell]] = {"data set": list(scores.tasks)}
    columns |= {encoder: [line[place] for line in lines] for place, encoder in enumerate(scores.encoders)}
    readouts = " and ".join(dict.fromkeys(row["readout"] for row in rows))
    print_columns(title, columns, f"in %, mean of {readouts}; ± is the standard error over {seeds} seeds")
    many = len(scores.tasks)
    print_columns(
        f"Over these {many} data sets", _summary(rows, standings(rows)), "in brackets: 95% by bootstrap over data sets"
    )


def _summary(rows: Sequence[Row], placed: Sequence[Standing]) -> dict[str, Sequence[Cell]]:
    names = encoder_names(rows)
    columns: dict[str, Sequence[Cell]] = {"encoder": [each.encoder for each in placed]}
    for heading, scale, values in (
        ("mean rank", 1.0, [each.rank for each in placed]),
        ("points below\nthe best", 100.0, [each.distance for each in placed]),
    ):
        columns[heading] = best_in_bold([_text(value, scale) for value in values], [-value.mean for value in values])
    columns["within 1 s.e.\nof the best"] = [f"{each.near_best} of {each.tasks}" for each in placed]
    columns["below raw by\nover 1 s.e."] = ["" if each.below_raw is None else str(each.below_raw) for each in placed]
    for readout in dict.fromkeys(row["readout"] for row in rows):
        own = [
            [row["accuracy"] for row, name in zip(rows, names) if (name, row["readout"]) == (each.encoder, readout)]
            for each in placed
        ]
        means = [float(np.mean(accuracies)) for accuracies in own]
        columns[f"{readout}\n%"] = best_in_bold([f"{100 * mean:.1f}" for mean in means], means)
    return columns


def _text(value: Bootstrapped, scale: float) -> str:
    return f"{scale * value.mean:.1f} [{scale * value.low:.1f}, {scale * value.high:.1f}]"
