import numpy as np
from jaxtyping import Int


def spread_rows(rows: int, count: int) -> Int[np.ndarray, " count"]:
    """Which `count` of so many rows stand for all of them: always the same, in their order.

    The rows are divided into as many stretches, and one row is drawn from each, so that rows in a periodic order, such
    as two kinds by turns, are all represented.
    """
    starts = np.arange(count + 1) * rows // max(count, 1)
    # A RandomState: its numbers are the same in every version of NumPy.
    return starts[:-1] + (np.random.RandomState(0).random_sample(count) * np.diff(starts)).astype(int)
