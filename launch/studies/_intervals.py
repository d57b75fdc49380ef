import dataclasses
import math
from collections.abc import Sequence
from typing import final

import numpy as np
from scipy.stats import t


@final
@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95% confidence interval by Student's t: infinite for a single value."""

    mean: float
    half: float

    @staticmethod
    def of(values: Sequence[float]) -> "Interval":
        """Returns the interval of independent values, such as one for each seed."""
        count = len(values)
        half = math.inf
        if count > 1:
            half = float(t.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
        return Interval(float(np.mean(values)), half)

    def text(self, scale: float = 100.0, sign: bool = False) -> str:
        """Returns the interval as text, such as `81.2 ± 1.0`, by default in percent; `sign` adds a plus."""
        mean = f"{scale * self.mean:+.1f}" if sign else f"{scale * self.mean:.1f}"
        return f"{mean} ± {scale * self.half:.1f}" if math.isfinite(self.half) else mean
