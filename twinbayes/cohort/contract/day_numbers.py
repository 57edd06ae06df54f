"""Numbers that are no days since an origin, but dates that somebody has stored as numbers."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np

from twinbayes.arrays import Bools, Floats
from twinbayes.names import DAYS_PER_YEAR

#: Nobody is followed to a higher age.
LONGEST_LIFE: Final = 105.0  # years
SERIAL: Final = "serial numbers of dates, as spreadsheets store them"
DIGITS: Final = "dates written as eight digits"
OTHER: Final = "dates or times as numbers"
_LAST_SERIAL: Final = 62_000  # spreadsheets count days from 1899-12-30: the year 2069
_EIGHT_DIGITS: Final = (10_000_000, 99_999_999)
_YEARS: Final = (1900, 2100)


def beyond_life(days: Floats, age: Floats | float = 0.0) -> Bools:
    """Whether a person of this age, in years, would be beyond any age that many days later."""
    out: Bools = age + days / DAYS_PER_YEAR > LONGEST_LIFE
    return out


def looks_like(days: Floats) -> str:
    """Return what numbers beyond any life look like: `SERIAL`, `DIGITS` or `OTHER`.

    Examples
    --------
    >>> import numpy as np
    >>> looks_like(np.array([20191231.0, 20200101.0]))
    'dates written as eight digits'
    """
    if np.mean([_is_date(day) for day in days[:1000]]) > 0.9:
        return DIGITS
    return SERIAL if np.mean(days < _LAST_SERIAL) > 0.9 else OTHER


def _is_date(day: float) -> bool:
    """Tell yyyymmdd and ddmmyyyy."""
    low, high = _EIGHT_DIGITS
    if not (low / 10 <= day <= high) or day != int(day):
        return False
    text = f"{int(day):08d}"
    for year, month, of_month in (
        (text[:4], text[4:6], text[6:]),
        (text[4:], text[2:4], text[:2]),
        (text[4:], text[:2], text[2:4]),
    ):
        try:
            found = date(int(year), int(month), int(of_month))
        except ValueError:
            continue
        if _YEARS[0] <= found.year <= _YEARS[1]:
            return True
    return False
