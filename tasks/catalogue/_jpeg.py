import dataclasses
import io
import zipfile
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from ...errors import BadInput
from ..data._data_set import DataSet
from ._source import AbstractSource


@final
@dataclasses.dataclass(frozen=True)
class JpegSource(AbstractSource):
    """Coloured images of one size as JPEG files in one .npz file.

    `<split>_jpeg` holds the files of a split end to end, `<split>_offsets` where each starts, and `<split>_labels` the
    labels. JPEG is lossy: accuracies differ slightly from those on the original pixels.
    """

    splits: tuple[str, str]

    def read(self, folder: Path) -> DataSet:
        path = folder / self.files[0]
        try:
            with np.load(path, allow_pickle=False) as archive:
                names = tuple(str(name).split(",")[0] for name in archive["class_names"])
                images = [_decode(archive[f"{split}_jpeg"], archive[f"{split}_offsets"]) for split in self.splits]
                labels = [archive[f"{split}_labels"].astype(np.int64) for split in self.splits]
        except (OSError, SyntaxError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise BadInput(f"{path} can't be read as JPEG files in .npz ({error}); fetch the file again.") from error
        return DataSet(self.name, "image", names, images[0], labels[0], images[1], labels[1])


def _decode(blob: UInt8[np.ndarray, " byte"], offsets: np.ndarray) -> UInt8[np.ndarray, "example side side 3"]:
    from PIL.JpegImagePlugin import JpegImageFile  # Twice as fast as `Image.open`, which tries other formats first.

    raw = blob.tobytes()
    pieces = (raw[start:stop] for start, stop in zip(offsets[:-1], offsets[1:]))
    return np.stack([np.asarray(JpegImageFile(io.BytesIO(piece))) for piece in pieces])
