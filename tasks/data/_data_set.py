import dataclasses
from typing import final, Literal

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from ...errors import BadInput


Kind = Literal["image", "text", "table"]


def as_inputs(x: np.ndarray) -> Float32[np.ndarray, "example input"]:
    """Returns examples as rows of float32: bytes are flattened (row, column, colour) and scaled to [0, 1]."""
    rows = x.reshape(len(x), -1)
    return rows.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else rows.astype(np.float32)


def as_image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and colours of images of this shape, which may leave out a single colour."""
    return shape[0], shape[1], shape[2] if len(shape) > 2 else 1


@final
@dataclasses.dataclass(frozen=True, eq=False)  # A generated `__eq__` would fail on arrays.
class DataSet:
    """Examples in host memory, with a train split and a test split, which may be empty.

    Images are grey [example, side, side] or coloured [example, side, side, 3], with values from 0 to 255; texts and
    tables are vectors [example, feature]. Labels are indices into `class_names`. Train examples behind those that
    `train_y` has a label for are unlabelled. Raises `BadInput` for more labels than examples and for fewer test labels,
    for a label without a class, and for fewer than two classes.

    Where most examples have no label, nothing is held out once and for all: `split_anew`. The labelled examples are
    then train and test examples alike, in the same order, and each few-shot problem divides them.
    """

    name: str
    kind: Kind
    class_names: tuple[str, ...]
    train_x: (
        UInt8[np.ndarray, "train side side"]
        | UInt8[np.ndarray, "train side side 3"]
        | Float32[np.ndarray, "train feature"]
    )
    train_y: Int64[np.ndarray, " train_label"]
    test_x: (
        UInt8[np.ndarray, "test side side"]
        | UInt8[np.ndarray, "test side side 3"]
        | Float32[np.ndarray, "test feature"]
    )
    test_y: Int64[np.ndarray, " test_label"]
    split_anew: bool = False

    def __post_init__(self):
        for split, x, y in (("train", self.train_x, self.train_y), ("test", self.test_x, self.test_y)):
            if len(y) > len(x) or (split == "test" and len(y) < len(x)):
                raise BadInput(f"{self.name}: {len(x)} {split} examples have {len(y)} labels; give one label for each.")
            if len(y) and not 0 <= y.min() <= y.max() < self.classes:
                raise BadInput(f"{self.name}: a {split} label lies outside its {self.classes} classes.")
        if self.classes < 2:
            raise BadInput(f"{self.name} has {self.classes} class; a few-shot problem needs at least two.")

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def input_size(self) -> int:
        """The number of inputs of one example."""
        return int(np.prod(self.train_x.shape[1:]))

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Height, width and colours of an image; None if the examples are no images."""
        return as_image_shape(self.train_x.shape[1:]) if self.kind == "image" else None

    def train_inputs(self) -> Float32[np.ndarray, "train input"]:
        """Returns the train examples as `as_inputs` does."""
        return as_inputs(self.train_x)

    def test_inputs(self) -> Float32[np.ndarray, "test input"]:
        """Returns the test examples as `as_inputs` does."""
        return as_inputs(self.test_x)

    def require(self, per_class: int) -> None:
        """Raises `BadInput` unless every class has at least `per_class` train examples."""
        counts = np.bincount(self.train_y, minlength=self.classes)
        fewest = int(counts.argmin())
        if counts[fewest] < per_class:
            if 2 * self.classes > len(self.train_y) > 2 * per_class:
                raise BadInput(
                    f"{self.name}: {len(self.train_y)} train examples have {self.classes} different labels, such as "
                    f"{self.class_names[0]!r}: name labels that are classes, not measurements."
                )
            raise BadInput(
                f"{self.name}: class {self.class_names[fewest]!r} has {counts[fewest]} train examples, fewer than the "
                f"{per_class} labels per class asked for; ask for fewer or leave the class out."
            )
