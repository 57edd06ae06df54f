"""Times of clinical JSON as cells: dates on the clock of the place, ages as days since birth."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from twinbayes.cohort.importing.cells.values import Problem

DAYS_A_YEAR: Final = 365.25
DAYS_A_MONTH: Final = DAYS_A_YEAR / 12
BORN: Final = datetime(1900, 1, 1, tzinfo=UTC).replace(tzinfo=None)
"""Stands for the day of birth where only ages are told; differences are all that is kept."""
MOST_APART: Final = timedelta(hours=1)
"""By how much clocks of one source may differ: summer time."""
_PARTIAL: Final = re.compile(r"[0-9]{4}(-[0-9]{2})?")
_FULL: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_DURATION: Final = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,6})Y)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,6})S)?)?"
)
_LONGEST: Final = 40
PARTIAL: Final = Problem("date-partial", "the date has no month or no day")
NO_TIME: Final = Problem("not-a-date", "the text is no date or time of the standard")
NO_AGE: Final = Problem("not-an-age", "the text is no duration of ISO 8601, such as P25Y3M2D")
APART: Final = Problem("time-zones", "the clocks of its times are more than an hour apart")


class Clocks:
    """Differences of the clocks of a source from universal time, as far as its times tell them."""

    def __init__(self) -> None:
        self.earliest: timedelta | None = None
        self.latest: timedelta | None = None

    def note(self, offset: timedelta) -> bool:
        """Add a difference; whether it still fits those before."""
        low = offset if self.earliest is None else min(self.earliest, offset)
        high = offset if self.latest is None else max(self.latest, offset)
        if high - low > MOST_APART:
            return False
        self.earliest, self.latest = low, high
        return True


def moment_of(text: object, clocks: Clocks) -> datetime | date | Problem:
    """A date or time of FHIR or RFC 3339 on the clock of its place.

    Parameters
    ----------
    text
        Such as ``2019-05-03`` or ``2019-05-03T10:30:00+02:00``.
    clocks
        Where the difference to universal time is noted; days are counted on the clock of the
        place, so that a time shortly after midnight is of the day that people there say.

    Returns
    -------
    datetime | date | Problem
        Without a time zone.

    Examples
    --------
    >>> moment_of("2019-05-03T00:30:00+02:00", Clocks())
    datetime.datetime(2019, 5, 3, 0, 30)
    >>> moment_of("2019-05", Clocks()).rule
    'date-partial'
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return NO_TIME
    if _PARTIAL.fullmatch(text):
        return PARTIAL
    found = _FULL.fullmatch(text)
    if found is None:
        return NO_TIME
    try:
        if found[1] is None:
            return date.fromisoformat(text)
        made = datetime.fromisoformat(text)
    except ValueError:
        return NO_TIME
    offset = made.utcoffset()
    if offset is not None and not clocks.note(offset):
        return APART
    return made.replace(tzinfo=None)


def age_days(text: object) -> float | Problem:
    """Days of a duration of ISO 8601; a year has 365.25, a month a twelfth of that.

    Examples
    --------
    >>> age_days("P25Y"), age_days("P1W2DT12H")
    (9131.25, 9.5)
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    if found is None:
        return NO_AGE
    years, months, weeks, days, hours, minutes, seconds = (
        int(part or 0) for part in found.groups()
    )
    whole = years * DAYS_A_YEAR + months * DAYS_A_MONTH + weeks * 7 + days
    return whole + (hours * 3600 + minutes * 60 + seconds) / 86_400


def precision_of(text: str) -> str:
    """The smallest part that a duration tells: ``year``, ``month``, ``week``, ``day``, ``time``.

    Examples
    --------
    >>> precision_of("P25Y"), precision_of("P25Y3M2D")
    ('year', 'day')
    """
    if "T" in text:
        return "time"
    return {"Y": "year", "M": "month", "W": "week"}.get(text[-1:], "day")


def after_birth(days: float, born: datetime | None = None) -> datetime | Problem:
    """The moment of an age, to the second."""
    try:
        return (born or BORN) + timedelta(seconds=round(days * 86_400))
    except OverflowError:
        return NO_AGE
