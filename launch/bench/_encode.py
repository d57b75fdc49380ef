import time

import numpy as np

from ..features._unsupervised_encoder import UnsupervisedEncoder
from ._row import plain, Row
from ._timing import Budget, time_in_turn


def transformer(budget: Budget) -> list[Row]:
    """Rows per second of `UnsupervisedEncoder.transform` (784 columns, the default rule), and seconds of `fit`."""
    rows, columns = (600, 12) if budget.small else (60_000, 784)
    x = np.random.default_rng(0).integers(0, 256, (rows, columns), dtype=np.uint8)
    encoder = UnsupervisedEncoder(random_state=0, steps=2 if budget.small else None)
    start, cpu = time.perf_counter(), time.process_time()
    encoder.fit(x)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    (found,) = time_in_turn([lambda: encoder.transform(x)], budget)
    first = plain("encode-fit", found, each="fit, with compilation")
    return [
        first | {"seconds": seconds, "spread": 0.0, "cpu_seconds": cpu_seconds, "repeats": 1},
        plain(
            "encode", found, each=f"{rows:,} rows", rows_per_second=rows / found.seconds,
            remark=f"{rows / found.seconds:,.0f} rows/s",
        ),
    ]  # fmt: skip
