"""Small cells: what a table or a picture may show of a handful of people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

#: Counts from 1 to 4 can identify people and are not shown.
SMALLEST_CELL: Final = 5
SUPPRESSED: Final = f"<{SMALLEST_CELL}"
#: Shown in place of a count that would give a suppressed one away.
HIDDEN: Final = "hidden"


def size_words(n: float) -> str:
    """Return a single count as tables and pictures may show it."""
    return SUPPRESSED if 0 < n < SMALLEST_CELL else f"{n:.0f}"


def part_words(counts: Iterable[float], sizes: Iterable[float] | None = None) -> list[str]:
    """Return the counts of all parts of a whole as tables and pictures may show them.

    What is not known, or was hidden before, stays hidden.
    """
    known = Series(list(counts), dtype=float)
    rank = None if sizes is None else Series(list(sizes), dtype=float)
    return list(map(str, suppress(known, rank=rank).fillna(HIDDEN)))


def suppress(counts: Series, total: Series | None = None, *, rank: Series | None = None) -> Series:
    """Return the counts as text, with those from 1 to 4 replaced by ``<5``.

    Parameters
    ----------
    counts
        One count a group, and their total.
    total
        True where the count is a total; by default none is among them, but it may stand elsewhere
        in a report. So many other groups are hidden that no subtraction leaves fewer than all four
        values possible for a suppressed count; where there are not enough, the total as well.
    rank
        Which groups are hidden first: those of the lowest rank. Given the sizes of subgroups, every
        table of them hides the same ones, and none gives what another hides. By default, the
        smallest counts.
    """
    part = (Series(True, index=counts.index) if total is None else ~total).to_numpy(dtype=bool)
    values = counts.to_numpy(dtype=float, na_value=np.nan)
    order = values if rank is None else rank.to_numpy(dtype=float)
    hidden, is_enough = _beside_small(np.where(part, values, 0.0), order)
    shown = counts.map("{:.0f}".format, na_action="ignore").astype(object)
    shown = shown.mask(hidden | (~(part | is_enough) & (values > 0)), HIDDEN)
    return shown.mask(_is_small(values), SUPPRESSED)


def suppress_fractions(fractions: DataFrame, sizes: Series) -> DataFrame:
    """Return fractions of groups as per cent, what they tell of small counts left out.

    Parameters
    ----------
    fractions
        One row a group, one column a question.
    sizes
        People in each group. Where a group's size is not shown, nor are its fractions: together
        they would tell it.

    Returns
    -------
    DataFrame
        ``12%``; ``<5`` and ``hidden`` where the count behind it is; empty where the size is.
    """
    unknown = suppress(sizes).isin((SUPPRESSED, HIDDEN))
    out = {}
    for name, column in fractions.items():
        words = suppress((column * sizes).round(), rank=sizes)
        percent = column.map("{:.0%}".format, na_action="ignore").astype(object)
        out[name] = percent.mask(words.isin((SUPPRESSED, HIDDEN)), words).mask(unknown, "")
    return DataFrame(out, index=fractions.index)


def _is_small(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (values > 0) & (values < SMALLEST_CELL)


def _beside_small(
    values: NDArray[np.float64], order: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], bool]:
    """Which counts to hide beside the small ones of a sum, and whether that is enough.

    Whoever knows the sum of all that is hidden, that a small count is from 1 to 4 and any other
    hidden one at least 5, finds a small count no lower than the sum less the others' most, and no
    higher than the sum less the others' least. Both must leave 1 to 4 possible.
    """
    small = _is_small(values)
    hidden = np.zeros(len(values), dtype=np.bool_)
    least, most = 1, SMALLEST_CELL - 1
    below, above = float((most - values[small]).sum()), float((values[small] - least).sum())
    rest = [k for k in np.argsort(order, kind="stable") if values[k] >= SMALLEST_CELL]
    is_enough = not bool(small.any())
    while not is_enough:
        is_enough = bool(min(below, above) >= most - least)
        if is_enough or not rest:
            break
        k = rest.pop(0)
        hidden[k], below = True, np.inf
        above += values[k] - SMALLEST_CELL
    return hidden, is_enough
