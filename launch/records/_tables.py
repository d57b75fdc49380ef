import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rich.box
import rich.console
import rich.table

from ...errors import BadInput
from ._files import write_atomically


_BOX = rich.box.SIMPLE_HEAD


def print_columns(title: str, columns: Mapping[str, Sequence[str]], caption: str | None = None) -> None:
    """Prints a table, given as columns of texts; the first column is aligned left, the others right."""
    console = rich.console.Console()
    if not console.is_terminal:
        # In a pipe or a log file rich assumes 80 columns and would fold the cells.
        console = rich.console.Console(file=console.file, width=200)
    table = rich.table.Table(title=title, caption=caption, box=_BOX, title_justify="left", caption_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left", vertical="bottom")
    for texts in zip(*columns.values()):
        table.add_row(*texts)
    console.print(table)


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows atomically: as CSV where the file's name ends in .csv, else as JSON.

    Numbers that are not finite become null, since JSON has none of them. Raises `BadInput` where the file can't be
    written.
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


def read_rows(path: Path) -> list[Any]:
    """Returns the rows that `write_rows` wrote as JSON. Raises `BadInput` where the file can't be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} can't be read ({error}): delete it, and its rows are computed anew.") from error


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
