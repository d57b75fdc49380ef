import csv
import gzip
import io
import warnings
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from ...errors import BadInput
from ._data_set import DataSet
from ._from_arrays import from_arrays


_MOST_CATEGORIES = 100  # A column with more different values is likely an identifier or free text.


def read_table(path: Path, label: str, held_out: float = 0.2) -> DataSet:
    """Reads a data set from a table: .csv or .csv.gz (UTF-8, with a header line), or .parquet.

    `label` names the label column. Numeric columns are features; other columns are one-hot encoded; all are
    standardised by the train split's mean and deviation. The share `held_out` of each class is for test, by a fixed
    seed. A missing value, an empty cell or `?`, gets the mean of its numeric column and is a category of its own in
    another one; a constant column becomes zero. A warning says so.

    Raises `BadInput` for a missing label column or label, for infinity, where no column varies, and for a categorical
    column with more than 100 different values.
    """
    columns = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    if label not in columns:
        raise BadInput(f"{path} has no column {label!r}; its columns are {', '.join(columns)}.")
    labels = columns.pop(label)
    unlabelled = sum(value is None or value == "" for value in labels.tolist())
    if unlabelled:
        raise BadInput(f"{path}: the label column {label!r} lacks {unlabelled} values; leave unlabelled rows out.")
    if not columns:
        raise BadInput(f"{path} has no column besides {label!r}; give at least one feature.")
    columns = {name: _encode(path, name, values) for name, values in columns.items()}
    _tell(path, columns)
    features = np.concatenate([_filled(values) for values in columns.values()], axis=1)
    return from_arrays(str(path), (features, labels), held_out=held_out)


def _encode(path: Path, name: str, values: np.ndarray) -> Float64[np.ndarray, "row feature"]:
    """Returns a column's numbers, or a column for each of its categories; NaN where a value is missing."""
    if any(isinstance(value, list | dict | np.ndarray) for value in values):
        raise BadInput(f"{path}: column {name!r} holds lists, not numbers or words; spread it over several columns.")
    numbers = _as_numbers(values)
    if numbers is not None:
        if np.isinf(numbers).any():
            raise BadInput(f"{path}: column {name!r} holds infinity; replace it or drop those rows.")
        return numbers[:, None]
    categories, index = np.unique(_cells(values), return_inverse=True)
    if len(categories) > _MOST_CATEGORIES:
        raise BadInput(
            f"{path}: column {name!r} is not numeric and has {len(categories)} different values, more than "
            f"{_MOST_CATEGORIES}; drop it or turn it into numbers."
        )
    return np.eye(len(categories))[index]


def _tell(path: Path, columns: dict[str, np.ndarray]) -> None:
    missing = {name: int(np.isnan(values).sum()) for name, values in columns.items() if np.isnan(values).any()}
    constant = [name for name, values in columns.items() if not np.ptp(_filled(values), axis=0).any()]
    if len(constant) == len(columns):
        raise BadInput(f"{path}: no column besides the label varies; give at least one that does.")
    said = [f"column {name!r} lacks {count} values, which get its mean" for name, count in missing.items()]
    said += [f"column {name!r} is constant and becomes zero" for name in constant]
    if said:
        warnings.warn(f"{path}: {'; '.join(said)}.", stacklevel=3)


def _filled(values: Float64[np.ndarray, "row feature"]) -> Float64[np.ndarray, "row feature"]:
    missing = np.isnan(values)
    count = np.maximum((~missing).sum(0), 1)
    return np.where(missing, np.where(missing, 0, values).sum(0) / count, values)


def _cells(values: np.ndarray) -> np.ndarray:
    """Returns a column's cells as text, empty where a value is missing."""
    text = values.astype(str)
    return np.where(text == "?", "", text)


def _as_numbers(values: np.ndarray) -> Float64[np.ndarray, " row"] | None:
    """Returns a column as floats, NaN where a value is missing; None if a cell is not a number."""
    if values.dtype.kind in "OU":
        values = np.where(_cells(values) == "", "nan", _cells(values))
    try:
        return values.astype(np.float64)
    except ValueError:
        return None


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        raw = path.read_bytes()
        # `utf-8-sig` drops the byte order mark that spreadsheets write.
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 (byte {error.start}); save it in UTF-8.") from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise BadInput(f"{path} can't be read as CSV ({error}).") from error
    if len(rows) < 2:
        raise BadInput(f"{path} holds no rows below its header.")
    if len(set(rows[0])) < len(rows[0]):
        raise BadInput(f"{path} names two columns alike; rename one in its header.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise BadInput(f"{path}, row {number}: {len(row)} cells but {len(rows[0])} columns.")
    return {name.strip(): np.array([cell.strip() for cell in cells]) for name, *cells in zip(*rows)}


def _read_parquet(path: Path) -> dict[str, np.ndarray]:
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise BadInput(f"{path} can't be read as parquet ({error}).") from error
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        words = pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)
        columns[name] = (
            np.array(["" if cell is None else cell for cell in column.to_pylist()], str)
            if words
            else (column.to_numpy())
        )
    return columns
