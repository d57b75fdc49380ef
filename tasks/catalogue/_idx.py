import dataclasses
import gzip
import struct
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from ...errors import BadInput, DAMAGED
from ..data._data_set import DataSet
from ._source import AbstractSource


def read_idx(path: Path) -> UInt8[np.ndarray, "..."]:
    """Returns the array of bytes in an idx file, gzipped or not. Raises `BadInput` for a truncated or another file."""
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        rank = raw[3]
        shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
        if raw[:3] != b"\0\0\x08" or rank == 0:
            raise ValueError("not bytes in idx form")
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except DAMAGED as error:
        raise BadInput(f"{path} can't be read as idx ({error}); fetch the file again.") from error


@final
@dataclasses.dataclass(frozen=True)
class IdxSource(AbstractSource):
    """Images and labels in four idx files, gzipped or not, as MNIST has them."""

    class_names: tuple[str, ...]

    def read(self, folder: Path) -> DataSet:
        train_x, train_y, test_x, test_y = (read_idx(folder / file) for file in self.files)
        train_y, test_y = train_y.astype(np.int64), test_y.astype(np.int64)
        return DataSet(self.name, "image", self.class_names, train_x, train_y, test_x, test_y)
