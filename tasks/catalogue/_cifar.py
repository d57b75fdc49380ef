import dataclasses
import tarfile
from pathlib import Path
from typing import final

import numpy as np

from ...errors import BadInput, DAMAGED
from ..data._data_set import DataSet
from ._source import AbstractSource


_BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@final
@dataclasses.dataclass(frozen=True)
class CifarSource(AbstractSource):
    """CIFAR-10's binary version as its authors give it: the archive, or the files that it unpacks to.

    A record is a byte for the label and 32 x 32 bytes for each of red, green and blue.
    """

    def read(self, folder: Path) -> DataSet:
        path = folder / self.files[0]
        try:
            batches = (
                _archived(path) if path.suffix == ".gz" else [(path.parent / name).read_bytes() for name in _BATCHES]
            )
            records = [np.frombuffer(batch, np.uint8).reshape(-1, 1 + 3 * 32 * 32) for batch in batches]
        except DAMAGED as error:
            raise BadInput(f"{path} can't be read as CIFAR-10's binary version ({error}); fetch it again.") from error
        splits = np.concatenate(records[:-1]), records[-1]
        images = [np.moveaxis(own[:, 1:].reshape(-1, 3, 32, 32), 1, 3) for own in splits]
        labels = [own[:, 0].astype(np.int64) for own in splits]
        return DataSet(self.name, "image", _NAMES, images[0], labels[0], images[1], labels[1])


def _archived(path: Path) -> list[bytes]:
    with tarfile.open(path) as archive:
        members = {Path(member.name).name: member for member in archive if member.isfile()}
        return [_content(archive, members[name]) for name in _BATCHES]


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # It is a file.
    return file.read()
