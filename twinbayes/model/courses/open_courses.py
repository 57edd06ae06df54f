"""Courses that a record leaves open: events known to lie between two days, on no day exactly.

A progression found at a visit happened since the visit before. Its likelihood is an integral over
that interval (L, R], taken by a Gauss-Legendre rule: the patient's path is followed once for each
node t_k, as if the event had fallen on it, and the likelihoods are added up,

    log L_i = log sum_k w_k L_i(t_k),        sum_k w_k = R - L.

Whatever the graph, the clocks, the treatments and the curves, each such course is an ordinary one.
The rule is exact to many digits while hazards are smooth over the interval. A piecewise constant
one that jumps within it by a factor f puts mass on the wrong side of the jump, at most 0.051 of
the interval with one open event, 0.105 with two and 0.143 with three: an error of that times f - 1.

Moves that no row records have no course here. Where stages come and go and are seen at visits alone
(panel data), a patient may have gone round between two visits; and one who is found in many stages
has more open events than there are nodes for. Both are refused: integrating over unseen paths takes
another likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.model.courses.entries import observed_since
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Episode, Record, follow, records_of

_NODES: Final = {1: 15, 2: 7, 3: 5}
"""Nodes an interval, by how many intervals a patient has; their product is the courses."""


_SHOWN: Final = 5
_RIGHT: Final = (
    "Dating these events in the middle, or leaving them out, would bias the hazards. Right are: "
    "their exact days, from the source; fewer stages, such as first entry into the worst one, "
    "without a way back; or a model of panel data, which sums over all paths between visits (a "
    "continuous-time Markov model, as in the R package msm)."
)


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
        Patients have more events between two days than the rule has nodes for; or stages that come
        and go are seen between two days alone.
    """
    if not cohort.has_intervals:
        return None
    records = records_of(graph, cohort, dated=False)
    of_patient = [records.get(who, []) for who in cohort.patient_ids]
    _require_no_unseen_circle(graph, of_patient)
    _require_few_open(of_patient)
    episodes: list[Episode] = []
    patient: list[int] = []
    log_share: list[float] = []
    entries = observed_since(graph, cohort, records)
    for i, whole in enumerate(of_patient):
        for record, share in _dated(whole):
            walk, _ = follow(graph, len(patient), record, entries[i])
            episodes += walk.episodes
            patient.append(i)
            log_share.append(share)
    return Courses(tuple(episodes), np.array(patient, dtype=np.int64), np.array(log_share))


def _open_events(record: Record) -> list[int]:
    return [k for k, entry in enumerate(record) if entry.lower < entry.day]


def _require_few_open(records: Sequence[Record]) -> None:
    counts = [len(_open_events(record)) for record in records]
    most = max(_NODES)
    many = [k + 1 for k, count in enumerate(counts) if count > most]
    if many:
        raise ModelError(
            f"{len(many)} patient(s) have up to {max(counts)} events with a day_lower; at most "
            f"{most} a patient can be integrated over. By their number in the cohort: "
            f"{', '.join(map(str, many[:_SHOWN]))}{', …' * (len(many) > _SHOWN)}. {_RIGHT}"
        )


def _require_no_unseen_circle(graph: StateGraph, records: Sequence[Record]) -> None:
    unseen = {entry.what for record in records for entry in record if entry.lower < entry.day}
    left = [t for t in graph.transitions if unseen.intersection(t.events)]
    while left:
        # What leads nowhere, or where nothing leads to, is in no circle.
        sources, targets = {t.source for t in left}, {t.target for t in left}
        circle = [t for t in left if t.target in sources and t.source in targets]
        if len(circle) == len(left):
            break
        left = circle
    if left:
        raise ModelError(
            f"{', '.join(t.label for t in left)} lead in a circle, and their events have a "
            "day_lower: between two visits a patient may have gone round unseen, which the "
            f"likelihood does not count. Such panel data are not supported. {_RIGHT}"
        )


def _dated(record: Record) -> list[tuple[Record, float]]:
    """The record with its open events on every combination of nodes, and log weights."""
    open_events = _open_events(record)
    if not open_events:
        return [(record, 0.0)]
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
