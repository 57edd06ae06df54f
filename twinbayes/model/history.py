"""From a cohort's events and treatments to each patient's path through the state graph.

A path is a list of *episodes*: stretches of time in one state, under one treatment phase.
Time is exact; nothing is discretised here. Rows that the graph has no place for (a relapse
recorded before any remission, a visit to a state after an absorbing one) are not dropped
silently: they are returned in `Histories.set_aside`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.graph import EARLIER, HERE, HERE_EARLY, HERE_LATE, StateGraph
from twinbayes.names import DAY, DEATH, EVENT, LAST_CONTACT, PATIENT_ID

CENSORED = -1


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

    `started` maps each treatment begun to ``(day of start, state in which it began,
    whether that state has been left since)``.
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
        columns ``table, row, rule, reason``.
    """

    episodes: tuple[Episode, ...]
    present: tuple[Present, ...]
    set_aside: pd.DataFrame


@dataclass(slots=True)
class _Walker:
    """State of one walk through one record; lives only inside `trace_histories`."""

    graph: StateGraph
    patient: int
    state: str
    day: float
    entry: float
    started: dict[str, tuple[float, bool]]
    episodes: list[Episode]

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

    def move(self, state: str) -> None:
        self.state, self.entry = state, self.day
        self.started = {name: (start, True) for name, (start, _) in self.started.items()}


def phase_of(
    graph: StateGraph, treatment: str, state: str, day: float, start: float, left: bool
) -> str:
    """Phase, in `state` and just after `day`, of a treatment begun on day `start`."""
    if left:
        return EARLIER
    if not graph.is_split(treatment, state):
        return HERE
    early = graph.treatment(treatment).early_days
    assert early is not None  # is_split guarantees it
    # Compared as the cuts are computed, so that rounding cannot put a day on the wrong side.
    return HERE_EARLY if day < start + early else HERE_LATE


def trace_histories(graph: StateGraph, cohort: Cohort) -> Histories:
    """Follow every patient through the graph.

    On one day, disease events come before treatment starts, so a transplant on the day of
    remission is a transplant in remission.

    Raises
    ------
    ModelError
        An event of the cohort is not known to the graph at all: a disease file that does not
        belong to these data.
    """
    _require_events_known(graph, cohort)
    records = _records(graph, cohort)
    moves = {(t.source, t.event): k for k, t in enumerate(graph.transitions)}
    starts = {
        (s.source, s.treatment): len(graph.transitions) + k for k, s in enumerate(graph.starts)
    }
    episodes: list[Episode] = []
    present: list[Present] = []
    aside: list[tuple[str, int, str, str]] = []
    for index, patient in enumerate(cohort.patient_ids):
        walk = _Walker(graph, index, graph.initial, 0.0, 0.0, {}, [])
        for day, _, kind, row in records.get(patient, ()):
            table = "treatments" if kind.startswith("start:") else "events"
            if walk.state in graph.absorbing:
                if kind not in (LAST_CONTACT, DEATH):
                    aside.append(
                        (
                            table,
                            row,
                            "after an absorbing state",
                            f"{kind} after {walk.state}: follow-up ends there",
                        )
                    )
                continue
            if table == "treatments":
                name = kind.removeprefix("start:")
                if (walk.state, name) not in starts or name in walk.started:
                    why = "has already started" if name in walk.started else "cannot start"
                    aside.append(
                        (
                            table,
                            row,
                            "treatment start outside the graph",
                            f"{name} {why} in state {walk.state}",
                        )
                    )
                    continue
                walk.advance(day, starts[walk.state, name])
                walk.started[name] = (day, False)
            elif kind == LAST_CONTACT:
                walk.advance(day)
            elif (walk.state, kind) in moves:
                transition = moves[walk.state, kind]
                walk.advance(day, transition)
                walk.move(graph.transitions[transition].target)
            else:
                aside.append(
                    (
                        table,
                        row,
                        "event outside the graph",
                        f"{kind} is no way out of state {walk.state}",
                    )
                )
        episodes.extend(walk.episodes)
        present.append(
            Present(
                walk.state,
                walk.day,
                walk.entry,
                tuple((n, s, left) for n, (s, left) in walk.started.items()),
            )
        )
    frame = pd.DataFrame(aside, columns=["table", "row", "rule", "reason"])
    return Histories(tuple(episodes), tuple(present), frame)


def _require_events_known(graph: StateGraph, cohort: Cohort) -> None:
    known = {t.event for t in graph.transitions} | {LAST_CONTACT, DEATH}
    unknown = sorted(set(cohort.events[EVENT]) - known)
    if unknown:
        raise ModelError(
            f"events: {', '.join(map(repr, unknown))} not known to this disease, which has "
            f"{', '.join(sorted(map(repr, known)))}. Choose the disease that fits the cohort, or "
            "declare the transition."
        )


def _records(graph: StateGraph, cohort: Cohort) -> Mapping[str, list[tuple[float, int, str, int]]]:
    """Per patient: (day, order within the day, what, row), sorted."""
    modelled = {t.name for t in graph.treatments}
    out: dict[str, list[tuple[float, int, str, int]]] = {}

    def add(patients: Iterable[object], days: Iterable[float], what: Iterable[str]) -> None:
        for row, (patient, day, kind) in enumerate(zip(patients, days, what, strict=True)):
            order = 2 if kind == LAST_CONTACT else 1 if kind.startswith("start:") else 0
            out.setdefault(str(patient), []).append((float(day), order, kind, row))

    add(cohort.events[PATIENT_ID], cohort.events[DAY], cohort.events[EVENT])
    if cohort.treatments is not None:
        table = cohort.treatments[cohort.treatments["treatment"].isin(modelled)]
        add(table[PATIENT_ID], table["start_day"], "start:" + table["treatment"].astype(str))
    for record in out.values():
        record.sort(key=lambda item: (item[0], item[1], np.inf if item[2] == DEATH else 0))
    return out
