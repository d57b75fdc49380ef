"""Which rows stand for all of them."""

import numpy as np
import pytest
from metarule.launch.encoders._encoder import evenly_spaced, sample_size, spread
from metarule.sampling import spread_rows


@pytest.mark.parametrize("rows, count", [(0, 0), (1, 1), (5, 5), (7, 3), (1000, 999), (10**6, 40_000)])
def test_one_row_is_drawn_of_each_stretch(rows, count):
    found = spread_rows(rows, count)
    starts = np.arange(count + 1) * rows // max(count, 1)
    assert (starts[:-1] <= found).all() and (found < starts[1:]).all()
    np.testing.assert_array_equal(found, spread_rows(rows, count))


def test_kinds_that_take_turns_are_all_there():
    for period in (2, 3, 4, 25):
        rows = np.arange(10_000)[:, None] % period
        kinds = np.bincount(evenly_spaced(rows, 2_500)[:, 0], minlength=period)
        assert (kinds > 0.7 * 2_500 / period).all()


def test_a_sample_holds_so_many_or_all():
    for rows in (0, 1, 39, 40, 41, 10_000):
        assert len(evenly_spaced(np.zeros((rows, 1)), 40)) == sample_size(rows, 40) == min(rows, 40)


@pytest.mark.parametrize("calls", [(40_001, 5_000, 5_000, 5_000), (100, 90_000, 100), (32,) * 3_000])
def test_the_same_share_of_all_calls_is_kept(calls):
    kept, seen = np.zeros((0, 1), np.float32), 0
    for place, many in enumerate(calls):
        new = np.full((many, 1), place, np.float32)
        kept, seen = spread(kept, seen, evenly_spaced(new), many), seen + many
    share = len(kept) / seen
    assert len(kept) <= 40_000 and share > min(1, 40_000 / seen) / 2
    first = (kept[:, 0] < len(calls) // 2).sum() / sum(calls[: len(calls) // 2])
    assert abs(first - share) < 0.05 * share + 1 / sum(calls[: len(calls) // 2])
