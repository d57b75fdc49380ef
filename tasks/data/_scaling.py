import dataclasses
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32

from ._examples import chunks, Examples, Sparse


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
        return Scaling(mean, np.where(deviation > 1e-12 * (1 + np.abs(mean)), deviation, np.inf), _LIMIT)

    def __call__(self, x: np.ndarray) -> Float32[np.ndarray, "example feature"]:
        scaled = np.clip((x - self.offset) / self.unit, -self.limit, self.limit)
        with np.errstate(over="ignore"):  # Without a limit it may be too large: who makes features of it finds out.
            return scaled.astype(np.float32)


def _moments(train: np.ndarray) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    size = max(1, _NUMBERS // max(1, train.shape[1]))
    present = np.maximum(sum((~np.isnan(part)).sum(0) for part in chunks(train, size)), 1)
    mean = sum(np.nansum(part.astype(np.float64), 0) for part in chunks(train, size)) / present
    return mean, sum(np.nansum((part - mean) ** 2, 0) for part in chunks(train, size)) / present


def _sparse_moments(train: Sparse) -> tuple[Float[np.ndarray, " feature"], Float[np.ndarray, " feature"]]:
    from sklearn.utils.sparsefuncs import mean_variance_axis  # Takes a second to import.

    moments: Any = mean_variance_axis(train.tocsr().astype(np.float64), axis=0)
    return moments
