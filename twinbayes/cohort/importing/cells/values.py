"""One cell at a time: text, numbers, and limits of detection."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

# No two parts of a pattern can match the same digits, so that a long cell takes no longer than its
# length.
_NUMBER: Final = {
    mark: re.compile(rf"[+-]?(?:[0-9]+(?:{re.escape(mark)}[0-9]*)?|{re.escape(mark)}[0-9]+)"
                     r"(?:[eE][+-]?[0-9]{1,3})?")
    for mark in ".,"
}  # fmt: skip
_LIMIT: Final = re.compile(r"([<>≤≥])(=?)\s{0,8}")
_LONGEST: Final = 60  # characters of a number
_SIDES: Final = {"<": "left", "≤": "left", ">": "right", "≥": "right"}
_BELOW: Final = {"half": 0.5, "root-two": math.sqrt(0.5), "bound": 1.0}
_WHOLE: Final = 2.0**53


class Measured(NamedTuple):
    """A number, and whether it is a limit: ``none``, ``left`` or ``right``."""

    number: float
    censored: str


class Substituted(NamedTuple):
    """The number that stands for a limit, and the limit as it is written."""

    number: float
    limit: str


class Problem(NamedTuple):
    """What is wrong with a cell: the rule that it breaks, in words."""

    rule: str
    text: str


def spelt(cell: object) -> object:
    """A cell as text without blanks around it; dates stay dates, and blank is None."""
    if cell is None or isinstance(cell, date):
        return cell
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        if cell != cell:
            return None
        return str(int(cell)) if cell == round(cell) and abs(cell) < _WHOLE else repr(cell)
    return str(cell)


def number(text: str, decimal: str) -> float | None:
    """The number that text spells with a decimal mark, or None.

    Examples
    --------
    >>> number("1,5", ","), number("1.5", ","), number("1.234,5", ",")
    (1.5, None, None)
    """
    if len(text) > _LONGEST or not _NUMBER[decimal].fullmatch(text):
        return None
    return float(text.replace(decimal, "."))


def measured(text: str, decimal: str) -> Measured | None:
    """The number or limit that text spells, or None.

    Examples
    --------
    >>> measured("<0.01", "."), measured("> 200", ".")
    (Measured(number=0.01, censored='left'), Measured(number=200.0, censored='right'))
    """
    limit = _LIMIT.match(text)
    if limit is None:
        found = number(text, decimal)
        return None if found is None else Measured(found, "none")
    if limit[1] in "≤≥" and limit[2]:
        return None
    found = number(text[limit.end() :], decimal)
    return None if found is None else Measured(found, _SIDES[limit[1]])


def is_limit(text: str) -> bool:
    """Whether text begins as a limit."""
    return text[:1] in _SIDES


def substituted(
    text: str, limits: str | Mapping[str, float] | None, decimal: str
) -> Substituted | None:
    """The number that stands for a limit as the mapping says, or None if it says nothing of it.

    Examples
    --------
    >>> substituted("<5", "half", "."), substituted(">5", "half", ".")
    (Substituted(number=2.5, limit='<5'), None)
    """
    if isinstance(limits, Mapping):
        return Substituted(limits[text], text) if text in limits else None
    found = measured(text, decimal)
    if limits is None or found is None or (found.censored != "left" and limits != "bound"):
        return None
    return Substituted(_BELOW[limits] * found.number, text)
