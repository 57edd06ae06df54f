"""Events of one day in the order that a graph allows, whatever the order of their rows.

A record does not say in which order things happened on one day, so the rows of a file must not
decide it. Of all orders, those count that find a place for the most events. If they all lead along
one path, that is the path; otherwise the record does not say what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

_MOST: Final = 10  # events of one day; their orders are many, and nobody knows which is true
type Step = Callable[[str, str], tuple[str, int | None, bool]]
"""State and event to the next state, the intensity that fired, and whether it had a place."""


def graph_order(state: str, events: Sequence[str], step: Step) -> tuple[int, ...] | None:
    """Return the order in which events of one day are followed; None if it is ambiguous.

    Parameters
    ----------
    state
        State before the first of them.
    events
        What happened, in any order.
    step
        One move through the graph.

    Returns
    -------
    tuple of int or None
        Positions in `events`, the same order of events whatever that of `events`.
    """
    if len(events) > _MOST:
        return None
    by_name = tuple(sorted(range(len(events)), key=lambda k: events[k]))
    best = _best(state, tuple(events[k] for k in by_name), step, {})
    paths = {path for _, path, _ in best}
    if len(paths) > 1:
        return None
    _, _, order = min(best, key=lambda way: way[2])
    return tuple(by_name[k] for k in order)


type _Way = tuple[int, tuple[int, ...], tuple[int, ...]]  # placed, intensities, order


def _best(
    state: str,
    events: tuple[str, ...],
    step: Step,
    known: dict[tuple[str, frozenset[int]], list[_Way]],
    left: frozenset[int] | None = None,
) -> list[_Way]:
    """Up to two paths that place the most of the events left, each in its first order by name."""
    left = frozenset(range(len(events))) if left is None else left
    if not left:
        return [(0, (), ())]
    if (state, left) in known:
        return known[state, left]
    ways: dict[tuple[int, ...], _Way] = {}
    for k in sorted(left):
        target, fired, placed = step(state, events[k])
        for more, path, order in _best(target, events, step, known, left - {k}):
            whole = path if fired is None else (fired, *path)
            way = (more + placed, whole, (k, *order))
            if whole not in ways or (-way[0], way[2]) < (-ways[whole][0], ways[whole][2]):
                ways[whole] = way
    most = max(placed for placed, _, _ in ways.values())
    # A second path says all: that the order is ambiguous.
    known[state, left] = [way for way in ways.values() if way[0] == most][:2]
    return known[state, left]
