import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import rich.box
import rich.console
import rich.table

from ._files import write_atomically


_BOX = rich.box.SIMPLE_HEAD


class Row(TypedDict):
    """One line of a table of results. `accuracy` and `stderr` lie between 0 and 1; counts are of examples.

    `statistics` is where batch normalisation had its own from: `batch`, `frozen`, or `none` for an encoder without.
    """

    encoder: str
    task: str
    readout: str
    accuracy: float
    stderr: float
    seeds: int
    labelled: int
    unlabelled: int
    steps: int
    seconds: float
    statistics: str


def print_table(
    rows: Sequence[Row], title: str, *, json_file: str | Path | None = None, console: rich.console.Console | None = None
) -> None:
    """Prints results, and writes the same rows to `json_file` if one is given. Raises `BadInput` if that can't be."""
    console = console or rich.console.Console()
    if not console.is_terminal:  # Then nothing sets a width, and the table takes the one that it needs.
        console = rich.console.Console(file=console.file, width=200)
    gap = (0, int(console.width > 100), 0, 0)  # With the usual names it fits a terminal of 80 columns.
    seeds = " or ".join(str(count) for count in sorted({row["seeds"] for row in rows}))
    caption = f"± is the standard error over {seeds} seeds"
    table = rich.table.Table(title=title, caption=caption, box=_BOX, padding=gap, show_edge=False)
    table.title_justify = table.caption_justify = "left"
    for name in ("encoder", "task", "readout"):  # Where there is no room, the encoder's name is folded first.
        short = name != "encoder" and all(len(row[name]) <= 15 for row in rows)
        table.add_column(name, overflow="fold", vertical="bottom", no_wrap=short)
    for name in ("accuracy\n%", "la-\nbelled", "unla-\nbelled", "steps", "sec-\nonds"):
        table.add_column(name, justify="right", no_wrap=True, vertical="bottom")
    table.add_column("stati-\nstics", no_wrap=True, vertical="bottom")
    for row in rows:
        score = f"{100 * row['accuracy']:.1f} ±{100 * row['stderr']:.1f}"
        counts = [f"{row[name]:,}" for name in ("labelled", "unlabelled", "steps")]
        seconds = f"{row['seconds']:.{int(row['seconds'] < 10)}f}"
        table.add_row(row["encoder"], row["task"], row["readout"], score, *counts, seconds, row["statistics"])
    console.print(table)
    if json_file is not None:
        write_rows(json_file, rows)


def print_columns(title: str, columns: Mapping[str, Sequence[str]], caption: str | None = None) -> None:
    """Prints a table of texts, given by columns; the first one is aligned to the left."""
    console = rich.console.Console()
    if not console.is_terminal:
        console = rich.console.Console(file=console.file, width=200)
    table = rich.table.Table(title=title, caption=caption, box=_BOX, title_justify="left", caption_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left", vertical="bottom")
    for texts in zip(*columns.values()):
        table.add_row(*texts)
    console.print(table)


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes results, whole or not at all: as JSON, or as CSV where the file's name ends so.

    JSON has no number for what is not finite: it is left out as null. Raises `BadInput` where that can't be.
    """
    path = Path(path)
    plain = [{name: _finite(value) for name, value in row.items()} for row in rows]
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(plain[0]) if plain else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(plain)
        return write_atomically(path, text.getvalue())
    write_atomically(path, json.dumps(plain, indent=1) + "\n")


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
