import dataclasses
from pathlib import Path
from typing import final

import numpy as np

from ...errors import BadInput
from ..data._data_set import DataSet
from ..data._from_arrays import from_arrays
from ..data._npz import read_npz
from ..data._table import read_table
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class CsvSource(AbstractSource):
    """A table in a CSV file, whose label column is `label`. The share `held_out` of each class is for test."""

    label: str
    held_out: float

    def read(self, folder: Path) -> DataSet:
        return read_table(folder / self.files[0], self.label, self.held_out)


@final
@dataclasses.dataclass(frozen=True)
class NpzTableSource(AbstractSource):
    """A table in an .npz file with its own splits. Its columns are standardised."""

    def read(self, folder: Path) -> DataSet:
        raw = read_npz(folder / self.files[0])
        if raw.kind != "table":
            raise BadInput(f"{folder / self.files[0]} holds images where {self.name} holds rows; fetch the file again.")
        names = np.array(raw.class_names)
        # Its bytes are measurements, not pixels: as floats they are standardised instead of divided by 255.
        train = raw.train_x.astype(np.float64), names[raw.train_y]
        return from_arrays(self.name, train, (raw.test_x.astype(np.float64), names[raw.test_y]))
