"""Calendar dates as numbers of days, and nothing else of them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

#: Stands for a format where the cell holds a number of days.
DAYS: Final = "days"
_DIRECTIVE: Final = re.compile(r"%(.?)")
_KNOWN: Final = frozenset("dmYyHMS")
_LONGEST: Final = 40  # characters of a date
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


def days_between(start: int, end: int) -> float:
    """Days from one moment to another, exact to the last digit."""
    return (end - start) / _SECONDS


def looks_like_date(text: str) -> bool:
    """Whether text holds a calendar date with a year of four digits."""
    return _LOOKS.search(text) is not None
