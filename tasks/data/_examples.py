import warnings
from collections.abc import Iterator, Sequence
from typing import Any, final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from ...errors import BadInput


Examples = Any  # An array [example, ...], a sparse matrix, a data frame of pandas, or a list of texts.


@final
class Part(NamedTuple):
    """The examples of one split as a file holds them, with their labels if there are any.

    `name` is `train` or `test`, or empty for data without a split. `x` are images or rows in an array or a memory map,
    rows of a sparse matrix, a data frame of pandas, or a list of texts. Labels are the user's own values, not indices;
    an empty text or NaN says that an example has none. `files` are those that the examples were read from, one each,
    as paths below the folder that holds all of them.
    """

    name: str
    x: Examples
    y: Shaped[np.ndarray, " example"] | None
    files: tuple[str, ...] | None = None


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
    """Returns examples in one of the forms of a `Part`: frames as those of pandas, texts in any sequence or column as a
    list, images in a sequence as an array, arrays of other libraries as NumPy's.

    Raises `BadInput` for one text alone, for a frame that can't be read as columns, for texts among other things, and
    for examples that differ in size.
    """
    if isinstance(x, str):
        raise BadInput("This is one text: give a list of texts; a file is read first, such as by pandas.read_csv.")
    if isinstance(x, Frame):
        return as_frame(x)
    if isinstance(x, Sparse | np.ndarray | Sequence):
        found = x
    else:
        found = np.asarray(x) if hasattr(x, "__array__") else x
    if isinstance(found, Sequence):
        return _as_texts(list(found), _stacked(found))
    if isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype.kind in "UO":
        return _as_texts(found.tolist(), found)
    return found


def _stacked(x: Sequence[Any]) -> Any:
    """Images in a sequence as an array; other examples as they are."""
    if not len(x):
        raise BadInput("There are no rows: give at least one.")
    if isinstance(x[0], str):
        return x
    try:
        made = np.asarray(x)
    except ValueError as error:
        raise BadInput("The examples differ in size: bring them to one size.") from error
    return made if made.ndim > 2 else x


def _as_texts(values: list[Any], otherwise: Examples) -> Examples:
    """The texts among values, empty where one is missing, or something else where there is none."""
    others = [each for each in values if not isinstance(each, str)]
    if len(others) == len(values):
        return otherwise
    if others:
        import pandas  # Takes a second to import.

        if any(np.ndim(each) or not pandas.isna(each) for each in others):
            raise BadInput(
                "Some of the examples are texts and others are not: give a data frame with a column of each."
            )
        warnings.warn(f"{len(others):,} of {len(values):,} texts are missing: they are taken as empty.", stacklevel=4)
    return [str(each) if isinstance(each, str) else "" for each in values]


def as_frame(x: Frame) -> Any:
    """Returns a data frame of pandas with the same columns, which is `x` itself if it is one already.

    Raises `BadInput` where columns can't be read, and where two have the same name.
    """
    import pandas  # Takes a second to import.
    import pyarrow

    try:
        made = x if isinstance(x, pandas.DataFrame) else pyarrow.table(x).to_pandas(date_as_object=False)
    except (TypeError, pyarrow.ArrowException) as error:
        raise BadInput(f"The columns of a {type(x).__name__} can't be read ({error}).") from error
    if not made.columns.is_unique:
        twice = made.columns[made.columns.duplicated()][0]
        raise BadInput(f"Two columns have the name {twice!r}: rename or drop one.")
    return made


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
