import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32

from ...errors import BadInput
from ._examples import chunks, Examples, Sparse
from ._images import full_scale


_NUMBERS = 2**24
"""Numbers whose moments are computed at once: examples may be larger than memory."""

_LIMIT = 1e4
"""Deviations from the mean at which a standardised value is cut off: products of larger ones end in infinity."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """A map of columns to inputs: `(x - offset) / unit`. The unit of a constant column is infinite: it becomes zero.

    What lies further than 10,000 from zero then is cut off there, where columns are standardised.
    """

    offset: Float[np.ndarray, " feature"]
    unit: Float[np.ndarray, " feature"]
    limit: float = np.inf
    white: float | None = None
    """The number that was white, black being 0, where columns are pixels."""

    @staticmethod
    def of(train: Examples, standardise: bool = True) -> "Scaling":
        """Returns the scaling of rows: bytes to [0, 1], other columns to zero mean and unit deviation.

        Missing values, which are NaN, are left out. Without `standardise` other columns are left unchanged.
        """
        features = train.shape[1]
        if train.dtype == np.uint8 or not standardise:
            unit = 255 if train.dtype == np.uint8 else 1
            return Scaling(np.zeros(features, np.float32), np.full(features, unit, np.float32))
        mean, variance = _sparse_moments(train) if isinstance(train, Sparse) else _moments(train)
        deviation = np.sqrt(variance)
        return Scaling(mean, np.where(deviation > 1e-12 * np.abs(mean), deviation, np.inf), _LIMIT)

    @staticmethod
    def of_pixels(train: Examples, image: tuple[int, int, int]) -> "Scaling":
        """Returns the scaling of rows of pixels (row, column, colour) of images of this shape.

        Black becomes 0 and white 1 where `full_scale` knows them; other numbers get zero mean and unit deviation, alike
        for all pixels of a colour.
        """
        places, colours = image[0] * image[1], image[2]
        if (white := full_scale(train)) is not None:
            black = np.zeros(places * colours, np.float32)
            return Scaling(black, np.full(places * colours, white, np.float32), white=white)
        own = Scaling.of(train.reshape(-1, colours))
        return Scaling(np.tile(own.offset, places), np.tile(own.unit, places), own.limit)

    def beside_flags(self, share: Float[np.ndarray, " flag"], standardise: bool) -> "Scaling":
        """This one and, for further columns that are 1 in this share of all rows and 0 in the others, theirs."""
        if not len(share):
            return self
        deviation = np.sqrt(share * (1 - share))
        unit = np.where(deviation > 0, deviation, np.inf) if standardise else np.ones_like(share)
        offset = np.concatenate([self.offset, share if standardise else np.zeros_like(share)])
        return dataclasses.replace(self, offset=offset, unit=np.concatenate([self.unit, unit]))

    def __call__(self, x: np.ndarray) -> Float32[np.ndarray, "example feature"]:
        """The inputs of examples. Raises `BadInput` for pixels of a larger scale."""
        if self.white is not None:
            _check_scale(x, self.white)
        scaled = np.clip((x - self.offset) / self.unit, -self.limit, self.limit)
        with np.errstate(over="ignore"):  # Without a limit it may be too large: who makes features of it finds out.
            return scaled.astype(np.float32)


def _check_scale(pixels: np.ndarray, white: float) -> None:
    """Refuses pixels that are far too bright, and warns of those that are bright on a scale up to 1 only."""
    if not pixels.size:
        return
    low, high = pixels.min(), pixels.max()
    said = f"Pixels from {low:g} to {high:g}, but the encoder was fitted to pixels from 0 to {white:g}"
    if low < -white or high > 2 * white:  # What an interpolation made may lie a little outside.
        raise BadInput(f"{said}: give them on that scale.")
    if white > 1 and pixels.dtype.kind == "f" and 0 < high <= 1 and (pixels != np.rint(pixels)).any():
        warnings.warn(f"{said}: unless they are that dark, give them on that scale.", stacklevel=6)


def missing_share(train: np.ndarray) -> Float[np.ndarray, " feature"]:
    """The share of rows in which each column is NaN."""
    return np.asarray(sum(np.isnan(part).sum(0) for part in _parts(train))) / len(train)


def _moments(train: np.ndarray) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    present = np.maximum(sum((~np.isnan(part)).sum(0) for part in _parts(train)), 1)
    mean = sum(np.nansum(part.astype(np.float64), 0) for part in _parts(train)) / present
    return mean, sum(np.nansum((part - mean) ** 2, 0) for part in _parts(train)) / present


def _parts(train: np.ndarray) -> Iterator[np.ndarray]:
    return chunks(train, max(1, _NUMBERS // max(1, train.shape[1])))


def _sparse_moments(train: Sparse) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    from sklearn.utils.sparsefuncs import mean_variance_axis  # Takes a second to import.

    moments: Any = mean_variance_axis(train.tocsr().astype(np.float64), axis=0)
    return moments
