"""Small cells: what a table or a picture may show of a handful of people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from pandas import Series

#: Counts from 1 to 4 can identify people and are not shown.
SMALLEST_CELL: Final = 5
SUPPRESSED: Final = f"<{SMALLEST_CELL}"
#: Shown in place of a count that would give a suppressed one away.
HIDDEN: Final = "hidden"


def size_words(n: float) -> str:
    """Return a single count as tables and pictures may show it."""
    return SUPPRESSED if 0 < n < SMALLEST_CELL else f"{n:.0f}"


def part_words(counts: Iterable[float]) -> list[str]:
    """Return the counts of all parts of a whole as tables and pictures may show them."""
    return list(map(str, suppress(Series(list(counts), dtype=float))))


def suppress(counts: Series, total: Series | None = None) -> Series:
    """Return the counts as text, with those from 1 to 4 replaced by ``<5``.

    Parameters
    ----------
    counts
        One count a group, and their total.
    total
        True where the count is a total; by default none is among them. A single suppressed group
        could be had from the total by subtraction, here or elsewhere in a report, so the next
        smallest is hidden with it.
    """
    part = Series(True, index=counts.index) if total is None else ~total
    small = (counts > 0) & (counts < SMALLEST_CELL)
    shown = counts.map("{:.0f}".format, na_action="ignore").astype(object)
    shown = shown.mask(small, SUPPRESSED)
    rest = (part & ~small & (counts > 0)).to_numpy()
    if (small & part).sum() == 1 and rest.any():
        next_smallest = np.where(rest, counts.to_numpy(dtype=float), np.inf).argmin()
        shown.iloc[int(next_smallest)] = HIDDEN
    return shown
