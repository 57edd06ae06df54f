"""Events need time at risk: what no hazard gives a density is refused before sampling.

A hazard is a rate, and an event after no time at all has probability zero under any. On the day of
entry into a *later* state the day before counts: a relapse and a death of one day follow each
other at that moment, and their hazards are those of that day, if others were at risk on it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Bools, Floats
from twinbayes.errors import ModelError
from twinbayes.model.baseline import PiecewiseConstant, Weibull
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.intensities import Transition
from twinbayes.model.events.quadrature import Followed
from twinbayes.model.events.rows import RowTable

_SHOWN: Final = 5
_NO_BOUND: Final = (
    "an event or a treatment start at the moment at which they came to be at risk of it, where its "
    "hazard has no bound: it is of Weibull shape since then, or nobody was at risk of it for any "
    "time"
)
_NO_TIME: Final = (
    "an event at the moment at which they came to be at risk of it, for no time: where hazards "
    "follow curves, the model has no answer to that"
)
_REMEDY: Final = (
    "Date the event half a day later, in the middle of its day; or start the clock earlier, where "
    "patients came to be at risk before their day 0. What was there at the origin already is no "
    "event: make it a covariate, or leave these patients out."
)


def require_events_after_origin(graph: StateGraph, rows: RowTable) -> RowTable:
    """Return the rows if no event is on day 0, before which nobody is at risk.

    A treatment may start on day 0: nobody's state changes by that.

    Raises
    ------
    ModelError
        Says how many patients there are, and which by their number.
    """
    moves = np.array([isinstance(i, Transition) for i in graph.intensities], dtype=bool)
    _refuse(
        rows.patient[rows.is_event & moves[rows.intensity] & (rows.stop + rows.clock_start <= 0.0)],
        "an event on day 0, and were at risk for no time before it: no hazard gives that a density",
    )
    return rows


def require_time_at_risk(
    graph: StateGraph, rows: RowTable, edges: tuple[Floats, ...], followed: Followed
) -> None:
    """Refuse events and starts at the moment of coming to be at risk, if nothing bounds the hazard.

    That is so where a Weibull hazard begins at the entry, being 0 or infinite there; where nobody
    was at risk of it for any time, ever or within the piece of a piecewise constant one; and where
    the hazard follows curves of a patient who never was at risk of it: the likelihood has no bound
    in that patient's curve.

    Raises
    ------
    ModelError
        Says how many patients there are, and which by their number.
    """
    if not np.any(rows.stop > rows.start):
        raise ModelError(
            "Nobody of the cohort was at risk for any time: all records end on the day on which "
            "they begin, and a fit would tell of the priors alone. Read a cohort with follow-up; "
            "`sample_priors` shows what the priors say."
        )
    sudden, unbounded = _is_sudden(rows), _begins_unbounded(graph, rows)
    for k in np.unique(rows.intensity[sudden]):
        baseline, mine = graph.intensities[k].baseline, rows.intensity == k
        grid = edges[k] if isinstance(baseline, PiecewiseConstant) else edges[k][[0, -1]]
        cut = np.clip(grid[:, None], rows.start[mine], rows.stop[mine])
        empty = np.diff(cut, axis=0).sum(axis=1) <= 0.0
        window = np.maximum(np.searchsorted(grid, rows.stop[mine], side="left") - 1, 0)
        unbounded[mine] |= sudden[mine] & empty[window]
    _refuse(rows.patient[unbounded], _NO_BOUND)
    _refuse(_never_at_risk(rows, followed), _NO_TIME)


def require_patients_at_risk(graph: StateGraph, rows: RowTable, followed: Followed) -> None:
    """Refuse what `require_time_at_risk` refuses whoever else is in the cohort.

    Raises
    ------
    ModelError
        Says how many patients there are, and which by their number.
    """
    require_events_after_origin(graph, rows)
    _refuse(rows.patient[_begins_unbounded(graph, rows)], _NO_BOUND)
    _refuse(_never_at_risk(rows, followed), _NO_TIME)


def _is_sudden(rows: RowTable) -> Bools:
    """(row,) whether it ends, with an event, at the moment at which it begins."""
    out: Bools = rows.is_event & (rows.stop <= rows.start)
    return out


def _begins_unbounded(graph: StateGraph, rows: RowTable) -> Bools:
    """(row,) whether it ends so where its hazard begins, and is of Weibull shape."""
    weibull = np.array([isinstance(i.baseline, Weibull) for i in graph.intensities], dtype=bool)
    out: Bools = _is_sudden(rows) & weibull[rows.intensity] & (rows.stop <= 0.0)
    return out


def _never_at_risk(rows: RowTable, followed: Followed) -> NDArray[np.int64]:
    """Patients with events, but no days at risk, of what follows curves."""
    mine = np.isin(rows.intensity, list(followed))
    size = int(rows.patient.max(initial=-1)) + 1
    days = np.bincount(rows.patient[mine], (rows.stop - rows.start)[mine], size)
    events = np.bincount(rows.patient[mine & rows.is_event], minlength=size)
    return np.flatnonzero((events > 0) & (days <= 0.0))


def _refuse(patients: NDArray[np.int64], what: str) -> None:
    found = np.unique(patients)
    if len(found):
        numbers = ", ".join(str(k + 1) for k in found[:_SHOWN]) + ", …" * (len(found) > _SHOWN)
        raise ModelError(
            f"{len(found)} patient(s) had {what}. By their number in the cohort: {numbers}. "
            f"{_REMEDY}"
        )
