import dataclasses
import io
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Bool, UInt8

from ...errors import BadInput, DAMAGED
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
    kept: tuple[int, ...] | None = None
    """The classes that the data set has, in this order; by default all of the file."""

    def read(self, folder: Path) -> DataSet:
        path = folder / self.files[0]
        try:
            with np.load(path, allow_pickle=False) as archive:
                names = tuple(str(name).split(",")[0] for name in archive["class_names"])
                place = np.full(len(names), -1)
                kept = range(len(names)) if self.kept is None else self.kept
                place[list(kept)] = np.arange(len(kept))
                labels = [place[archive[f"{split}_labels"]] for split in self.splits]
                images = [
                    _decode(archive[f"{split}_jpeg"], archive[f"{split}_offsets"], own >= 0)
                    for split, own in zip(self.splits, labels)
                ]
        except DAMAGED as error:
            raise BadInput(f"{path} can't be read as JPEG files in .npz ({error}); fetch the file again.") from error
        train_y, test_y = (own[own >= 0] for own in labels)
        return DataSet(self.name, "image", tuple(names[index] for index in kept), images[0], train_y, images[1], test_y)


def _decode(
    blob: UInt8[np.ndarray, " byte"], offsets: np.ndarray, kept: Bool[np.ndarray, " file"]
) -> UInt8[np.ndarray, "example side side 3"]:
    from PIL.JpegImagePlugin import JpegImageFile  # Twice as fast as `Image.open`, which tries other formats first.

    raw = blob.tobytes()
    pieces = (raw[start:stop] for start, stop in zip(offsets[:-1][kept], offsets[1:][kept]))
    return np.stack([np.asarray(JpegImageFile(io.BytesIO(piece))) for piece in pieces])
