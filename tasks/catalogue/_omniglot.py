import dataclasses
import io
import zipfile
from pathlib import Path
from typing import final

import numpy as np

from ...errors import BadInput, DAMAGED
from ..data._data_set import DataSet
from ..data._split import stratified_split
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class OmniglotSource(AbstractSource):
    """Omniglot: zip files of 105x105 drawings, inverted to white ink on black. An alphabet in both files counts once.

    Each character is a class with 20 drawings: half for train, half for test, by a fixed seed.
    """

    def read(self, folder: Path) -> DataSet:
        drawings: dict[str, np.ndarray] = {}
        for file in self.files:
            try:
                drawings |= _read(folder / file)
            except DAMAGED as error:
                message = f"{folder / file} can't be read as Omniglot's zip ({error}); fetch the file again."
                raise BadInput(message) from error
        names, labels = np.unique([_character(member) for member in sorted(drawings)], return_inverse=True)
        images = np.stack([drawings[member] for member in sorted(drawings)])
        labels = labels.astype(np.int64)
        train, test = stratified_split(labels, fraction=0.5, seed=0)
        class_names = tuple(str(name) for name in names)
        return DataSet(self.name, "image", class_names, images[train], labels[train], images[test], labels[test])


def _read(path: Path) -> dict[str, np.ndarray]:
    from PIL import Image

    drawings = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".png") and "__MACOSX" not in member:
                ink = Image.open(io.BytesIO(archive.read(member))).convert("L")
                drawings[member.split("/", 1)[1]] = 255 - np.asarray(ink)
    return drawings


def _character(member: str) -> str:
    """Returns `Greek/character01` for `Greek/character01/0394_01.png`."""
    return member.rsplit("/", 1)[0]
