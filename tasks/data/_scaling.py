import dataclasses
from typing import final

import numpy as np
from jaxtyping import Float, Float32


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """A map of columns to inputs: `(x - offset) / unit`. The unit of a constant column is infinite: it becomes zero."""

    offset: Float[np.ndarray, " feature"]
    unit: Float[np.ndarray, " feature"]

    @staticmethod
    def of(train: np.ndarray, standardise: bool = True) -> "Scaling":
        """Returns the scaling of these examples: bytes to [0, 1], other columns to zero mean and unit deviation.

        Without `standardise` other columns are left unchanged.
        """
        features = train.shape[1]
        if train.dtype == np.uint8 or not standardise:
            unit = 255 if train.dtype == np.uint8 else 1
            return Scaling(np.zeros(features, np.float32), np.full(features, unit, np.float32))
        train = train.astype(np.float64)
        mean, deviation = train.mean(0), train.std(0)
        return Scaling(mean, np.where(deviation > 1e-12 * (1 + np.abs(mean)), deviation, np.inf))

    def __call__(self, x: np.ndarray) -> Float32[np.ndarray, "example feature"]:
        return ((x - self.offset) / self.unit).astype(np.float32)
