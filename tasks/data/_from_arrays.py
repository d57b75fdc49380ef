import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ...errors import BadInput
from ._data_set import DataSet
from ._scaling import Scaling
from ._split import stratified_split


_Pair = tuple[np.ndarray, np.ndarray]


def from_arrays(name: str, train: _Pair, test: _Pair | None = None, held_out: float = 0.2) -> DataSet:
    """Makes a data set from arrays: each split is a pair of examples and labels.

    Images are [example, side, side] or [example, side, side, 3], as bytes or as floats in [0, 1] or [0, 255]. Vectors
    are [example, feature]: bytes are scaled to [0, 1]; other columns are standardised by the train split's mean and
    deviation, and constant ones become zero. Without a test split, the share `held_out` of each class becomes one, by a
    fixed seed. Raises `BadInput` for NaN, labels of the wrong length, a single class, or other shapes.
    """
    (train_x, train_y), (test_x, test_y) = train, test if test is not None else (train[0][:0], train[1][:0])
    for x, y in ((train_x, train_y), (test_x, test_y)):
        check_inputs(name, x)
        _check_labels(name, x, y)
    class_names, train_y = _encode(train_y)
    if test is None:
        rest, chosen = stratified_split(train_y, fraction=held_out, seed=0)
        (train_x, train_y), (test_x, test_y) = (train_x[rest], train_y[rest]), (train_x[chosen], train_y[chosen])
    else:
        # Classes are those of the train split: a class without train examples can't be learned.
        test_y = _look_up(name, test_y, class_names)
    train_x, test_x = prepare_inputs(name, train_x, test_x)
    kind = "table" if train_x.ndim == 2 else "image"
    return DataSet(name, kind, class_names, train_x, train_y, test_x, test_y)


def prepare_inputs(name: str, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both splits as a data set holds them: images as bytes, vectors scaled.

    Raises `BadInput` where the splits differ in shape or the train split is empty.
    """
    if not train.size:
        raise BadInput(f"{name}: train inputs of shape {train.shape} are empty; give at least one example.")
    if train.shape[1:] != test.shape[1:]:
        raise BadInput(f"{name}: train examples have shape {train.shape[1:]} but test examples {test.shape[1:]}.")
    if train.ndim == 2:
        return as_vectors(train, test)
    images = as_bytes(name, np.concatenate([train, test]))
    return images[: len(train)], images[len(train) :]


def as_vectors(
    train: np.ndarray, test: np.ndarray
) -> tuple[Float32[np.ndarray, "train feature"], Float32[np.ndarray, "test feature"]]:
    """Returns both splits with bytes scaled to [0, 1] and other columns standardised by the train split."""
    scaling = Scaling.of(train)
    return scaling(train), scaling(test)


def as_bytes(
    name: str, images: np.ndarray
) -> UInt8[np.ndarray, "example side side"] | UInt8[np.ndarray, "example side side 3"]:
    """Returns images as bytes: floats in [0, 1] are multiplied by 255, other numbers must lie in [0, 255].

    Raises `BadInput` for other numbers, and for images that are not square and grey or RGB.
    """
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.shape[1] != images.shape[2] or (images.ndim == 4 and images.shape[3] != 3):
        raise BadInput(
            f"{name}: images of shape {images.shape[1:]} are not square, grey or with 3 colours; resize them."
        )
    if images.dtype == np.uint8:
        return images
    low, high = images.min(), images.max()
    if low < 0 or high > 255:
        raise BadInput(f"{name}: pixels from {low:g} to {high:g}; give bytes, or floats in [0, 1] or [0, 255].")
    scale = 255 if high <= 1 and np.issubdtype(images.dtype, np.floating) else 1
    return np.rint(images * scale).astype(np.uint8)


def check_inputs(name: str, x: np.ndarray) -> None:
    """Raises `BadInput` unless examples are finite numbers in a shape that a data set can have."""
    if x.dtype == object:
        raise BadInput(f"{name}: the examples differ in size; resize them to one size and stack them.")
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool) or np.iscomplexobj(x):
        raise BadInput(f"{name}: the inputs hold {x.dtype}, not numbers.")
    if x.ndim not in (2, 3, 4):
        raise BadInput(f"{name}: inputs of shape {x.shape}; give [example, feature] or [example, side, side] (or x 3).")
    if not np.isfinite(x).all():
        raise BadInput(f"{name}: the inputs hold NaN or infinity; remove or fill in those examples.")


def _check_labels(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if y.ndim != 1 or len(x) != len(y):
        raise BadInput(f"{name}: {len(x)} examples but labels of shape {y.shape}; give one label for each example.")
    if np.issubdtype(y.dtype, np.floating) and not np.isfinite(y).all():
        raise BadInput(f"{name}: the labels hold NaN or infinity; leave unlabelled examples out.")


def _encode(labels: np.ndarray) -> tuple[tuple[str, ...], Int64[np.ndarray, " example"]]:
    names, indices = np.unique(labels, return_inverse=True)
    return tuple(str(name) for name in names), indices.astype(np.int64)


def _look_up(name: str, labels: np.ndarray, class_names: tuple[str, ...]) -> Int64[np.ndarray, " example"]:
    index_of = {class_name: index for index, class_name in enumerate(class_names)}
    unknown = sorted({str(label) for label in labels} - index_of.keys())
    if unknown:
        raise BadInput(f"{name}: the test labels {', '.join(unknown[:5])} do not occur among the train labels.")
    return np.array([index_of[str(label)] for label in labels], np.int64)
