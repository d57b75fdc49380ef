import dataclasses
import importlib.util
from pathlib import Path
from typing import final

import numpy as np

from ..data._data_set import DataSet
from ..data._split import stratified_split
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class DigitsSource(AbstractSource):
    """Scikit-learn's 1,797 handwritten digits of 8x8 pixels: three fifths for train, the rest for test."""

    def read(self, folder: Path) -> DataSet:
        # Reads the file of `sklearn.datasets.load_digits` directly: importing scikit-learn takes ten times as long.
        table = np.loadtxt(_beside("sklearn") / "datasets" / "data" / "digits.csv.gz", delimiter=",")
        images = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        labels = table[:, -1].astype(np.int64)
        train, test = stratified_split(labels, fraction=0.4, seed=0)
        names = tuple(str(digit) for digit in range(10))
        return DataSet(self.name, "image", names, images[train], labels[train], images[test], labels[test])


def _beside(package: str) -> Path:
    """Returns the folder of a package without importing it."""
    found = importlib.util.find_spec(package)
    assert found is not None and found.origin is not None
    return Path(found.origin).parent
