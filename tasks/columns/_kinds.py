import re
from typing import Any, final, Literal

import numpy as np
from jaxtyping import Float

from ...errors import BadInput
from ._dates import dates_of


Kind = Literal["number", "date", "category", "words", "identifier"]

_IDENTIFIERS = 20
"""Values that differ, all of them, in a column of identifiers, at least."""

_MEANING = {"true": 1.0, "false": 0.0} | dict.fromkeys(("", "none", "null", "na", "n/a", "<na>"), np.nan)
"""What people write for a number: those that are none say that it is missing."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}.*")

_WORD = re.compile(r"\b\w\w+\b")
"""What scikit-learn's `CountVectorizer` takes for a word."""


def kind_of(name: Any, values: Any) -> Kind:
    """What a column of pandas holds. Raises `BadInput` for lists, bytes and infinity."""
    import pandas
    from pandas.api import types

    if types.is_numeric_dtype(values) or types.is_timedelta64_dtype(values):
        if types.is_complex_dtype(values):
            raise BadInput(f"Column {name!r} holds complex numbers; give their parts as two columns.")
        _number(name, values)
        return "number"
    if types.is_datetime64_any_dtype(values):
        return "date"
    if values.dtype == "category":
        return "category"
    cells = _Cells(name, values)
    present = cells.different[cells.different != ""]
    if cells.numbers() is not None:
        return "number"
    if all(map(_DAY.fullmatch, present)) and not dates_of(pandas.Series(present)).isna().any():
        return "date"
    rows = int((cells.all != "").sum())
    words = [len(cell.split()) for cell in cells.different]
    if len(present) > rows / 2 and sum(np.take(words, cells.place)) >= 3 * rows and any(map(_WORD.search, present)):
        return "words"
    return "identifier" if len(present) == rows >= _IDENTIFIERS else "category"


@final
class _Cells:
    """A column's cells as text: the different ones, empty for a missing one, and the place of each row among them."""

    def __init__(self, name: Any, values: Any):
        import pandas

        try:
            self.place, found = pandas.factorize(values, use_na_sentinel=False)
        except TypeError as error:
            message = f"Column {name!r} holds lists, not numbers or words; spread it over several columns."
            raise BadInput(message) from error
        if any(isinstance(value, bytes) for value in found):
            raise BadInput(f"Column {name!r} holds bytes, not numbers or words; decode it.")
        told = ["" if missing else str(value).strip() for value, missing in zip(found, pandas.isna(found))]
        self.different = np.array(["" if cell == "?" else cell for cell in told], object)

    @property
    def all(self) -> Any:
        """The cell of every row."""
        return self.different[self.place]

    def numbers(self) -> Float[np.ndarray, " row"] | None:
        """The cells as floats, NaN where a value is missing; None if one is no number."""
        numbers = [_as_number(cell) for cell in self.different]
        return None if None in numbers else np.array(numbers, np.float64)[self.place]


def _as_number(cell: str) -> float | None:
    try:
        return _MEANING.get(cell.lower()) if cell.lower() in _MEANING else float(cell)
    except ValueError:
        return None


def plain(name: Any, values: Any, kind: Kind) -> Any:
    """A column in the form that its transformer takes."""
    if kind == "date":
        return _dates(name, values)
    if kind != "number":
        return _Cells(name, values).all
    made = _number(name, values)
    if made is None:
        wrong = next(cell for cell in _Cells(name, values).different if _as_number(cell) is None)
        raise BadInput(f"Column {name!r} holds {wrong!r} where numbers are expected.")
    return made


def _number(name: Any, values: Any) -> Float[np.ndarray, " row"] | None:
    """A column as floats, NaN where a value is missing; None if a cell is no number."""
    from pandas.api import types

    if types.is_timedelta64_dtype(values):
        numbers = values.dt.total_seconds().to_numpy(np.float64)
    elif types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = _Cells(name, values).numbers()
    if numbers is not None and np.isinf(numbers).any():
        raise BadInput(f"Column {name!r} holds infinity; replace it or drop those rows.")
    return numbers


def _dates(name: Any, values: Any) -> Any:
    dates = dates_of(values)
    if (lacking := dates.isna()).any():
        wrong = [cell for cell in _Cells(name, values[lacking]).different if cell and cell.lower() not in _MEANING]
        if wrong:
            raise BadInput(f"Column {name!r} holds {wrong[0]!r} where dates are expected.")
    return dates
