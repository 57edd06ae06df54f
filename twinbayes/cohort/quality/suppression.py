"""Small cells: what a table or a picture may show of a handful of people.

Two steps, the same in every table, picture and file:

1. Groups of 1 to 4 people are withheld, and with them so many of the next smallest groups that
   their sum leaves all four sizes possible. Nothing is counted within a withheld group.
2. Elsewhere, counts from 1 to 4 are shown as ``<5``. Whoever knows the sum of a line must not find
   them by subtraction: withheld groups are hidden already, and more counts are where these are not
   enough.

``<5`` says from 1 to 4; ``hidden`` says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from twinbayes.arrays import Floats

#: Counts from 1 to 4 can identify people and are not shown.
SMALLEST_CELL: Final = 5
SUPPRESSED: Final = f"<{SMALLEST_CELL}"
#: Shown in place of a count that would give a suppressed one away.
HIDDEN: Final = "hidden"
_LEAST: Final = 1
_MOST: Final = SMALLEST_CELL - 1
_SPAN: Final = _MOST - _LEAST  # of what must stay possible
_NEAR: Final = 1e-6

type Mask = NDArray[np.bool_]


def size_words(n: float) -> str:
    """Return a single count as tables and pictures may show it."""
    return SUPPRESSED if 0 < n < SMALLEST_CELL else f"{n:.0f}"


def part_words(counts: Iterable[float], sizes: Iterable[float] | None = None) -> list[str]:
    """Return the counts of all parts of a whole as tables and pictures may show them.

    What is not known, or was hidden before, stays hidden.
    """
    known = Series(list(counts), dtype=float)
    of = None if sizes is None else Series(list(sizes), dtype=float)
    return list(map(str, suppress(known, sizes=of).fillna(HIDDEN)))


def suppress(counts: Series, total: Series | None = None, *, sizes: Series | None = None) -> Series:
    """Return the counts of groups as text, small ones and what tells them hidden.

    Parameters
    ----------
    counts
        One count a group, and their total.
    total
        True where the count is a total; by default none is among them, but it may stand elsewhere
        in a report. Where there are not enough groups to hide, the total is.
    sizes
        People in each group, where the counts are not these themselves: nothing is counted in
        groups whose size is withheld, and a count that leaves 1 to 4 of a group out is hidden.
    """
    part = (Series(True, index=counts.index) if total is None else ~total).to_numpy(dtype=bool)
    values = counts.to_numpy(dtype=float, na_value=np.nan)
    own = values if sizes is None else sizes.to_numpy(dtype=float, na_value=np.nan)
    order = np.where(np.isnan(own), np.inf, own)
    line = Line(values[part], order[part], None if sizes is None else order[part])
    withheld = np.zeros(len(line.values), dtype=np.bool_) if sizes is None else _withheld(own[part])
    # A count tells how many of the group are not in it, too.
    others = np.zeros(len(values), dtype=np.bool_) if sizes is None else _is_small(own - values)
    few = line.small & ~withheld & ~others[part]
    hidden = line.worth_hiding(withheld) | (others[part] & ~withheld)
    few, hidden, is_enough = line.closed(few, hidden)
    shown = counts.map("{:.0f}".format, na_action="ignore").astype(object)
    shown[part] = shown[part].mask(hidden, HIDDEN).mask(few, SUPPRESSED)
    rest = values[~part]
    shown[~part] = shown[~part].mask(((rest > 0) & (not is_enough)) | others[~part], HIDDEN)
    return shown.mask(~part & _is_small(values) & ~others, SUPPRESSED)


def _is_small(counts: Floats) -> Mask:
    """Counts from 1 to 4."""
    return (counts > 0) & (counts < SMALLEST_CELL)


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
    unknown = _withheld(sizes.to_numpy(dtype=float))
    out = {}
    for name, column in fractions.items():
        words = suppress((column * sizes).round(), sizes=sizes)
        percent = column.map("{:.0%}".format, na_action="ignore").astype(object)
        out[name] = percent.mask(words.isin((SUPPRESSED, HIDDEN)), words).mask(unknown, "")
    return DataFrame(out, index=fractions.index)


def suppress_crossed(
    counts: Floats, sizes: Floats, ways: Sequence[Sequence[int]]
) -> NDArray[np.object_]:
    """Return counts by way and group as text, where sums over ways are known as well.

    Parameters
    ----------
    counts
        (way, group).
    sizes
        People in each group.
    ways
        Ways that add up to something that is shown elsewhere, such as all ways to die.

    Returns
    -------
    ndarray
        (way, group) of texts.
    """
    withheld = _withheld(sizes)
    most = np.where(np.isnan(sizes), np.inf, sizes)
    lines = [Line(row, most, most) for row in counts]
    # A count tells how many of the group are not in it, too; not so where events recur.
    others = _is_small(sizes - counts) & ~withheld
    few = np.array([line.small & ~withheld for line in lines]) & ~others
    hidden = np.array([line.worth_hiding(withheld) for line in lines]) | others
    # Nobody went a way whose sum is 0: nothing can be hidden there.
    several = [[k for k in rows if counts[k].any()] for rows in ways if len(rows) > 1]
    sums = [(list(rows), *_known_sums(counts, list(rows), most, withheld)) for rows in ways]
    empty = np.zeros(counts.shape, dtype=np.bool_)
    for rows, _, unknown in sums:
        if len(rows) == 1:
            continue
        empty[rows] = ~unknown & ~counts[rows].any(axis=0)
        # Whose sum over ways is hidden where it is shown has nothing to be added up here.
        where = np.zeros(counts.shape, dtype=np.bool_)
        where[np.ix_(rows, np.flatnonzero(unknown & ~withheld))] = True
        where &= counts > 0
        few, hidden = few & ~where, hidden | where
    while True:
        before = hidden.sum()
        for k, line in enumerate(lines):
            few[k], hidden[k], _ = line.closed(few[k], hidden[k])
        for rows in several:
            for g in np.flatnonzero(~withheld):
                line = Line(counts[rows, g], counts[rows, g])
                few[rows, g], hidden[rows, g], _ = line.closed(few[rows, g], hidden[rows, g])
        if hidden.sum() > before:
            continue
        told = _told(counts, few, hidden, most, sums)
        if not told or not _hide_beside(told, counts, most, few, hidden, several, empty):
            break
    shown = np.array([[f"{x:.0f}" for x in row] for row in counts], dtype=object)
    shown[hidden] = HIDDEN
    shown[few] = SUPPRESSED
    return shown


def _known_sums(
    counts: Floats, rows: Sequence[int], most: Floats, withheld: Mask
) -> tuple[Mask, Mask]:
    """Groups whose sum over ways is said to be few, and those of whose sum nothing is said."""
    sums = Line(counts[rows].sum(axis=0), most, most)
    others = _is_small(most - sums.values) & ~withheld
    few, hidden, _ = sums.closed(
        sums.small & ~withheld & ~others, sums.worth_hiding(withheld) | others
    )
    return few, hidden


def _told(
    counts: Floats,
    few: Mask,
    hidden: Mask,
    most: Floats,
    sums: Sequence[tuple[Sequence[int], Mask, Mask]],
) -> list[tuple[int, int]]:
    """Counts, or sums over ways, that all lines together tell too much of: the first found.

    The smallest and the largest value of all that is not shown, given the sums of the lines, by
    linear programming.
    """
    cells = [(int(k), int(g)) for k, g in np.argwhere(few | hidden)]
    if not cells:
        return []
    place = {cell: n for n, cell in enumerate(cells)}
    lines: list[tuple[Floats, float, float]] = []
    aims = [([cell], bool(few[cell])) for cell in cells]

    def across(some: Sequence[tuple[int, int]]) -> tuple[Floats, float]:
        """Which unknown counts a sum has, and how much it has beside them."""
        row, shown = np.zeros(len(cells)), 0.0
        for cell in some:
            if cell in place:
                row[place[cell]] = 1.0
            else:
                shown += counts[cell]
        return row, shown

    def know(some: Sequence[tuple[int, int]], *, exactly: bool = True) -> None:
        row, shown = across(some)
        total = float(sum(counts[cell] for cell in some))
        low, high = (total, total) if exactly else (_LEAST, _MOST)
        lines.append((row, low - shown, high - shown))

    groups = range(len(most))
    for k, row in enumerate(counts):
        know([(k, g) for g in groups], exactly=not 0 < row.sum() < SMALLEST_CELL)
    for rows, is_few, unknown in sums:
        whole = counts[rows].sum()
        know([(k, g) for k in rows for g in groups], exactly=not 0 < whole < SMALLEST_CELL)
        for g in groups:
            some = [(k, g) for k in rows]
            if unknown[g] or is_few[g]:
                aims.append((some, bool(is_few[g])))
            if not unknown[g]:
                know(some, exactly=not is_few[g])
    from scipy.optimize import linprog  # slow to import

    matrix = np.stack([row for row, _, _ in lines])
    low, high = (np.array([line[n] for line in lines]) for n in (1, 2))
    both, ends = np.vstack([matrix, -matrix]), np.concatenate([high, -low])
    recur = bool((counts > most).any())  # nobody knows then how often one person can be counted
    ceilings = np.full(len(most), np.inf) if recur else most
    bounds = [(_LEAST, _MOST) if few[cell] else (0.0, ceilings[cell[1]]) for cell in cells]
    for some, at_least_one in aims:
        aim, shown = across(some)
        if not aim.any():
            return some
        least, largest = (
            linprog(by * aim, A_ub=both, b_ub=ends, bounds=bounds) for by in (1.0, -1.0)
        )
        low_end = shown + least.fun  # type: ignore[operator]
        high_end = shown - largest.fun if largest.success else np.inf  # type: ignore[operator]
        if at_least_one:
            is_open = low_end <= _LEAST + _NEAR and high_end >= _MOST - _NEAR
        else:
            is_open = _span(low_end, high_end) >= _SPAN
        if not is_open:
            return some
    return []


def _span(least: float, largest: float) -> float:
    """How many whole numbers lie above the first between two numbers."""
    return float(np.floor(largest + _NEAR) - np.ceil(least - _NEAR))


def _hide_beside(
    some: Sequence[tuple[int, int]],
    counts: Floats,
    most: Floats,
    few: Mask,
    hidden: Mask,
    several: Sequence[Sequence[int]],
    empty: Mask,
) -> bool:
    """Hide one more count in a line of these, in place; False if there is none left.

    Not of what leads alone to where it leads: that is shown elsewhere. Nor of what is `empty`,
    since all ways are known to add up to nobody.
    """
    free = sorted({k for rows in several for k in rows})
    ways = {k: {*rows} for rows in several for k in rows}
    of_groups = {g for _, g in some}
    of_ways = {k for k, _ in some}

    def distance(cell: tuple[int, int]) -> tuple[bool, bool, float]:
        k, g = cell
        near = (g in of_groups and bool(ways[k] & of_ways)) or k in of_ways
        return not near, bool(counts[cell] == 0), float(most[g])

    cells = sorted(
        ((k, g) for k in free for g in range(len(most)) if not empty[k, g]), key=distance
    )
    left = [cell for cell in cells if not (few[cell] or hidden[cell])]
    narrow = [cell for cell in cells if few[cell]]
    near = [cell for cell in narrow if not distance(cell)[0]]
    if left and not (near and distance(left[0])[0]):
        hidden[left[0]] = True
    elif narrow:
        few[narrow[0]], hidden[narrow[0]] = False, True
    return bool(left or narrow)


def _withheld(sizes: Floats) -> Mask:
    """Groups whose size is not shown."""
    line = Line(sizes, sizes)
    few, hidden, _ = line.closed(line.small, np.zeros(len(sizes), dtype=np.bool_))
    return few | hidden | np.isnan(sizes)


@dataclass(frozen=True)
class Line:
    """Counts whose sum is known.

    Attributes
    ----------
    values
        The counts.
    order
        Which are hidden first: those of the lowest order.
    most
        What each can be at most, as far as that is known: the people there are.
    """

    values: Floats
    order: Floats
    most: Floats | None = None

    @property
    def small(self) -> Mask:
        """Counts from 1 to 4."""
        return _is_small(self.values)

    def worth_hiding(self, withheld: Mask) -> Mask:
        """Withheld groups, unless nobody in any of them is counted here."""
        return withheld if np.nansum(self.values[withheld]) > 0 else np.zeros_like(withheld)

    def closed(self, few: Mask, hidden: Mask) -> tuple[Mask, Mask, bool]:
        """Hide more until the sum leaves enough possible; and whether it does then.

        Parameters
        ----------
        few, hidden
            Counts that are said to be from 1 to 4, and counts of which nothing is said.
        """
        few, hidden = few.copy(), hidden.copy()
        if self._is_small_itself:  # not more than one of them can say "at least 1"
            several = np.flatnonzero(few)[1:]
            few[several], hidden[several] = False, True
        empty = ~(self.values > 0)  # hidden last: they add nothing to the sum
        waiting = [k for k in np.lexsort((self.order, empty)) if not (few[k] or hidden[k])]
        while not (is_enough := self._leaves_enough(few, hidden)) and waiting:
            hidden[waiting.pop(0)] = True
        while not is_enough and few.any():  # say nothing of a count rather than that it is few
            last = np.flatnonzero(few)[-1]
            few[last], hidden[last] = False, True
            is_enough = self._leaves_enough(few, hidden)
        return few, hidden, is_enough

    @property
    def _is_small_itself(self) -> bool:
        """Whether the sum is not shown either, but as ``<5``."""
        return bool(np.nansum(self.values) < SMALLEST_CELL)

    def _leaves_enough(self, few: Mask, hidden: Mask) -> bool:
        """Whether whoever knows the sum can still believe in all values of what is hidden."""
        n_few = int(few.sum())
        if not (few | hidden).any() or self._is_small_itself:
            return True
        rest = float(np.nansum(self.values[few | hidden]))
        most = np.full(int(hidden.sum()), np.inf) if self.most is None else self.most[hidden]
        above = rest - n_few  # to be shared out beyond 1 for each that is few
        highest = np.minimum(np.maximum(most, _MOST), above)
        others = np.array([np.delete(most, k).sum() for k in range(len(most))])
        lowest = np.maximum(0.0, rest - _MOST * n_few - others)
        below = rest - _MOST * (n_few - 1) - most.sum()  # least of one that is few
        is_open = not n_few or (above >= _SPAN and below <= _LEAST)
        return bool(is_open and np.all(highest - lowest >= _SPAN))
