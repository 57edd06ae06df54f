"""Courses that a record leaves open: events known to lie between two days, on no day exactly.

A progression found at a visit happened since the visit before. Its likelihood is an integral over
that interval (L, R], taken by a Gauss-Legendre rule: the patient's path is followed once for each
node t_k, as if the event had fallen on it, and the likelihoods are added up,

    log L_i = log sum_k w_k L_i(t_k),        sum_k w_k = R - L.

Whatever the graph, the clocks, the treatments and the curves, each such course is an ordinary one.
The rule is exact to many digits while hazards are smooth over the interval. A piecewise constant
one that jumps within it by a factor f puts mass on the wrong side of the jump, at most 0.051 of
the interval with one open event, 0.105 with two and 0.143 with three: an error of that times f - 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Episode, Record, follow, records_of

_NODES: Final = {1: 15, 2: 7, 3: 5}
"""Nodes an interval, by how many intervals a patient has; their product is the courses."""


@dataclass(frozen=True)
class Courses:
    """Possible courses of every patient of a cohort.

    Attributes
    ----------
    episodes
        As in `Histories`, but that `patient` counts courses.
    patient
        (course,) the patient whose course it is; every patient has at least one.
    log_share
        (course,) log weight of the course in the integral, in log days for each interval; 0 where
        all events are dated.
    """

    episodes: tuple[Episode, ...]
    patient: NDArray[np.int64]
    log_share: NDArray[np.float64]


def trace_courses(graph: StateGraph, cohort: Cohort) -> Courses | None:
    """Follow every course that the records leave open; None where every event is dated.

    Raises
    ------
    ModelError
        A patient has more events between two days than the rule has nodes for.
    """
    if not cohort.has_intervals:
        return None
    records = records_of(graph, cohort, dated=False)
    episodes: list[Episode] = []
    patient: list[int] = []
    log_share: list[float] = []
    for i, who in enumerate(cohort.patient_ids):
        for record, share in _dated(records.get(who, [])):
            walk, _ = follow(graph, len(patient), record)
            episodes += walk.episodes
            patient.append(i)
            log_share.append(share)
    return Courses(tuple(episodes), np.array(patient, dtype=np.int64), np.array(log_share))


def _dated(record: Record) -> list[tuple[Record, float]]:
    """The record with its open events on every combination of nodes, and log weights."""
    open_events = [k for k, entry in enumerate(record) if entry.lower < entry.day]
    if not open_events:
        return [(record, 0.0)]
    if len(open_events) > max(_NODES):
        raise ModelError(
            f"A patient has {len(open_events)} events with a day_lower; at most {max(_NODES)} can "
            "be integrated over. Date the others, or leave them out."
        )
    at, weight = np.polynomial.legendre.leggauss(_NODES[len(open_events)])
    out = []
    for nodes in product(range(len(at)), repeat=len(open_events)):
        course, share = list(record), 0.0
        for k, n in zip(open_events, nodes, strict=True):
            half = 0.5 * (record[k].day - record[k].lower)
            course[k] = replace(record[k], day=record[k].lower + half * (1.0 + float(at[n])))
            share += float(np.log(half * weight[n]))
        out.append((sorted(course, key=lambda entry: entry.order), share))
    return out
