import codecs
import csv
import gzip
import io
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from ...errors import BadInput
from ._examples import Part


def read_table(path: Path, label: str | None = None, drop: tuple[str, ...] = ()) -> Part:
    """Reads a table with a header line, .csv or .tsv, also with .gz behind it, or .parquet.

    Text is UTF-8, or UTF-16 with its byte order mark. Cells are separated by tabs or semicolons if there are no commas
    in the header; beside semicolons, `1,5` is a number. `label` names the label column, and `drop` columns to leave
    out. A row with an empty label has none. Raises `BadInput` for a file that is missing or damaged, and where one of
    these columns or every other one is missing.
    """
    frame = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    for name in (*drop, *([] if label is None else [label])):
        if name not in frame.columns:
            raise BadInput(f"{path} has no column {name!r}; its columns are {', '.join(map(str, frame.columns))}.")
    labels = None if label is None else _labels(frame[label])
    frame = frame.drop(columns=[*drop, *([] if label is None else [label])])
    if not len(frame.columns):
        raise BadInput(f"{path} has no column besides {label or drop[0]!r}; give at least one feature.")
    return Part("", frame, labels)


def _labels(values: Any) -> Shaped[np.ndarray, " row"]:
    lacking = values.isna().to_numpy()
    made = values.to_numpy()
    if made.dtype.kind in "biuf":
        return made
    return np.where(lacking, "", made.astype(str))


def _read_csv(path: Path) -> Any:
    """A data frame of pandas whose cells are texts: what they mean, `Columns` finds out."""
    import pandas  # Takes a second.

    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        # Either drops the byte order mark that spreadsheets write.
        text = raw.decode("utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
        separator = _separator(text)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it in UTF-8.") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise BadInput(f"{path} can't be read as CSV ({error}).") from error
    if len(rows) < 2:
        raise BadInput(f"{path} holds no rows below its header.")
    rows[0] = [name.strip() for name in rows[0]]
    if len(set(rows[0])) < len(rows[0]):
        raise BadInput(f"{path} names two columns alike; rename one in its header.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise BadInput(f"{path}, row {number}: {len(row)} cells but {len(rows[0])} columns.")
    read = _with_point if separator == ";" else str.strip
    return pandas.DataFrame({name: [*map(read, cells)] for name, *cells in zip(*rows)}, dtype=str)


def _separator(text: str) -> str:
    """What separates the cells of a header: a comma, or a tab or semicolon where there is none."""
    header = text.lstrip("\r\n").partition("\n")[0]
    return "," if "," in header else max(",\t;", key=header.count)


def _with_point(cell: str) -> str:
    """A cell, with a decimal point for a decimal comma."""
    return _DECIMAL_COMMA.sub(r"\1.\2", cell.strip())


_DECIMAL_COMMA = re.compile(r"^([+-]?\d+),(\d+)$")


def _read_parquet(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        return pyarrow.parquet.read_table(path).to_pandas(date_as_object=False)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(f"{path} can't be read as parquet ({error}).") from error
