import csv
import dataclasses
import io
import json
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import rich.box
import rich.console
import rich.table
from rich.text import Text

from ...errors import BadInput
from ._files import check_writable, is_replaceable, read_json, write_atomically


Cell = str | Text

_ENDLESS = 10_000
"""Columns of a pipe or a file, which have no width."""


@final
@dataclasses.dataclass(frozen=True)
class TableFiles:
    """Files to which a command also writes the rows of its table."""

    json: Path | None = None
    """Also write the table here, as JSON (as CSV, if the name ends in .csv)."""
    csv: Path | None = None
    """Also write the table here, as CSV."""

    def __post_init__(self):
        for path in (self.json, self.csv):
            check_writable(path)

    def keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the rows that there are so far to the files that can be replaced later, and not into a pipe."""
        files = {name: path for name, path in (("json", self.json), ("csv", self.csv)) if is_replaceable(path)}
        TableFiles(**files).write(rows)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the rows to every file that was named. Raises `BadInput` where one can't be written."""
        if self.json is not None:
            write_rows(self.json, rows)
        if self.csv is not None:
            write_atomically(self.csv, _csv(_plain(rows)))

    def write_and(self, show: Callable[[], None], rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes the rows and then shows them: neither a console nor a disk that fails loses the other."""
        try:
            self.write(rows)
        finally:
            show()


def print_columns(
    title: str,
    columns: Mapping[str, Sequence[Cell]],
    caption: str | None = None,
    console: rich.console.Console | None = None,
) -> None:
    """Prints a table, given as columns of texts; the first column is aligned left, the others right.

    What does not fit the width of the terminal is printed below, under the first column again: no heading is broken
    inside a word. In a pipe or a file all columns stand side by side, as plain text.
    """
    console = console or rich.console.Console()
    width = console.width if console.is_terminal else _ENDLESS
    first, *rest = columns
    blocks = _blocks({name: _width(name, columns[name]) for name in columns}, width)
    for place, names in enumerate(blocks):
        table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.title = title if place == 0 else None
        table.caption = caption if place == len(blocks) - 1 else None
        table.title_justify = table.caption_justify = "left"
        for name in (first, *names):
            justify = "left" if name == first else "right"
            table.add_column(name, justify=justify, vertical="bottom", overflow="fold", no_wrap=name != first)
        for texts in zip(*(columns[name] for name in (first, *names))):
            table.add_row(*texts)
        _print(table, console)


def best_in_bold(texts: Sequence[str], values: Sequence[float]) -> list[Cell]:
    """The texts, those of the largest value in bold."""
    largest = max((value for value in values if math.isfinite(value)), default=math.nan)
    return [Text(text, "bold" if value == largest else "") for text, value in zip(texts, values)]


def _print(table: rich.table.Table, console: rich.console.Console) -> None:
    if console.is_terminal:
        return console.print(table)
    plain = rich.console.Console(file=io.StringIO(), width=_ENDLESS, no_color=True)
    plain.print(table)
    lines = plain.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]
    console.file.write("".join(f"{line.rstrip()}\n" for line in lines))


def _width(name: str, texts: Sequence[Cell]) -> int:
    lines = [*name.split("\n"), *(text.plain if isinstance(text, Text) else text for text in texts)]
    return max(map(len, lines)) + 1


def _blocks(widths: Mapping[str, int], width: int) -> list[list[str]]:
    """The names of columns in blocks that fit beside the first one, at least one column in each."""
    (_, left), *rest = widths.items()
    blocks: list[list[str]] = [[]]
    room = width - left
    for name, needed in rest:
        if blocks[-1] and needed > room:
            blocks.append([])
            room = width - left
        blocks[-1].append(name)
        room -= needed
    return blocks


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows: as CSV where the file's name ends in .csv, else as JSON.

    Numbers that are not finite become null, since JSON has none of them. Raises `BadInput` where the file can't be
    written.
    """
    plain = _plain(rows)
    write_atomically(Path(path), _csv(plain) if Path(path).suffix == ".csv" else json.dumps(plain, indent=1) + "\n")


def read_rows(path: Path, like: type) -> list[Any]:
    """Returns the rows that `write_rows` wrote as JSON; `like` is the `TypedDict` that says what a row holds.

    Raises `BadInput` where the file can't be read, or holds a row of another kind.
    """
    remedy = "delete it, and its rows are computed anew"
    rows, hints = read_json(path, list, remedy), typing.get_type_hints(like)
    for row in rows:
        for name, hint in hints.items():
            if not isinstance(row, dict) or not _is(row.get(name), hint):
                raise BadInput(f"{path} can't be read (a row of it lacks {name!r}): {remedy}.")
    return rows


def _is(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) is list:
        return isinstance(value, list) and all(_is(each, *typing.get_args(hint)) for each in value)
    return type(value) in (int, float) if hint is float else type(value) is hint


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _finite(value) for name, value in row.items()} for row in rows]


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:  # Several numbers in a cell stand apart by spaces.
        writer.writerow({k: " ".join(map(str, v)) if isinstance(v, list | tuple) else v for k, v in row.items()})
    return text.getvalue()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
