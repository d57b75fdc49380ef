import dataclasses
from pathlib import Path
from typing import final

import numpy as np

from ._data_set import DataSet
from ._source import AbstractSource
from ._split import stratified_split


@final
@dataclasses.dataclass(frozen=True)
class DigitsSource(AbstractSource):
    """The 1,797 handwritten digits, 8x8, that come with scikit-learn: three fifths to train, the rest to test."""

    def read(self, folder: Path) -> DataSet:
        from sklearn.datasets import load_digits  # takes a second to import

        pixels, labels = load_digits(return_X_y=True)
        images = np.rint(np.asarray(pixels).reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        labels = np.asarray(labels, np.int64)
        train, test = stratified_split(labels, fraction=0.4, seed=0)
        names = tuple(str(digit) for digit in range(10))
        return DataSet(self.name, "image", names, images[train], labels[train], images[test], labels[test])
