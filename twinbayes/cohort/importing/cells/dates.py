"""Calendar dates as numbers of days, and nothing else of them; the last day that they may be of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from twinbayes.cohort.importing.cells.values import Problem

#: Stands for a format where the cell holds a number of days.
DAYS: Final = "days"
_DIRECTIVE: Final = re.compile(r"%(.?)")
_KNOWN: Final = frozenset("dmYyHMS")
_LONGEST: Final = 40  # characters of a date
_ISO: Final = "%Y-%m-%d"
_FIRST_ZONE: Final = timezone(timedelta(hours=14))  # a day begins there before it does elsewhere
_SECONDS: Final = 86_400
_HALF: Final = 500_000  # microseconds
_EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)
# No two parts of it can match the same digits: a long cell takes no longer than its length.
_LOOKS: Final = re.compile(
    r"(?<![0-9])(?:[12][0-9]{3}([-/.])[01]?[0-9]\1[0-3]?[0-9](?![0-9])"
    r"|[0-3]?[0-9]([-/.])[0-3]?[0-9]\2[12][0-9]{3}(?![0-9]))"
)


def is_date_format(text: str) -> bool:
    """Whether a format has day, month and year once each, and nothing that depends on a place.

    Examples
    --------
    >>> is_date_format("%d/%m/%Y"), is_date_format("%d %B %Y")
    (True, False)
    """
    if text == DAYS:
        return True
    found = _DIRECTIVE.findall(text)
    once = len(set(found)) == len(found) and set(found) <= _KNOWN
    return once and {"d", "m"} <= set(found) and ("Y" in found) != ("y" in found)


def moment(cell: object, form: str) -> int | None:
    """Seconds since the beginning of the calendar, or None if the cell is no such date.

    Parameters
    ----------
    cell
        Text in the format, or a date of a workbook.
    form
        Format, as `is_date_format` takes it.

    Examples
    --------
    >>> moment("02/01/2020", "%d/%m/%Y") - moment("01/01/2020", "%d/%m/%Y")
    86400
    """
    if isinstance(cell, datetime):
        found = cell
    elif isinstance(cell, date):
        found = datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
    elif isinstance(cell, str) and len(cell) <= _LONGEST and cell.isascii():
        try:
            found = datetime.strptime(cell, form).replace(tzinfo=UTC)
        except ValueError:
            return None
    else:
        return None
    since = found.replace(tzinfo=UTC) - _EPOCH
    # Workbooks keep times as fractions, which may miss the second by a hair.
    return since.days * _SECONDS + since.seconds + (since.microseconds >= _HALF)


def day_of(text: str) -> date | None:
    """The day that text such as ``2024-12-31`` names, or None."""
    at = moment(text, _ISO)
    return None if at is None else (_EPOCH + timedelta(seconds=at)).date()


def latest_day() -> date:
    """The latest day that has begun anywhere on earth, by the clock of this machine."""
    return datetime.now(_FIRST_ZONE).date()


@dataclass(frozen=True, kw_only=True, slots=True)
class Horizon:
    """The last days that dates of a source may be of.

    Attributes
    ----------
    today
        The day of the import: what is dated later cannot have happened.
    cutoff
        The day of the export, where it is declared: later, nothing was known yet.
    """

    today: date
    cutoff: date | None = None

    def passed(self, at: float) -> Problem | None:
        """What is wrong with a moment, in seconds since the beginning of the calendar, if anything.

        Examples
        --------
        >>> from datetime import date
        >>> horizon = Horizon(today=date(2024, 6, 1), cutoff=date(2023, 12, 31))
        >>> [p and p.rule for p in map(horizon.passed, map(_end, (horizon.today, horizon.cutoff)))]
        ['date-in-the-future', 'after-data-cutoff']
        >>> horizon.passed(_end(date(2023, 12, 31)) - 1) is None
        True
        """
        if at >= _end(self.today):
            return Problem("date-in-the-future", "the date is after the day of the import")
        if self.cutoff is not None and at >= _end(self.cutoff):
            return Problem("after-data-cutoff", "the date is after data_cutoff of the mapping")
        return None


def _end(day: date) -> int:
    """The moment at which a day is over."""
    return day.toordinal() * _SECONDS


def days_between(start: int, end: int) -> float:
    """Days from one moment to another, exact to the last digit."""
    return (end - start) / _SECONDS


def moved(start: int, days: float) -> float:
    """The moment a number of days after another."""
    return start + days * _SECONDS


def looks_like_date(text: str) -> bool:
    """Whether text holds a calendar date with a year of four digits."""
    return _LOOKS.search(text) is not None
