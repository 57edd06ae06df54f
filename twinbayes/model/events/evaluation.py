"""The fused likelihood's hazards under every posterior draw."""

from __future__ import annotations

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.model.events.likelihood.kernel import cumulative_hazards
from twinbayes.model.events.packed import EventData


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


def mean_cumulative_hazards(draws: EventDraws, data: EventData) -> Floats:
    """Posterior mean of the cumulative hazard of each row at risk, where no curve moves hazards.

    Parameters
    ----------
    draws, data
        As in `log_likelihood`; `data` without nodes.

    Returns
    -------
    ndarray
        (row,), rows ordered as in `data`.
    """
    index, values = data.pack()
    of_row, total, no_trail = np.empty(data.n_rows), np.zeros(data.n_rows), np.zeros(0)
    of_draw = (draws.log_baseline, draws.coef, draws.acting)
    for s in range(draws.n_draws):
        inputs = [np.ascontiguousarray(x[s]) for x in of_draw]
        cumulative_hazards(*inputs, no_trail, index, values, of_row)
        total += of_row
    return total / draws.n_draws
