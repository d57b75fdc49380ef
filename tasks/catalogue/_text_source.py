import dataclasses
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from ...errors import BadInput, DAMAGED
from ..data._data_set import DataSet
from ..data._examples import Part
from ..data._from_arrays import from_parts
from ..data._text import part_of, read_lines, read_texts
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class TextSource(AbstractSource):
    """Labelled texts as JSON lines: a train file and a test file, or one file whose lines have a `split`."""

    class_names: tuple[str, ...]

    def read(self, folder: Path) -> DataSet:
        if len(self.files) == 2:
            parts = [part_of(name, read_lines(folder / file)) for name, file in zip(("train", "test"), self.files)]
        else:
            parts = read_texts(folder / self.files[0])
        return dataclasses.replace(from_parts(self.name, parts), class_names=self.class_names)


@final
@dataclasses.dataclass(frozen=True)
class ReviewSource(AbstractSource):
    """The Large Movie Review Dataset as its authors give it: the archive `aclImdb_v1.tar.gz`, or what it unpacks to.

    Its files are `train/pos/*.txt` and so on; the texts are in the order of their names.
    """

    def read(self, folder: Path) -> DataSet:
        path = folder / self.files[0]
        found: dict[tuple[str, str], dict[str, str]] = {}
        try:
            for name, content in _members(path if path.suffix == ".gz" else folder):
                *_, split, label, file = name.split("/")
                found.setdefault((split, label), {})[file] = content.decode("utf8")
        except DAMAGED as error:
            raise BadInput(f"{path} can't be read as reviews ({error}); fetch the file again.") from error
        parts = []
        for split in ("train", "test"):
            texts = [(label, found.get((split, label), {})) for label in ("neg", "pos")]
            if not all(own for _, own in texts):
                raise BadInput(f"{path} lacks reviews of {split}/neg or {split}/pos; fetch it again.")
            x = [own[file] for _, own in texts for file in sorted(own)]
            parts.append(Part(split, x, np.array([label for label, own in texts for _ in own])))
        return dataclasses.replace(from_parts(self.name, parts), class_names=("negative", "positive"))


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The name and content of every review in an archive or a folder."""

    def is_review(name: str) -> bool:
        return name.endswith(".txt") and name.split("/")[-2:-1] in (["neg"], ["pos"])

    if path.is_file():
        with tarfile.open(path) as archive:
            for member in archive:
                if is_review(member.name) and (file := archive.extractfile(member)) is not None:
                    yield member.name, file.read()
        return
    for file in path.glob("*/*/*.txt"):
        if is_review(name := file.relative_to(path).as_posix()):
            yield name, file.read_bytes()
