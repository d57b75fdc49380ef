from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float


def dates_of(values: Any) -> Any:
    """A column of pandas as times of the UTC without a time zone, NaT where a cell is missing or is no date."""
    import pandas

    dates = pandas.to_datetime(values, format="ISO8601", errors="coerce", utc=True)
    return dates.dt.tz_localize(None).astype("datetime64[us]")  # Of nanoseconds there are not enough for the year 9999.


def date_parts(dates: Any) -> Float[np.ndarray, "row part"]:
    """Days since 1970, and sine and cosine of the time of the year, of the week and of the day; NaN where missing."""
    columns = []
    for name in dates.columns:
        days = dates[name].to_numpy("datetime64[us]").astype(np.int64) / 86_400e6
        days = np.where(dates[name].isna(), np.nan, days)
        columns.append(days)
        for period in _PERIODS.values():
            turn = 2 * np.pi * np.mod(days, period) / period  # Exactly zero at midnight, whatever the day.
            columns += [np.sin(turn), np.cos(turn)]
    return np.stack(columns, axis=1)


_PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}
"""In days."""


def date_names(_: Any, names: Iterable[str]) -> list[str]:
    """What `date_parts` makes of columns of these names."""
    parts = ["days", *(f"{period}_{wave}" for period in _PERIODS for wave in ("sin", "cos"))]
    return [f"{name}_{part}" for name in names for part in parts]
