import dataclasses
from collections.abc import Callable
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32, Int

from ...errors import BadInput
from ...sampling import spread_rows
from ..columns._columns import Columns
from ._examples import chunks, count, Examples, Frame, Sparse, take
from ._scaling import missing_share, Scaling


_SAMPLE = 10_000
"""Rows that medians of columns with missing values are computed from, at most."""

_ROWS = 4096
"""Rows of a data frame that are turned into numbers at once."""

_TEXT = "text"


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Preparation:
    """A fitted map of examples to inputs: rows of float32, all finite. What makes features of data applies one first.

    Columns of a data frame become numbers by `Columns`, texts as one column of them. A missing number gets its column's
    median, of 10,000 rows at most. Where numbers of a column were missing, a further input says of each whether it is.
    Bytes and the pixels of images are scaled to [0, 1]; other inputs are standardised by mean and deviation and cut off
    at 10,000 deviations. A sparse matrix is what it would be as an array: only the rows in use become one, and a number
    that is missing later is 0.
    """

    columns: Columns | None
    median: Float[np.ndarray, " column"]
    flagged: Int[np.ndarray, " flag"]
    scaling: Scaling

    @staticmethod
    def of(x: Examples, standardise: bool = True, image: tuple[int, int, int] | None = None) -> "Preparation":
        """Fits to examples as a `Part` holds them, or to rows of pixels (row, column, colour) of an `image` of this
        shape. Without `standardise` inputs only scale where they are bytes. Raises `BadInput` for what has no numbers
        in it."""
        if not count(x):
            raise BadInput("There are no rows: give at least one.")
        if image is not None:
            scaling = Scaling.of_pixels(x, image) if standardise else Scaling.of(x, standardise)
            return Preparation(None, np.zeros(x.shape[1]), np.zeros(0, np.int64), scaling)
        columns = None
        if isinstance(x, list | Frame):
            columns = Columns(_frame(x), (_TEXT,) if isinstance(x, list) else ())
            x = _numbers(columns, x)
        scaling = Scaling.of(x, standardise)
        if isinstance(x, Sparse):
            return Preparation(columns, np.zeros(x.shape[1]), np.zeros(0, np.int64), scaling)
        sample = x[spread_rows(len(x), min(len(x), _SAMPLE))]
        # A column without a number in the sample has the mean of all its rows in place of a median.
        median = np.nanmedian(np.where(np.isnan(sample).all(0), scaling.offset, sample), axis=0).astype(np.float64)
        missing = missing_share(x)
        flagged = np.flatnonzero(missing)
        return Preparation(columns, median, flagged, scaling.beside_flags(missing[flagged], standardise))

    @property
    def inputs(self) -> int:
        """The number of inputs of one example."""
        return len(self.scaling.offset)

    @property
    def are_texts(self) -> bool:
        """Whether the examples are texts, each by itself."""
        return self.columns is not None and bool(self.columns.texts)

    @property
    def names(self) -> tuple[str, ...]:
        """What each input is: a column, or whether it is missing."""
        columns = self.columns.names if self.columns is not None else [f"x{place}" for place in range(len(self.median))]
        return (*columns, *(f"{columns[place]}_missing" for place in self.flagged))

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know of the data: what was left out, and what was filled in."""
        if self.columns is None:
            return ()
        names = [self.columns.names[place] for place in self.flagged]
        filled = [f"missing values are filled by the median, with a column that says where: {', '.join(names)}"]
        return self.columns.notices + tuple(filled if names else [])

    def __call__(self, x: Examples) -> Float32[np.ndarray, "example input"]:
        """The inputs of examples. Raises `BadInput` for a cell that is no number in a column of numbers."""
        if self.columns is not None:
            x = _numbers(self.columns, x)
        x = np.asarray(x.toarray()) if isinstance(x, Sparse) else x
        if x.dtype.kind == "f":
            missing = np.isnan(x)
            if len(self.flagged):
                x = np.concatenate([np.where(missing, self.median, x), missing[:, self.flagged]], axis=1)
            elif missing.any():
                x = np.where(missing, self.median, x)
        elif len(self.flagged):
            x = np.concatenate([x, np.zeros((len(x), len(self.flagged)))], axis=1)
        return self.scaling(x)

    def drawn_from(self, x: Examples) -> Callable[[Any], Float32[np.ndarray, "example input"]]:
        """A function of row numbers to inputs of those examples.

        Data frames and texts are prepared here and now; arrays are read when they are asked for, for they may be larger
        than memory.
        """
        if self.columns is None:
            return lambda rows: self(take(x, rows))
        prepared = np.concatenate([self(part) for part in chunks(x, _ROWS)])
        return lambda rows: prepared[rows]


def _frame(x: Examples) -> Any:
    import pandas

    return pandas.DataFrame({_TEXT: x}) if isinstance(x, list) else x


def _numbers(columns: Columns, x: Examples) -> Float[np.ndarray, "row input"]:
    if not count(x):
        raise BadInput("There are no rows: give at least one.")
    return columns(_frame(x))
