"""The state graph as tables for the forecast kernel.

A patient's *place* is a disease state together with how far each treatment has got: not
started, started here (in this state), or started earlier. Places that depend on time since
entry or since a treatment start keep their occupants in age *buckets*.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError
from twinbayes.model.courses.graph import EARLIER, HERE, HERE_EARLY, HERE_LATE, StateGraph
from twinbayes.names import CLOCK_ENTRY

NOT_STARTED, STARTED_HERE, STARTED_EARLIER = 0, 1, 2
BY_NOTHING, BY_ENTRY, BY_START = 0, 1, 2

Place = tuple[str, tuple[int, ...]]
Table = NDArray[np.void]

_PLACE: Final = np.dtype(
    [
        ("state", np.int64),
        ("indexed_by", np.int64),
        ("old_age", np.float64),
        ("early_days", np.float64),
        ("first_move", np.int64),
        ("end_move", np.int64),
        ("has_eras", np.int64),
        ("has_repeats", np.int64),
    ]
)
_MOVE: Final = np.dtype(
    [
        ("intensity", np.int64),
        ("on_entry_clock", np.int64),
        ("target", np.int64),
        ("keeps_bucket", np.int64),
        ("treatment", np.int64),
        ("early", np.int64),
        ("late", np.int64),
        ("has_eras", np.int64),
        ("repeats", np.int64),
        ("is_open", np.int64),
        ("forced_step", np.int64),
        ("follows", np.int64),
        ("turn", np.int64),
    ]
)


@dataclass(frozen=True)
class Chart:
    """Places and moves between them.

    Attributes
    ----------
    places
        ``(state, status of each treatment)``, those with more treatments started first.
    place_table
        The same, one row each: index of its `state`; what its buckets are aged by
        (`indexed_by`: nothing, entry, or treatment start); the `old_age` in days after which
        occupants are all alike; `early_days`, the length of the early phase in places aged by
        treatment start, else 0; the moves out of it, ``first_move`` up to ``end_move``; whether any
        of these tells eras of entry apart (`has_eras`), and whether any `repeats`.
    move_table
        One row a move: which `intensity` drives it, on which clock; its `target` (a place, or
        ``-1 - state`` for an absorbing state); whether age is kept; which `treatment` it starts
        (-1: none); its hazard ratio in the `early` and the `late` phase, rows of the two below,
        to be counted on by the era of entry where it `has_eras`; whether it `repeats`, is counted
        and leaves everything as it was. A scenario closes starts
        (`is_open`) and makes them happen at a node of the time grid (`forced_step`, -1: never).
        A patient's curves move hazards on the entry clock by ratios of their own, one a step
        (`follows`, which of these; -1: none). Where curves turn on a move, `turn` says in which way
        (-1: none).
    ratio_intensity, ratio_effects
        Every hazard ratio that occurs: (row,) its intensity; (row, effect) the effects that act,
        of treatments and of eras of entry, padded with -1.
    arcs
        (transition, 2), source and target state.
    cuts
        Days since origin at which the era of entry changes.
    absorbing
        The states that nobody leaves.
    recurrent
        Events that recur within a state: transition, and position among `events`.
    events
        Their names.
    fatal
        Indices of the states that are deaths; see `StateGraph.deaths`.
    unfolded
        The chart by turns taken, as far as it has been asked for; see `turning_chart`.
    """

    places: tuple[Place, ...]
    place_table: Table
    move_table: Table
    ratio_intensity: Ints
    ratio_effects: Ints
    arcs: Ints
    cuts: Floats
    absorbing: tuple[str, ...]
    recurrent: tuple[tuple[int, int], ...]
    events: tuple[str, ...]
    fatal: tuple[int, ...]
    unfolded: dict[Hashable, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class _Move:
    intensity: int
    on_entry_clock: bool
    target: int
    keeps_bucket: bool
    treatment: int
    early: int
    late: int
    has_eras: bool
    repeats: bool = False


@dataclass(slots=True)
class _Ratios:
    """Collects the hazard ratios that occur, each once; lives only inside `draw_chart`."""

    graph: StateGraph
    rows: list[tuple[int, tuple[int, ...]]]

    def row_of(self, intensity: int, effects: tuple[int, ...]) -> int:
        """First row of an intensity under these treatment effects; one for each era follows."""
        mine = [(intensity, (*effects, *era)) for era in self._eras(intensity)]
        if mine[0] not in self.rows:
            self.rows += mine
        return self.rows.index(mine[0])

    def _eras(self, intensity: int) -> list[tuple[int, ...]]:
        """Era effect of this intensity in each era of the graph."""
        graph, which = self.graph, self.graph.intensities[intensity]
        if not which.entry_cuts:
            return [()]
        found = [graph.entry_era(which, last) for last in (*graph.entry_cuts, np.inf)]
        return [(len(graph.effects) + k,) for k in found if k is not None]


def draw_chart(graph: StateGraph, edges: tuple[Floats, ...]) -> Chart:
    """Lay out places and moves of a graph; `edges` are the baselines' windows.

    Raises
    ------
    ModelError
        Two ages would have to be kept at once.
    """
    names = [t.name for t in graph.treatments]
    places: list[Place] = sorted(
        ((s, status) for s in graph.transient for status in product((0, 1, 2), repeat=len(names))),
        key=lambda place: -sum(status > 0 for status in place[1]),
    )
    for place in places:
        _require_one_age(graph, place)
    order = {place: k for k, place in enumerate(places)}
    indexed = [_indexed_by(graph, place) for place in places]
    ratios = _Ratios(graph, [])
    moves = [list(_moves(graph, place, order, indexed, ratios)) for place in places]
    flat = [m for some in moves for m in some]
    ends = np.cumsum([len(m) for m in moves])
    return Chart(
        places=tuple(places),
        place_table=np.array(
            [
                (
                    graph.states.index(place[0]),
                    by,
                    _old_age(graph, place, by, edges),
                    _early_days(graph, place),
                    end - len(some),
                    end,
                    any(m.has_eras for m in some),
                    any(m.repeats for m in some),
                )
                for place, by, some, end in zip(places, indexed, moves, ends, strict=True)
            ],
            dtype=_PLACE,
        ),
        move_table=np.array(
            [(*(getattr(m, f.name) for f in fields(m)), 1, -1, -1, -1) for m in flat],
            dtype=_MOVE,
        ),
        ratio_intensity=np.array([intensity for intensity, _ in ratios.rows], dtype=np.int64),
        ratio_effects=_effect_table([effects for _, effects in ratios.rows]),
        arcs=np.array(
            [[graph.states.index(s) for s in (t.source, t.target)] for t in graph.transitions],
            dtype=np.int64,
        ),
        cuts=np.array(graph.entry_cuts, dtype=np.float64),
        absorbing=graph.absorbing,
        recurrent=tuple(
            (k, graph.recurrent_events.index(t.event))
            for k, t in enumerate(graph.transitions)
            if t.source == t.target
        ),
        events=graph.recurrent_events,
        fatal=tuple(graph.states.index(s) for s in graph.deaths),
    )


def _require_one_age(graph: StateGraph, place: Place) -> None:
    """Refuse what a place cannot keep: time since two starts, or since a start and entry."""
    split = _split_here(graph, place)
    if len(split) > 1 or (split and _waits_on_entry_clock(graph, place)):
        raise ModelError(
            f"State {place[0]!r}: the early phase of {split[0]!r} and another treatment's early "
            "phase or start on the entry clock cannot both be followed. Use the phase 'here' or "
            "the origin clock for one of them."
        )


def _waits_on_entry_clock(graph: StateGraph, place: Place) -> bool:
    """Whether a treatment not yet started may start here, on the entry clock."""
    state, status = place
    return any(
        start.source == state and start.clock == CLOCK_ENTRY
        for treatment, progress in zip(graph.treatments, status, strict=True)
        if progress == NOT_STARTED
        for start in treatment.starts
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
    if _split_here(graph, place):
        return BY_START
    on_entry = any(t.clock == CLOCK_ENTRY for t in graph.leaving(place[0]))
    return BY_ENTRY if on_entry or _waits_on_entry_clock(graph, place) else BY_NOTHING


def _early_days(graph: StateGraph, place: Place) -> float:
    split = _split_here(graph, place)
    return max((graph.treatment(name).early_days or 0.0 for name in split), default=0.0)


def _old_age(graph: StateGraph, place: Place, indexed: int, edges: tuple[Floats, ...]) -> float:
    if indexed == BY_START:
        return _early_days(graph, place)
    ages = [
        float(np.max(edges[k], where=np.isfinite(edges[k]), initial=0.0))
        for k, i in enumerate(graph.intensities)
        if i.source == place[0] and i.clock == CLOCK_ENTRY
    ]
    return max(ages, default=0.0)


def _moves(
    graph: StateGraph,
    place: Place,
    order: dict[Place, int],
    indexed: list[int],
    ratios: _Ratios,
) -> Iterator[_Move]:
    state, status = place
    here = order[place]
    for k, transition in enumerate(graph.transitions):
        if transition.source != state:
            continue
        early, late = (ratios.row_of(k, x) for x in _acting(graph, place, transition.label))
        if transition.target in graph.absorbing:
            target = -1 - graph.states.index(transition.target)
        elif transition.target == state:
            target = here
        else:
            left = tuple(STARTED_EARLIER if s else NOT_STARTED for s in status)
            target = order[transition.target, left]
        on_entry, has_eras = transition.clock == CLOCK_ENTRY, bool(transition.entry_cuts)
        repeats = target == here and indexed[here] != BY_ENTRY
        yield _Move(k, on_entry, target, False, -1, early, late, has_eras, repeats)
    for k, start in enumerate(graph.starts, start=len(graph.transitions)):
        which = [t.name for t in graph.treatments].index(start.treatment)
        if start.source != state or status[which] != NOT_STARTED:
            continue
        begun = tuple(STARTED_HERE if j == which else s for j, s in enumerate(status))
        target = order[state, begun]
        early, late = (ratios.row_of(k, x) for x in _acting(graph, place, start.label))
        yield _Move(
            k,
            start.clock == CLOCK_ENTRY,
            target,
            indexed[here] == indexed[target] != 0,
            which,
            early,
            late,
            bool(start.entry_cuts),
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


def _effect_table(effects: list[tuple[int, ...]]) -> Ints:
    table = np.full((len(effects), max(map(len, effects), default=0)), -1, dtype=np.int64)
    for row, some in zip(table, effects, strict=True):
        row[: len(some)] = some
    return table
