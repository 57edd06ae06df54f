"""Pseudo-values: what each patient contributes to a state-occupation probability.

They stand in for the unknown states of censored patients in a regression (Andersen, Klein &
Rosthøj 2003). Computed from the influence function of the Aalen–Johansen estimator (the
infinitesimal jackknife), all patients at once instead of one refit a patient.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Floats
from twinbayes.estimators.aalen_johansen import (
    increments,
    initial_distribution,
    known_until,
    propagate,
)
from twinbayes.estimators.counting import CENSORED, CountingProcess
from twinbayes.estimators.observed import as_day, as_horizon, require_known_until


def pseudo_values(
    process: CountingProcess,
    horizon: float,
    *,
    origin: float = 0.0,
    initial: str | int | npt.ArrayLike | None = None,
) -> Floats:
    """Return the pseudo-values of state occupation at `horizon`.

    Of the patients seen after `origin`, n in number, each has what leaving them out changes:
    n times the estimate less n − 1 times that of the others, up to terms of order 1/n. The mean
    over them is the Aalen–Johansen estimate. If nobody is censored or comes late, and the initial
    distribution is estimated, a pseudo-value is exactly the indicator of the patient's state.
    Patients of whom nothing is seen after `origin` contribute nothing and have none: NaN.

    Parameters
    ----------
    process
        Counting-process rows.
    horizon
        Day since the origin.
    origin, initial
        As for `aalen_johansen`.

    Returns
    -------
    array
        Shape (patients, states), patients in the order of ``process.patients``; NaN for those
        who died or were lost by `origin`.

    Raises
    ------
    CohortError
        As `aalen_johansen`.
    OptionError
        As `aalen_johansen`; or if the horizon is no day from the origin on, or nobody was followed
        so long and not all had reached an absorbing state.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> pseudo_values(process, 250).round(3)
    array([[0., 1.],
           [1., 0.],
           [1., 0.],
           [1., 0.]])
    """
    origin = as_day(origin, "origin")
    horizon = as_horizon(horizon, "pseudo-values", origin)
    p0, _ = initial_distribution(process, origin, initial)
    jumps = increments(process, origin=origin)
    last = known_until(process, propagate(p0, jumps.hazard)[-1])
    require_known_until(np.array([horizon]), last, "pseudo-values")
    used = int(np.searchsorted(jumps.time, horizon, side="right"))
    time, hazard = jumps.time[:used], jumps.hazard[:used]
    before = propagate(p0, hazard)
    size = p0.size
    future = np.empty((used + 1, size, size))  # future[u] = P(u, horizon), after the jump at u
    future[used] = np.eye(size)
    for u in range(used - 1, -1, -1):
        future[u] = future[u + 1] + hazard[u] @ future[u + 1]
    after = future[1:]
    # One patient's share of the mass that stands in h just before u.
    share = before[:-1] / np.maximum(jumps.at_risk[:used], 1.0)
    drift = np.zeros((used + 1, size, size))
    np.cumsum(share[:, :, None] * (hazard @ after), axis=0, out=drift[1:])

    follow_up = process.follow_up()
    owner, seen = follow_up.row_owner, follow_up.exit > origin
    influence = np.zeros((seen.size, size))
    h = process.from_state
    begin = np.searchsorted(time, np.maximum(process.start, origin), side="right")
    end = np.maximum(np.searchsorted(time, process.stop, side="right"), begin)
    np.add.at(influence, owner, drift[begin, h] - drift[end, h])
    moved = (process.to_state != CENSORED) & (process.stop > origin) & (process.stop <= horizon)
    u = np.searchsorted(time, process.stop[moved])
    gain = after[u, process.to_state[moved]] - after[u, h[moved]]
    np.add.at(influence, owner[moved], share[u, h[moved], None] * gain)
    if initial is None:
        here = process.present(origin)
        start = np.eye(size)[h[here]] - p0
        np.add.at(influence, owner[here], start @ future[0] / here.sum())
    values = before[-1] + seen.sum() * influence
    return np.where(seen[:, None], values, np.nan)
