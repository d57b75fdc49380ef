import dataclasses
import importlib.util
import io
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ._data_set import DataSet
from ._examples import Part
from ._from_arrays import from_parts
from ._pictures import decode


_Examples = tuple[list[bytes], np.ndarray]


def prepare(name: str, data_dir: Path) -> Path:
    """Downloads a data set of tensorflow-datasets and writes it in array_record format; returns its folder.

    Original files in `data_dir/NAME` are used instead of a download, if their checksums are right. Raises `BadInput`
    where TensorFlow is not installed (reading needs none), for an unknown name, and where a file can neither be found
    nor downloaded.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise BadInput("Preparing a data set needs TensorFlow: pip install 'metarule[tensorflow]'.")
    import tensorflow_datasets as tfds

    root, given = tfds_folder(data_dir), data_dir / name
    builder = _builder(name, root)
    settings = tfds.download.DownloadConfig(
        try_download_gcs=False,
        manual_dir=given if given.is_dir() else None,
        extract_dir=root / "extracted" / name,  # One per data set: two may have files of the same name.
    )
    try:
        builder.download_and_prepare(download_dir=root / "downloads", download_config=settings)
    except Exception as error:  # tensorflow-datasets raises a dozen unrelated classes here.
        first = str(error).strip().split("\n")[0]
        raise BadInput(f"{name} could not be prepared ({first}); put its original files into {given}.") from error
    return Path(builder.data_dir)


def read_tfds(name: str, side: int | None, data_dir: Path) -> DataSet:
    """Reads a prepared data set of images or texts with one class each, without TensorFlow.

    Images are cropped to their central square and resized to `side`; texts become bags of words. Raises `BadInput`
    where the data set was not prepared, where images differ in size and no side is given, and for other kinds of data.
    """
    import tensorflow_datasets as tfds

    builder = _builder(name, tfds_folder(data_dir))
    if not Path(builder.data_dir).is_dir():
        raise BadInput(f"{name} is not prepared below {data_dir}: run `metarule data prepare {name}` once.")
    inputs, labels = (_feature(builder, index) for index in (0, 1))
    if not isinstance(labels, tfds.features.ClassLabel) or not isinstance(
        inputs, tfds.features.Image | tfds.features.Text
    ):
        raise BadInput(f"tfds:{name} does not hold images or texts with one class each.")
    splits = builder.info.splits
    if "train" not in splits:
        raise BadInput(f"tfds:{name} has no train split; its splits are {', '.join(splits)}.")
    held_out = next((split for split in ("test", "validation") if split in splits), None)
    train = _read(builder, "train")
    test = _read(builder, held_out) if held_out else ([], train[1][:0])
    words = isinstance(inputs, tfds.features.Text)
    parts = []
    for part, (x, y) in (("train", train), ("test", test)):
        if len(y):
            made = [text.decode("utf8") for text in x] if words else decode(f"tfds:{name}", [*map(io.BytesIO, x)], side)
            parts.append(Part(part, made, y))
    data_set = from_parts(name, parts)
    return dataclasses.replace(data_set, class_names=tuple(labels.names[int(index)] for index in data_set.class_names))


def tfds_folder(data_dir: Path) -> Path:
    """Returns the folder of prepared data sets below the data folder."""
    return data_dir / "tensorflow_datasets"


def _builder(name: str, root: Path):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=root, file_format="array_record")
    except tfds.core.DatasetNotFoundError as error:
        message = f"tensorflow-datasets knows no {name!r}; see https://www.tensorflow.org/datasets/catalog/overview."
        raise BadInput(message) from error


def _feature(builder, index: int):
    """Returns the feature type of the input (0) or the label (1); None where the data set is not supervised."""
    keys = builder.info.supervised_keys
    return builder.info.features[keys[index]] if keys else None


def _read(builder, split: str) -> _Examples:
    """Returns the undecoded inputs and the labels of a split."""
    import tensorflow_datasets as tfds

    x, y = builder.info.supervised_keys[:2]
    examples = [(one[x], one[y]) for one in builder.as_data_source(split, decoders={x: tfds.decode.SkipDecoding()})]
    return [x for x, _ in examples], np.array([y for _, y in examples], np.int64)
