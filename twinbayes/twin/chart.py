"""The state graph as tables for the forecast kernel.

A patient's *place* is a disease state together with how far each treatment has got: not
started, started here (in this state), or started earlier. Places that depend on time since
entry or since a treatment start keep their occupants in age *buckets*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.model.event_data import Floats, Ints
from twinbayes.model.graph import EARLIER, HERE, HERE_EARLY, HERE_LATE, StateGraph
from twinbayes.names import CLOCK_ENTRY

NOT_STARTED, STARTED_HERE, STARTED_EARLIER = 0, 1, 2
BY_NOTHING, BY_ENTRY, BY_START = 0, 1, 2
_MAX_EFFECTS: Final = 4

Place = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Chart:
    """Places and moves between them.

    Attributes
    ----------
    places
        ``(state, status of each treatment)``, those with more treatments started first.
    place_state
        Index of each place's state.
    indexed_by
        What the buckets of a place are aged by: nothing, entry, or treatment start.
    old_age
        Age in days after which occupants of a place are all alike.
    early_days
        Length of the early phase in places aged by treatment start, else 0.
    move_start
        Moves out of place p are ``move_start[p]:move_start[p + 1]``.
    move_intensity, move_on_entry_clock, move_target, move_keeps_bucket, move_treatment
        Per move: which intensity drives it, on which clock, where it leads (a place, or
        ``-1 - state`` for an absorbing state), whether age is kept, and which treatment it
        starts (-1: none).
    effects_early, effects_late
        (move, 4) treatment effects acting in the early and the late phase, -1 where none.
    absorbing
        Whether each state is absorbing.
    """

    places: tuple[Place, ...]
    place_state: Ints
    indexed_by: Ints
    old_age: Floats
    early_days: Floats
    move_start: Ints
    move_intensity: Ints
    move_on_entry_clock: Ints
    move_target: Ints
    move_keeps_bucket: Ints
    move_treatment: Ints
    effects_early: Ints
    effects_late: Ints
    absorbing: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Move:
    intensity: int
    on_entry_clock: bool
    target: int
    keeps_bucket: bool
    treatment: int
    early: tuple[int, ...]
    late: tuple[int, ...]


def draw_chart(graph: StateGraph, edges: tuple[Floats, ...]) -> Chart:
    """Lay out places and moves of a graph; `edges` are the baselines' windows."""
    names = [t.name for t in graph.treatments]
    places: list[Place] = sorted(
        ((s, status) for s in graph.transient for status in product((0, 1, 2), repeat=len(names))),
        key=lambda place: -sum(status > 0 for status in place[1]),
    )
    order = {place: k for k, place in enumerate(places)}
    indexed = [_indexed_by(graph, place) for place in places]
    moves = [list(_moves(graph, place, order, indexed)) for place in places]
    flat = [m for some in moves for m in some]
    return Chart(
        places=tuple(places),
        place_state=_ints(graph.states.index(s) for s, _ in places),
        indexed_by=_ints(indexed),
        old_age=np.array(
            [_old_age(graph, p, k, edges) for p, k in zip(places, indexed, strict=True)]
        ),
        early_days=np.array([_early_days(graph, p) for p in places]),
        move_start=_ints(np.concatenate([[0], np.cumsum([len(m) for m in moves])])),
        move_intensity=_ints(m.intensity for m in flat),
        move_on_entry_clock=_ints(m.on_entry_clock for m in flat),
        move_target=_ints(m.target for m in flat),
        move_keeps_bucket=_ints(m.keeps_bucket for m in flat),
        move_treatment=_ints(m.treatment for m in flat),
        effects_early=_effect_table([m.early for m in flat]),
        effects_late=_effect_table([m.late for m in flat]),
        absorbing=np.array([s in graph.absorbing for s in graph.states]),
    )


def _split_here(graph: StateGraph, place: Place) -> list[str]:
    """Treatments started here whose effects in this state have an early phase."""
    state, status = place
    return [
        t.name
        for t, s in zip(graph.treatments, status, strict=True)
        if s == STARTED_HERE and graph.is_split(t.name, state)
    ]


def _indexed_by(graph: StateGraph, place: Place) -> int:
    state, status = place
    if _split_here(graph, place):
        return BY_START
    waiting = [t.starts for t, s in zip(graph.treatments, status, strict=True) if s == NOT_STARTED]
    starts = [s for group in waiting for s in group if s.source == state]
    clocks = [i.clock for i in (*graph.leaving(state), *starts)]
    return BY_ENTRY if CLOCK_ENTRY in clocks else BY_NOTHING


def _early_days(graph: StateGraph, place: Place) -> float:
    split = _split_here(graph, place)
    return max((graph.treatment(name).early_days or 0.0 for name in split), default=0.0)


def _old_age(graph: StateGraph, place: Place, indexed: int, edges: tuple[Floats, ...]) -> float:
    if indexed == BY_START:
        return _early_days(graph, place)
    ages = [
        float(edges[k][-2])
        for k, i in enumerate(graph.intensities)
        if i.source == place[0] and i.clock == CLOCK_ENTRY
    ]
    return max(ages, default=0.0)


def _moves(
    graph: StateGraph, place: Place, order: dict[Place, int], indexed: list[int]
) -> Iterator[_Move]:
    state, status = place
    here = order[place]
    for k, transition in enumerate(graph.transitions):
        if transition.source != state:
            continue
        early, late = _acting(graph, place, transition.label)
        if transition.target in graph.absorbing:
            target = -1 - graph.states.index(transition.target)
        else:
            left = tuple(STARTED_EARLIER if s else NOT_STARTED for s in status)
            target = order[transition.target, left]
        yield _Move(k, transition.clock == CLOCK_ENTRY, target, False, -1, early, late)
    for k, start in enumerate(graph.starts, start=len(graph.transitions)):
        which = [t.name for t in graph.treatments].index(start.treatment)
        if start.source != state or status[which] != NOT_STARTED:
            continue
        begun = tuple(STARTED_HERE if j == which else s for j, s in enumerate(status))
        target = order[state, begun]
        early, late = _acting(graph, place, start.label)
        yield _Move(
            k,
            start.clock == CLOCK_ENTRY,
            target,
            indexed[here] == indexed[target] != 0,
            which,
            early,
            late,
        )


def _acting(graph: StateGraph, place: Place, label: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Effects on an intensity in the early and the late phase of a place."""
    state, status = place
    early: list[int] = []
    late: list[int] = []
    for treatment, progress in zip(graph.treatments, status, strict=True):
        if progress == NOT_STARTED:
            continue
        phases = (
            (EARLIER, EARLIER)
            if progress == STARTED_EARLIER
            else (
                (HERE_EARLY, HERE_LATE) if graph.is_split(treatment.name, state) else (HERE, HERE)
            )
        )
        for phase, out in zip(phases, (early, late), strict=True):
            out += [
                k
                for k, e in enumerate(graph.effects)
                if (e.treatment, e.transition, e.phase) == (treatment.name, label, phase)
            ]
    return tuple(early), tuple(late)


def _ints(values: object) -> Ints:
    return np.array(list(values), dtype=np.int64)  # type: ignore[call-overload]


def _effect_table(effects: list[tuple[int, ...]]) -> Ints:
    table = np.full((len(effects), _MAX_EFFECTS), -1, dtype=np.int64)
    for row, some in zip(table, effects, strict=True):
        row[: len(some)] = some
    return table
