"""From a cohort's events and treatments to each patient's path through the state graph.

A path is a list of *episodes*: stretches of time in one state, under one treatment phase.
Time is exact; nothing is discretised here. An event that lies between two days is put into the
middle, but in the likelihood (see `courses`). Rows that the graph has no place for (a relapse
recorded before any remission, a visit to a state after an absorbing one) are not dropped
silently: they are returned in `Histories.set_aside`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from typing import Final

import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.courses.entries import FROM_ORIGIN, Observed, observed_since
from twinbayes.model.courses.graph import EARLIER, HERE, HERE_EARLY, HERE_LATE, StateGraph
from twinbayes.model.courses.intensities import Transition
from twinbayes.model.courses.same_day import graph_order
from twinbayes.names import (
    DAY,
    DAY_LOWER,
    DEATH,
    EVENT,
    EVENTS,
    LAST_CONTACT,
    PATIENT_ID,
    TERMINAL_EVENTS,
    TREATMENTS,
)
from twinbayes.spelling import nearest

CENSORED = -1
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch ``(start, stop]`` in one state under one set of treatment phases.

    Attributes
    ----------
    patient
        Index into the cohort's patients.
    state
        Name of the state.
    start, stop, entry
        Days since origin; `entry` is the day the state was entered.
    phases
        Phase of each treatment already started, by treatment name.
    exit
        Index into `StateGraph.intensities` of what ended the episode, -1 if nothing did
        (censoring, or a change of phase).
    """

    patient: int
    state: str
    start: float
    stop: float
    entry: float
    phases: tuple[tuple[str, str], ...]
    exit: int = CENSORED


@dataclass(frozen=True, slots=True)
class Present:
    """Where a patient stands at the end of the record.

    Attributes
    ----------
    state, day, entry
        The state, the last day known, and the day the state was entered; days since origin.
    started
        Each treatment begun: ``(name, day of start, whether the state it began in has been left
        since)``.
    """

    state: str
    day: float
    entry: float
    started: tuple[tuple[str, float, bool], ...]


@dataclass(frozen=True)
class Histories:
    """Paths of all patients of a cohort under one graph.

    Attributes
    ----------
    episodes
        All episodes, ordered by patient, then time.
    present
        One `Present` a patient.
    set_aside
        Rows of the events and treatments tables with no place in the graph:
        columns ``table, row, rule, reason``; `row` counts the rows of the cohort's table from 0.
    """

    episodes: tuple[Episode, ...]
    present: tuple[Present, ...]
    set_aside: pd.DataFrame


@dataclass(slots=True)
class Walker:
    """One walk through one record."""

    graph: StateGraph
    exits: Mapping[tuple[str, str, str], int]  # (table, state, what) -> intensity
    patient: int
    state: str
    day: float = 0.0
    entry: float = 0.0
    started: dict[str, tuple[float, bool]] = field(default_factory=dict)
    episodes: list[Episode] = field(default_factory=list)
    ambiguous: tuple[str, ...] = ()  # events of a day that the graph allows in several orders

    def in_order(self, tied: Record) -> Record:
        """Entries of one day and kind, events in the only order that the graph allows now."""
        if len(tied) == 1 or tied[0].table == TREATMENTS:
            return tied
        moves = {event for t in self.graph.transitions for event in t.events}
        moving = [entry for entry in tied if entry.what in moves]
        order = graph_order(self.state, [entry.what for entry in moving], self._step)
        if order is None:
            self.ambiguous = tuple(sorted(entry.what for entry in moving))
            order = tuple(range(len(moving)))
        return [*(e for e in tied if e.what not in moves), *(moving[k] for k in order)]

    def _step(self, state: str, event: str) -> tuple[str, int | None, bool]:
        exit_index = self.exits.get((EVENTS, state, event))
        if exit_index is None:
            return state, None, False
        return self.graph.transitions[exit_index].target, exit_index, True

    def take_event(self, day: float, event: str) -> str | None:
        """Follow one row of the events table; return why it has no place, or None."""
        if self.state in self.graph.absorbing:
            return None if event in TERMINAL_EVENTS else self._too_late(event)
        exit_index = self.exits.get((EVENTS, self.state, event))
        if exit_index is not None:
            self.advance(day, exit_index)
            self.move(self.graph.transitions[exit_index].target)
            return None
        if event in TERMINAL_EVENTS:
            self.advance(day)  # observed up to that day, whatever ended the record
        if event == LAST_CONTACT or event in self.graph.ignored_events:
            return None
        return f"{event} is no way out of state {self.state}"

    def take_start(self, day: float, treatment: str) -> str | None:
        """Follow one row of the treatments table; return why it has no place, or None."""
        if self.state in self.graph.absorbing:
            return self._too_late(f"start of {treatment}")
        if treatment in self.started:
            return f"{treatment} has already started"
        exit_index = self.exits.get((TREATMENTS, self.state, treatment))
        if exit_index is None:
            return no_start(treatment, self.state)
        self.advance(day, exit_index)
        self.started[treatment] = (day, False)
        return None

    def _too_late(self, what: str) -> str:
        return f"{what} after {self.state}: follow-up ends there"

    @property
    def present(self) -> Present:
        """Where the walk has come to."""
        started = tuple((name, day, left) for name, (day, left) in self.started.items())
        return Present(self.state, self.day, self.entry, started)

    def advance(self, day: float, exit_index: int = CENSORED) -> None:
        """Close the stretch up to `day`, split where a treatment phase ends."""
        cuts = sorted(
            start + early
            for name, (start, left) in self.started.items()
            if not left
            and (early := self.graph.treatment(name).early_days) is not None
            and self.graph.is_split(name, self.state)
            and self.day < start + early < day
        )
        for cut in cuts:
            self._append(cut, CENSORED)
        if day > self.day or exit_index != CENSORED:
            self._append(day, exit_index)

    def _append(self, stop: float, exit_index: int) -> None:
        self.episodes.append(
            Episode(
                self.patient, self.state, self.day, stop, self.entry, self._phases(), exit_index
            )
        )
        self.day = stop

    def _phases(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, phase_of(self.graph, name, self.state, self.day, start, left))
            for name, (start, left) in self.started.items()
        )

    def observe(self, since: float) -> None:
        """Cut episodes at the day of entry; those that had ended by then are left out."""
        if since > 0.0:
            seen = [e for e in self.episodes if e.stop > since]
            self.episodes = [replace(e, start=max(e.start, since)) for e in seen]

    def move(self, state: str) -> None:
        """Enter a state today; an event that recurs within one leaves treatments as they are."""
        if state != self.state:
            self.started = {name: (start, True) for name, (start, _) in self.started.items()}
        self.state, self.entry = state, self.day


def phase_of(
    graph: StateGraph, treatment: str, state: str, day: float, start: float, left: bool
) -> str:
    """Phase, in `state` and just after `day`, of a treatment begun on day `start`."""
    if left:
        return EARLIER
    if not graph.is_split(treatment, state):
        return HERE
    early = graph.treatment(treatment).early_days or 0.0  # never None where is_split
    # Compared as the cuts are computed, so that rounding cannot put a day on the wrong side.
    return HERE_EARLY if day < start + early else HERE_LATE


def trace_histories(graph: StateGraph, cohort: Cohort) -> Histories:
    """Follow every patient through the graph.

    On one day, disease events come before treatment starts, so a transplant on the day of
    remission is a transplant in remission; and disease events come in the order that the graph
    allows, whatever that of their rows.

    Raises
    ------
    ModelError
        An event of the cohort is not known to the graph at all: a disease file that does not
        belong to these data. Or the graph allows events of one day in several orders. Or an entry
        cannot be; see `observed_since`.
    """
    records = records_of(graph, cohort, dated=True)
    entries = observed_since(graph, cohort, records)
    walks: list[Walker] = []
    aside: list[tuple[str, int, str, str]] = []
    for index, patient in enumerate(cohort.patient_ids):
        walk, unplaced = follow(graph, index, records.get(patient, []), entries[index])
        walks.append(walk)
        aside += unplaced
    _require_one_order(walks)
    return Histories(
        tuple(episode for walk in walks for episode in walk.episodes),
        tuple(walk.present for walk in walks),
        pd.DataFrame(aside, columns=["table", "row", "rule", "reason"]),
    )


def follow(
    graph: StateGraph, patient: int, record: Record, since: Observed = FROM_ORIGIN
) -> tuple[Walker, list[tuple[str, int, str, str]]]:
    """Walk one record through the graph; return the walk, and the rows with no place in it.

    Its episodes are those under observation; see `entries`.
    """
    walk = Walker(graph, _exits(graph), patient, graph.initial)
    if since.state is not None:
        walk.state, walk.day, walk.entry = since.state, since.day, since.day
    aside = []
    final = graph.absorbing
    for _, one_day in groupby(record, key=lambda entry: entry.order[:2]):
        for entry in walk.in_order(list(one_day)):
            done = walk.state in final
            is_event = entry.table == EVENTS
            take = walk.take_event if is_event else walk.take_start
            reason = take(entry.day, entry.what)
            if reason is not None:
                outside = f"{'event' if is_event else 'treatment start'} outside the graph"
                rule = "after an absorbing state" if done else outside
                aside.append((entry.table, entry.row, rule, reason))
    walk.observe(since.day)
    return walk, aside


def _require_one_order(walks: Sequence[Walker]) -> None:
    unclear = [walk for walk in walks if walk.ambiguous]
    if unclear:
        kinds = sorted({walk.ambiguous for walk in unclear})
        told = "; ".join(", ".join(kind) for kind in kinds[:_SHOWN])
        numbers = ", ".join(str(walk.patient + 1) for walk in unclear[:_SHOWN])
        raise ModelError(
            f"{len(unclear)} patient(s) had events on one day that may have come in several "
            f"orders, along different paths: {told}. By their number in the cohort: {numbers}"
            f"{', …' * (len(unclear) > _SHOWN)}. Date them apart, half a day where nothing else "
            "is known, or declare one event that stands for both."
        )


@cache
def _exits(graph: StateGraph) -> Mapping[tuple[str, str, str], int]:
    """The intensity by which (table, state, what) leads out of a state."""
    exits: dict[tuple[str, str, str], int] = {}
    for k, i in enumerate(graph.intensities):
        if isinstance(i, Transition):
            exits |= {(EVENTS, i.source, event): k for event in i.events}
        else:
            exits[TREATMENTS, i.source, i.treatment] = k
    return exits


def no_start(treatment: str, state: str) -> str:
    """Why a treatment start has no place, where the graph has none from that state."""
    return f"{treatment} cannot start in state {state}"


def unknown_events(graph: StateGraph, cohort: Cohort) -> str | None:
    """What is said of events that are not known to the graph; None where all are."""
    known = {event for t in graph.transitions for event in t.events}
    known |= {LAST_CONTACT, DEATH, *graph.ignored_events}
    # A name that is a patient's got into the column by mistake, and is not repeated.
    unknown = sorted(set(cohort.events[EVENT]) - known)
    if not unknown:
        return None
    shown = [event for event in unknown if event not in cohort.patient_ids]
    meant = {event: nearest(event, known) for event in shown}
    named = [f"{e!r}" + (f" (meant for {to!r}?)" if to else "") for e, to in meant.items()]
    named += [f"{len(unknown) - len(shown)} more"] * (len(shown) < len(unknown))
    return (
        f"events: {', '.join(named)} not known to this disease, which has "
        f"{', '.join(sorted(map(repr, known)))}. Correct the spelling, choose the disease that "
        "fits the cohort, declare the transition, or ignore what moves nobody: "
        "spec.ignoring(...), --ignore-event, or `ignored_events` in a disease file."
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One dated row of a record: `what` is an event or the treatment that starts.

    It lies in ``(lower, day]``; `lower` equals `day` where the day is known.
    """

    day: float
    table: str
    row: int
    what: str
    lower: float

    @property
    def order(self) -> tuple[float, int, str]:
        """By day; on one day disease events, then death, treatment starts, last contact."""
        if self.table == TREATMENTS:
            return self.day, 2, self.what
        return self.day, {DEATH: 1, LAST_CONTACT: 3}.get(self.what, 0), self.what


type Record = list[Entry]


def records_of(graph: StateGraph, cohort: Cohort, *, dated: bool) -> Mapping[str, Record]:
    """Rows of each patient that concern the graph, in their order.

    `dated` puts events that lie between two days into the middle.

    Raises
    ------
    ModelError
        An event is not known to the graph.
    """
    if (problem := unknown_events(graph, cohort)) is not None:
        raise ModelError(problem)
    cohort = cohort.dated() if dated else cohort
    out: dict[str, Record] = {}
    events = cohort.events
    lower = events[DAY_LOWER].fillna(events[DAY]) if DAY_LOWER in events else events[DAY]
    tables = [(EVENTS, events, lower, DAY, EVENT)]
    if cohort.treatments is not None:
        modelled = cohort.treatments["treatment"].isin([t.name for t in graph.treatments])
        starts = cohort.treatments[modelled]
        tables.append((TREATMENTS, starts, starts["start_day"], "start_day", "treatment"))
    for name, table, since, day, what in tables:
        columns = (table.index, table[PATIENT_ID], table[day], table[what], since)
        for row, patient, when, kind, low in zip(*columns, strict=True):
            entry = Entry(float(when), name, int(row), str(kind), float(low))
            out.setdefault(str(patient), []).append(entry)
    for record in out.values():
        record.sort(key=lambda entry: entry.order)
    return out
