import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import final

from ..data._data_set import DataSet
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class MadeUpSource(AbstractSource):
    """A data set that code draws from a seed."""

    make: Callable[[], DataSet]

    def read(self, folder: Path) -> DataSet:
        return self.make()
