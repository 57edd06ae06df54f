"""What the cells of a column look like: dates, numbers, few values, or anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from twinbayes.cohort.importing.cells.dates import looks_like_date, moment
from twinbayes.cohort.importing.cells.values import measured, spelt
from twinbayes.cohort.importing.proposing.headers import MISSING
from twinbayes.cohort.importing.source import SourceTable

FORMATS: Final = tuple(
    day + time
    for time in ("", " %H:%M", " %H:%M:%S")
    for day in ("%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y")
)
_LOOKED_AT: Final = 20_000  # rows
_MOST_LEVELS: Final = 12
_LONGEST: Final = 60  # characters of a category


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What a column looks like.

    Attributes
    ----------
    what
        ``blank``, ``date``, ``number``, ``category`` or ``text``.
    form
        Format of dates.
    decimal
        Mark that some number of it has, if any.
    levels
        Values of a category, the most frequent first.
    missing
        Codes that stand where values are missing.
    distinct
        Whether no value occurs twice.
    """

    what: Literal["blank", "date", "number", "category", "text"]
    form: str | None = None
    decimal: str | None = None
    levels: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    distinct: bool = False


def kind_of(table: SourceTable, position: int) -> Kind:
    """Look at the cells of a column."""
    cells = [spelt(row[position]) for row in table.rows[:_LOOKED_AT]]
    filled = [cell for cell in cells if cell is not None]
    found = tuple(code for code in MISSING if code in filled)
    values = [cell for cell in filled if cell not in found]
    if not values:
        return Kind(what="blank", missing=found)
    if (form := _format(values)) is not None:
        return Kind(what="date", form=form, missing=found)
    texts = [str(cell) for cell in values if isinstance(cell, str)]
    distinct = len(set(texts)) == len(texts)
    for mark in ".,":
        if len(texts) == len(values) and all(measured(text, mark) for text in texts):
            own = mark if any(mark in text for text in texts) else None
            return Kind(what="number", decimal=own, missing=found, distinct=distinct)
    counts = Counter(texts)
    few = len(counts) <= min(_MOST_LEVELS, max(2, len(texts) // 2))
    plain = all(len(t) <= _LONGEST and "|" not in t and not looks_like_date(t) for t in counts)
    if few and plain and len(texts) == len(values):
        levels = tuple(value for value, _ in counts.most_common())
        what: Literal["category", "text"] = "category" if len(counts) > 1 else "text"
        return Kind(what=what, levels=levels, missing=found, distinct=distinct)
    return Kind(what="text", missing=found, distinct=distinct)


def _format(values: Sequence[object]) -> str | None:
    """The first format that reads every value; a workbook's own dates go with any."""
    if not any(isinstance(v, date) or looks_like_date(str(v)) or _short(v) for v in values):
        return None
    for form in FORMATS:
        if all(moment(value, form) is not None for value in values):
            return form
    return None


def _short(value: object) -> bool:
    return isinstance(value, str) and moment(value, "%d/%m/%y") is not None
