import dataclasses
from pathlib import Path
from typing import final

import numpy as np

from ...errors import BadInput
from ..data._data_set import DataSet
from ..data._from_arrays import from_parts
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
        path = folder / self.files[0]
        return from_parts(str(path), [read_table(path, self.label)], self.held_out)


@final
@dataclasses.dataclass(frozen=True)
class NpzTableSource(AbstractSource):
    """A table in an .npz file with its own splits. Its columns are standardised."""

    def read(self, folder: Path) -> DataSet:
        path = folder / self.files[0]
        parts = read_npz(path)
        if any(part.x.ndim != 2 for part in parts):
            raise BadInput(f"{path} holds images where {self.name} holds rows; fetch the file again.")
        # Its bytes are measurements, not pixels: as floats they are standardised instead of divided by 255.
        return from_parts(self.name, [part._replace(x=part.x.astype(np.float64)) for part in parts])
