from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import rich.box
import rich.console
import rich.table

from ..records._tables import _BOX, write_rows


class Row(TypedDict):
    """One line of a table of results. `accuracy` and `stderr` lie between 0 and 1; counts are of examples.

    `accuracies` are those of every seed, so that encoders can be compared seed by seed; `accuracy` is their mean.
    `statistics` names the examples whose mean and variance batch normalisation used: `batch`, `frozen`, or `none` for
    an encoder without batch normalisation. `features` is how many there are, and `other_rows` says whether those of a
    test example depend on the other test examples, by these statistics or because the encoder is transductive.
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


def print_table(
    rows: Sequence[Row], title: str, *, json_file: str | Path | None = None, console: rich.console.Console | None = None
) -> None:
    """Prints results, and writes the same rows to `json_file` if given. Raises `BadInput` if it can't be written."""
    console = console or rich.console.Console()
    if not console.is_terminal:  # A pipe or file has no width, so that the table may take the width it needs.
        console = rich.console.Console(file=console.file, width=200)
    gap = (0, int(console.width > 100), 0, 0)  # With the usual names it fits a terminal of 80 columns.
    seeds = " or ".join(str(count) for count in sorted({row["seeds"] for row in rows}))
    caption = f"± is the standard error over {seeds} seeds; others: features depend on them"
    table = rich.table.Table(title=title, caption=caption, box=_BOX, padding=gap, show_edge=False)
    table.title_justify = table.caption_justify = "left"
    for name in ("encoder", "task", "readout"):  # Where there is no room, the encoder's name is folded first.
        short = name != "encoder" and all(len(row[name]) <= 15 for row in rows)
        table.add_column(name, overflow="fold", vertical="bottom", no_wrap=short)
    for name in ("accuracy\n%", "fea-\ntures", "la-\nbels", "unla-\nbelled", "steps", "sec"):
        table.add_column(name, justify="right", no_wrap=True, vertical="bottom")
    table.add_column("oth-\ners", no_wrap=True, vertical="bottom")
    for row in rows:
        score = f"{100 * row['accuracy']:.1f} ±{100 * row['stderr']:.1f}"
        counts = [f"{row[name]:,}" for name in ("features", "labelled", "unlabelled", "steps")]
        seconds = f"{row['seconds']:.{int(row['seconds'] < 10)}f}"
        table.add_row(
            row["encoder"], row["task"], row["readout"], score, *counts, seconds, "yes" if row["other_rows"] else "no"
        )
    console.print(table)
    if json_file is not None:
        write_rows(json_file, rows)
