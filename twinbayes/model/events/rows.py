"""Rows at risk: every episode of a history, seen by every intensity that could have ended it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Histories
from twinbayes.model.courses.intensities import Transition
from twinbayes.model.courses.open_courses import Courses
from twinbayes.names import CLOCK_ENTRY


@dataclass(frozen=True)
class RowTable:
    """Rows before they meet a baseline: times on each intensity's clock.

    Attributes
    ----------
    patient, intensity
        Index of the patient and of the intensity.
    start, stop
        Exposure ``(start, stop]`` in days on the intensity's clock.
    is_event
        Whether the intensity fired at `stop`.
    clock_start
        Day since origin on which the intensity's clock started.
    effects
        For each row, the indices of the effects that act: those of treatments, then, counted on
        from `StateGraph.effects`, those of eras of entry, then those of time-varying effects.
    """

    patient: Ints
    intensity: Ints
    start: Floats
    stop: Floats
    is_event: NDArray[np.bool_]
    clock_start: Floats
    effects: tuple[tuple[int, ...], ...]


def rows_at_risk(graph: StateGraph, histories: Histories | Courses) -> RowTable:
    """Spread every episode over the intensities that could have ended it."""
    intensities = graph.intensities
    by_state: dict[str, list[int]] = {s: [] for s in graph.states}
    for k, intensity in enumerate(intensities):
        by_state[intensity.source].append(k)
    effect_of = {(e.treatment, e.transition, e.phase): k for k, e in enumerate(graph.effects)}
    first_era = len(graph.effects)
    patient, which, start, stop, event, shifts, effects = [], [], [], [], [], [], []
    for episode in histories.episodes:
        begun = dict(episode.phases)
        for k in by_state[episode.state]:
            intensity = intensities[k]
            if not isinstance(intensity, Transition) and intensity.treatment in begun:
                continue
            shift = episode.entry if intensity.clock == CLOCK_ENTRY else 0.0
            patient.append(episode.patient)
            which.append(k)
            start.append(episode.start - shift)
            stop.append(episode.stop - shift)
            event.append(episode.exit == k)
            shifts.append(shift)
            of_treatments = [
                effect_of[name, intensity.label, phase]
                for name, phase in episode.phases
                if (name, intensity.label, phase) in effect_of
            ]
            era = graph.entry_era(intensity, episode.entry)
            of_era = [] if era is None else [first_era + era]
            effects.append((*of_treatments, *of_era))
    return RowTable(
        np.array(patient, dtype=np.int64),
        np.array(which, dtype=np.int64),
        np.array(start, dtype=float),
        np.array(stop, dtype=float),
        np.array(event, dtype=bool),
        np.array(shifts, dtype=float),
        tuple(effects),
    )


def window_edges(graph: StateGraph, rows: RowTable) -> tuple[Floats, ...]:
    """Window edges of every intensity's baseline, learnt from its own rows, in days."""
    out = []
    for k, intensity in enumerate(graph.intensities):
        mine = rows.intensity == k
        times = np.concatenate([rows.start[mine], rows.stop[mine]])
        out.append(intensity.baseline.edges(rows.stop[mine & rows.is_event], times))
    return tuple(out)
