import dataclasses
from pathlib import Path
from typing import final

from ..data._data_set import DataSet
from ..data._text import _by_split, _pair, _read_lines
from ..data._words import from_texts
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class TextSource(AbstractSource):
    """Labelled texts as JSON lines: a train file and a test file, or one file whose lines have a `split`."""

    class_names: tuple[str, ...]

    def read(self, folder: Path) -> DataSet:
        lines = [_read_lines(folder / file) for file in self.files]
        train, test = lines if len(lines) == 2 else _by_split(lines[0])
        return dataclasses.replace(from_texts(self.name, _pair(train), _pair(test)), class_names=self.class_names)
