"""The fused likelihood's hazards under every posterior draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.model.events.likelihood.frailty import compensate
from twinbayes.model.events.likelihood.kernel import cumulative_hazards
from twinbayes.model.events.packed import EventData
from twinbayes.model.events.rows import RowTable


def log_likelihood(draws: EventDraws, data: EventData, trails: Floats | None = None) -> Floats:
    """Log-likelihood of each patient's course under each draw.

    Parameters
    ----------
    draws
        What hazards depend on.
    data
        Rows at risk; every patient's subgroup and centre is one of the fit's.
    trails
        (draw, point) what the patients' curves add to their log hazards at `EventPlan.points`;
        None where hazards follow no curve.

    Returns
    -------
    ndarray
        (draw, patient).
    """
    index, values = data.pack()
    out = np.empty((draws.n_draws, data.n_patients))
    ones = np.ones(data.n_patients)
    trails = np.zeros((draws.n_draws, 0)) if trails is None else trails
    of_draw = (
        draws.log_at_event,
        draws.log_baseline,
        draws.coef,
        draws.acting,
        trails,
        draws.frailty,
    )
    gradients = [np.empty(x.shape[1:]) for x in of_draw]
    for s, each in enumerate(out):
        inputs = [np.ascontiguousarray(x[s]) for x in of_draw]
        event_loglik(*inputs, ones, index, values, *gradients, each)
    return out


def compensators(
    draws: EventDraws, data: EventData, rows: RowTable, trails: Floats | None = None
) -> Iterator[Floats]:
    """Events to be expected in each row at risk, given the past, draw by draw.

    The cumulative hazard; with a frailty its mean over what the patient's record up to then leaves
    of the frailty.

    Parameters
    ----------
    draws, data
        As in `log_likelihood`.
    rows
        The rows that `data` were packed from.
    trails
        (draw, point) what the patients' curves add to their log hazards at the points of `data`;
        None where it has none.

    Yields
    ------
    ndarray
        (row,), rows ordered as in `data`.
    """
    index, values = data.pack()
    trails = np.zeros((draws.n_draws, 0)) if trails is None else trails
    packed = np.argsort(rows.intensity, kind="stable")
    episode = _episodes(rows)[packed]
    order, fired = np.argsort(episode, kind="stable"), rows.is_event[packed]
    of_draw = (draws.log_baseline, draws.coef, draws.acting, trails)
    for s in range(draws.n_draws):
        of_row = np.empty(data.n_rows)
        inputs = [np.ascontiguousarray(x[s]) for x in of_draw]
        cumulative_hazards(*inputs, index, values, of_row)
        if draws.frailty.shape[1]:
            own = np.ascontiguousarray(draws.frailty[s])
            at_mean = of_row.copy()
            compensate(order, data.patient, data.intensity, episode, fired, at_mean, own, of_row)
        yield of_row


def mean_compensators(draws: EventDraws, data: EventData, rows: RowTable) -> Floats:
    """Posterior mean of `compensators`, of `data` without points, (row,)."""
    total = np.zeros(data.n_rows)
    for of_row in compensators(draws, data, rows):
        total += of_row
    return total / draws.n_draws


def _episodes(rows: RowTable) -> Ints:
    """(row,) number of the stretch of time that a row is of: by patient, and in time.

    Days are compared to a millionth: they have been moved to clocks of their own, and rounded.
    """
    ends = np.round(np.stack([rows.clock_start + rows.stop, rows.clock_start + rows.start]), 6)
    keys = np.stack([rows.patient.astype(float), *ends])
    _, found = np.unique(keys, axis=1, return_inverse=True)
    return np.asarray(found.ravel(), dtype=np.int64)
