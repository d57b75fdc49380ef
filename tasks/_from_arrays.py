import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ._bad_input import BadInput
from ._data_set import DataSet
from ._split import stratified_split


_Pair = tuple[np.ndarray, np.ndarray]


def from_arrays(name: str, train: _Pair, test: _Pair | None = None) -> DataSet:
    """A data set from anyone's arrays: pairs of examples and labels.

    Images are [example, side, side] or [example, side, side, 3], as bytes or as floats in [0, 1] or [0, 255]. Vectors
    are [example, feature]: bytes are scaled to [0, 1]; other columns are standardised by the train split's mean and
    deviation, and constant ones become zero. Without a test split, a fifth of each class is set aside by a fixed seed.
    Raises `BadInput` for NaN, labels of the wrong length, a single class, or shapes that fit neither form.
    """
    (train_x, train_y), (test_x, test_y) = train, test if test is not None else (train[0][:0], train[1][:0])
    for x, y in ((train_x, train_y), (test_x, test_y)):
        _check(name, x, y)
    if not train_x.size:
        raise BadInput(f"{name}: train inputs of shape {train_x.shape} hold nothing; give at least one number of each.")
    class_names, train_y = _encode(train_y)
    if test is None:
        kept, held_out = stratified_split(train_y, fraction=0.2, seed=0)
        (train_x, train_y), (test_x, test_y) = (train_x[kept], train_y[kept]), (train_x[held_out], train_y[held_out])
    else:
        test_y = _look_up(name, test_y, class_names)
    if train_x.shape[1:] != test_x.shape[1:]:
        raise BadInput(f"{name}: train examples have shape {train_x.shape[1:]} but test examples {test_x.shape[1:]}.")
    if train_x.ndim == 2:
        train_x, test_x = as_vectors(train_x, test_x)
        return DataSet(name, "table", class_names, train_x, train_y, test_x, test_y)
    images = as_bytes(name, np.concatenate([train_x, test_x]))
    train_x, test_x = images[: len(train_y)], images[len(train_y) :]
    return DataSet(name, "image", class_names, train_x, train_y, test_x, test_y)


def as_vectors(
    train: np.ndarray, test: np.ndarray
) -> tuple[Float32[np.ndarray, "train feature"], Float32[np.ndarray, "test feature"]]:
    """Bytes scaled to [0, 1]; other columns standardised by the train split, constant ones to zero."""
    if train.dtype == np.uint8:
        return train.astype(np.float32) / np.float32(255), test.astype(np.float32) / np.float32(255)
    train, test = train.astype(np.float64), test.astype(np.float64)
    mean, deviation = train.mean(0), train.std(0)
    scale = np.where(deviation > 1e-12 * (1 + np.abs(mean)), 1 / np.maximum(deviation, 1e-300), 0)
    return ((train - mean) * scale).astype(np.float32), ((test - mean) * scale).astype(np.float32)


def as_bytes(
    name: str, images: np.ndarray
) -> UInt8[np.ndarray, "example side side"] | UInt8[np.ndarray, "example side side 3"]:
    """Images as bytes: floats in [0, 1] are multiplied by 255, other numbers must already lie in [0, 255]."""
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


def _check(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if x.dtype == object:
        raise BadInput(f"{name}: the examples differ in size; resize them to one size and stack them.")
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool) or np.iscomplexobj(x):
        raise BadInput(f"{name}: the inputs hold {x.dtype}, not numbers.")
    if x.ndim not in (2, 3, 4):
        raise BadInput(f"{name}: inputs of shape {x.shape}; give [example, feature] or [example, side, side] (or x 3).")
    if y.ndim != 1 or len(x) != len(y):
        raise BadInput(f"{name}: {len(x)} examples but labels of shape {y.shape}; give one label for each example.")
    if not np.isfinite(x).all():
        raise BadInput(f"{name}: the inputs hold NaN or infinity; remove or fill in those examples.")
    if np.issubdtype(y.dtype, np.floating) and not np.isfinite(y).all():
        raise BadInput(f"{name}: the labels hold NaN or infinity; leave unlabelled examples out.")


def _encode(labels: np.ndarray) -> tuple[tuple[str, ...], Int64[np.ndarray, " example"]]:
    names, indices = np.unique(labels, return_inverse=True)
    return tuple(str(name) for name in names), indices.astype(np.int64)


def _look_up(name: str, labels: np.ndarray, class_names: tuple[str, ...]) -> Int64[np.ndarray, " example"]:
    place = {class_name: index for index, class_name in enumerate(class_names)}
    unknown = sorted({str(label) for label in labels} - place.keys())
    if unknown:
        raise BadInput(f"{name}: the test labels {', '.join(unknown[:5])} do not occur among the train labels.")
    return np.array([place[str(label)] for label in labels], np.int64)
