import math
from collections.abc import Sequence
from typing import TypedDict

import rich.console

from ..records._tables import best_in_bold, Cell, print_columns
from ._verdict import verdict


class Row(TypedDict):
    """One line of a table of results. `accuracy` and `stderr` lie between 0 and 1; counts are of examples.

    `accuracies` are those of every seed, so that encoders can be compared seed by seed; `accuracy` is their mean.
    `statistics` names the examples whose mean and variance batch normalisation used: `batch`, `frozen`, or `none` for
    an encoder without batch normalisation. `features` is how many there are, and `other_rows` says whether those of a
    test example depend on the other test examples, by these statistics or because the encoder is transductive.
    `seconds` are those of the encoder's own work for all seeds: without compilation, with no other encoder at work.
    """

    encoder: str
    task: str
    readout: str
    accuracy: float
    accuracies: list[float]
    stderr: float
    seeds: int
    labelled: int
    unlabelled: int
    steps: int
    seconds: float
    statistics: str
    features: int
    other_rows: bool


def print_table(rows: Sequence[Row], title: str, *, console: rich.console.Console | None = None) -> None:
    """Prints results: a table for each data set, a line for each encoder with all readouts side by side; then the
    verdict on the rule."""
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        print_task(own, f"{task}: {title[0].lower()}{title[1:]}", console)
    sentence = verdict(rows)
    if sentence is not None:
        console = console or rich.console.Console()
        console.print(sentence, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def print_task(rows: Sequence[Row], title: str, console: rich.console.Console | None = None, note: str = "") -> None:
    """Prints the results of one data set; `note` says what was measured where they are no accuracies over seeds."""
    encoders: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        encoders.setdefault((row["encoder"], row["steps"]), {})[row["readout"]] = row
    firsts = [next(iter(scored.values())) for scored in encoders.values()]
    columns: dict[str, Sequence[Cell]] = {"encoder": [row["encoder"] + "*" * row["other_rows"] for row in firsts]}
    for readout in dict.fromkeys(row["readout"] for row in rows):
        own = [scored.get(readout) for scored in encoders.values()]
        texts = ["" if row is None else f"{100 * row['accuracy']:.1f} ±{100 * row['stderr']:.1f}" for row in own]
        columns[f"{readout}\n%"] = best_in_bold(texts, [math.nan if row is None else row["accuracy"] for row in own])
    columns |= {name: [f"{row[name]:,}" for row in firsts] for name in ("features", "unlabelled", "steps")}
    columns["seconds"] = [f"{row['seconds']:.{int(row['seconds'] < 10)}f}" for row in firsts]
    seeds = " or ".join(str(count) for count in sorted({row["seeds"] for row in rows}))
    caption = note or f"{firsts[0]['labelled']:,} labelled examples; ± is the standard error over {seeds} seeds"
    if any(row["other_rows"] for row in firsts):
        caption += "\n* features of an example depend on the other test examples"
    print_columns(title, columns, caption, console)
