from collections.abc import Iterator, Sequence
from typing import Any, final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from ...errors import BadInput
from ._images import as_bytes


Examples = Any  # An array [example, ...], a sparse matrix, a data frame of pandas, or a list of texts.


@final
class Part(NamedTuple):
    """The examples of one split as a file holds them, with their labels if there are any.

    `name` is `train` or `test`, or empty for data without a split. `x` are images or rows in an array or a memory map,
    rows of a sparse matrix, a data frame of pandas, or a list of texts. Labels are the user's own values, not indices;
    an empty text or NaN says that an example has none.
    """

    name: str
    x: Examples
    y: Shaped[np.ndarray, " example"] | None


def has_label(y: Shaped[np.ndarray, " example"]) -> Bool[np.ndarray, " example"]:
    """Which examples of a `Part` have a label."""
    return np.array([not (label is None or label == "" or label != label) for label in y.tolist()], bool)


@runtime_checkable
class Sparse(Protocol):
    """What scipy's sparse matrices and arrays have; naming their class would import scipy.sparse at every start."""

    shape: tuple[int, ...]

    def tocsr(self) -> Any: ...

    def toarray(self) -> Any: ...


@runtime_checkable
class Frame(Protocol):
    """What data frames of pandas and polars and tables of Arrow have: they hand over their columns as Arrow does."""

    columns: Any

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def as_examples(x: Any) -> Examples:
    """Returns examples in one of the forms of a `Part`: frames as those of pandas, images as rows of bytes.

    Raises `BadInput` for a frame that can't be read as columns, and for images that are none.
    """
    if isinstance(x, Frame):
        return as_frame(x)
    if isinstance(x, Sequence) and len(x) and all(isinstance(each, str) for each in x):
        return list(x)
    if isinstance(x, np.ndarray) and x.ndim == 1 and x.dtype.kind in "U" and len(x):
        return x.tolist()
    if isinstance(x, np.ndarray) and x.ndim in (3, 4) and x.size:
        check_inputs("The examples", x)
        return as_bytes("The examples", x).reshape(len(x), -1)
    return x


def as_frame(x: Frame) -> Any:
    """Returns a data frame of pandas with the same columns, which is `x` itself if it is one already."""
    import pandas  # Takes a second to import.

    if isinstance(x, pandas.DataFrame):
        return x
    import pyarrow

    try:
        return pyarrow.table(x).to_pandas(date_as_object=False)
    except (TypeError, pyarrow.ArrowException) as error:
        raise BadInput(f"The columns of a {type(x).__name__} can't be read ({error}).") from error


def count(x: Examples) -> int:
    """Returns how many examples there are."""
    return x.shape[0] if isinstance(x, Sparse) else len(x)


def take(x: Examples, rows: Any) -> Examples:
    """Returns the examples of these numbers or of this slice, in the same form."""
    if isinstance(x, list):
        return x[rows] if isinstance(rows, slice) else [x[row] for row in rows]
    rowwise: Any = x
    return rowwise.iloc[rows] if isinstance(x, Frame) else x[rows]


def chunks(x: Examples, size: int) -> Iterator[Examples]:
    """Yields the examples in their order, `size` at a time."""
    for start in range(0, count(x), size):
        yield take(x, slice(start, start + size))


def check_inputs(name: str, x: np.ndarray) -> None:
    """Raises `BadInput` unless examples are numbers, none of them infinite, in a shape that a data set can have.

    NaN says that a value is missing; no pixel can be.
    """
    if x.dtype == object:
        raise BadInput(f"{name}: the examples differ in size; resize them to one size and stack them.")
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool) or np.iscomplexobj(x):
        raise BadInput(f"{name}: the inputs hold {x.dtype}, not numbers.")
    if x.ndim not in (2, 3, 4):
        raise BadInput(f"{name}: inputs of shape {x.shape}; give [example, feature] or [example, side, side] (or x 3).")
    if x.dtype.kind != "f":
        return
    for part in chunks(x, max(1, 2**24 // max(1, x[:1].size))):
        if not np.isfinite(part).all() and (x.ndim > 2 or np.isinf(part).any()):
            raise BadInput(f"{name}: the inputs hold {'infinity' if x.ndim == 2 else 'NaN or infinity'}; replace it.")
