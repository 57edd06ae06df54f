"""Nelson–Aalen hazards and Aalen–Johansen state occupation of any multi-state process.

Estimator and Greenwood-type covariance: Andersen, Borgan, Gill & Keiding 1993, sections IV.1 and
IV.4; the recursion is that of the R package mstate (de Wreede, Fiocco & Putter 2011). Landmark
estimator: Putter & Spitoni 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import CohortError, OptionError, require_known, require_level
from twinbayes.estimators.counting import CENSORED, CountingProcess, require_process
from twinbayes.estimators.observed import as_day, as_horizon, as_numbers, require_known_until
from twinbayes.estimators.state_occupation import BANDS, StateOccupation

_NOBODY: Final = 1e-9  # a probability below it is one of rounding


@dataclass(frozen=True)
class Increments:
    """Jumps of the cumulative hazards at each event time after `origin`.

    Attributes
    ----------
    time
        Event times, increasing, shape (times,).
    at_risk
        At risk in each state just before each time, shape (times, states).
    events
        Number of transitions h → j at each time, shape (times, states, states).
    hazard
        ``events / at_risk``, with minus the row sum on the diagonal.
    """

    time: Floats
    at_risk: Floats
    events: Floats
    hazard: Floats

    def covariance(self) -> Floats:
        """Greenwood covariance of the jumps out of one state, shape (times, from, to, to)."""
        n = np.maximum(self.at_risk, 1.0)[:, :, None, None]
        d = self.events
        size = d.shape[1]
        cov: Floats = -d[:, :, :, None] * d[:, :, None, :] / n**3
        i = np.arange(size)
        cov[:, :, i, i] += d / n[..., 0] ** 2
        # The diagonal of the jump matrix is minus the row sum: its covariances follow.
        leave = cov.sum(axis=3)
        cov[:, i, i, :] = -leave[:, i, :]
        cov[:, i, :, i] = np.moveaxis(-leave, 1, 0)
        cov[:, i, i, i] = leave.sum(axis=2)
        return cov


def increments(process: CountingProcess, *, origin: float = 0.0) -> Increments:
    """Return the Nelson–Aalen jumps of all transitions after `origin`."""
    moved = (process.to_state != CENSORED) & (process.stop > origin)
    time, position = np.unique(process.stop[moved], return_inverse=True)
    size = len(process.states)
    cell = (position * size + process.from_state[moved]) * size + process.to_state[moved]
    counts = np.bincount(cell, minlength=time.size * size * size).astype(np.float64)
    events = counts.reshape(time.size, size, size)
    at_risk = np.empty((time.size, size))
    for h in range(size):
        rows = process.from_state == h
        entered = np.searchsorted(np.sort(process.start[rows]), time, side="left")
        left = np.searchsorted(np.sort(process.stop[rows]), time, side="left")
        at_risk[:, h] = entered - left
    hazard = events / np.maximum(at_risk, 1.0)[:, :, None]
    i = np.arange(size)
    hazard[:, i, i] = -hazard.sum(axis=2)
    return Increments(time, at_risk, events, hazard)


def nelson_aalen(process: CountingProcess, *, origin: float = 0.0) -> pd.DataFrame:
    """Return cumulative hazards of the observed transitions.

    Returns
    -------
    DataFrame
        Columns ``transition`` ("a->b"), ``time``, ``n_risk``, ``n_event``, ``cumulative_hazard``
        and ``standard_error`` (Greenwood type); one row an event time of the transition.

    Raises
    ------
    CohortError
        If there is no row.
    OptionError
        If `process` or `origin` is none.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> nelson_aalen(process).columns.tolist()
    ['transition', 'time', 'n_risk', 'n_event', 'cumulative_hazard', 'standard_error']
    """
    require_process(process)
    origin = as_day(origin, "origin")
    jumps = increments(process, origin=origin)
    frames = []
    for h, j in process.transitions:
        d, n = jumps.events[:, h, j], np.maximum(jumps.at_risk[:, h], 1.0)
        seen = d > 0
        frames.append(
            pd.DataFrame(
                {
                    "transition": f"{process.states[h]}->{process.states[j]}",
                    "time": jumps.time[seen],
                    "n_risk": n[seen].astype(np.int64),
                    "n_event": d[seen].astype(np.int64),
                    "cumulative_hazard": np.cumsum(d / n)[seen],
                    "standard_error": np.sqrt(np.cumsum((n - d) * d / n**3))[seen],
                }
            )
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def aalen_johansen(
    process: CountingProcess,
    *,
    origin: float = 0.0,
    initial: str | int | npt.ArrayLike | None = None,
    level: float = 0.95,
    band: str = "plain",
) -> StateOccupation:
    """Return state-occupation probabilities after `origin`.

    Parameters
    ----------
    process
        Counting-process rows; delayed entry and any number of absorbing states are allowed.
    origin
        Start of the follow-up, e.g. a landmark day.
    initial
        State of everyone at `origin` (name or index), or their distribution over the states,
        both taken as known. By default the distribution among those under observation at
        `origin`, whose multinomial uncertainty is then carried forward.
    level, band
        Probability of the pointwise band; its scale, ``"plain"`` (clipped to [0, 1], as mstate)
        or ``"cloglog"`` (on log(−log(1 − p))).

    Raises
    ------
    CohortError
        If nobody is under observation at `origin` and no initial distribution is given, there is
        no row, or `initial` names no state.
    OptionError
        If `process` is none, or `origin`, `band`, `level` or `initial` is not allowed.

    Examples
    --------
    >>> process = competing_process([100, 200, 300], [1, 0, 2], causes=("relapse", "death"))
    >>> aalen_johansen(process).at(150.0).round(3)
    array([0.667, 0.333, 0.   ])
    """
    require_known(band, BANDS, "band")
    level, origin = require_level(level), as_day(origin, "origin")
    p0, c0 = initial_distribution(process, origin, initial)
    jumps = increments(process, origin=origin)
    probability = propagate(p0, jumps.hazard)
    size = len(process.states)
    # Σ_h π_h² cov(dA_h): what each event time adds to the covariance.
    shock = np.einsum("uh,uhjk->ujk", probability[:-1] ** 2, jumps.covariance())
    step = np.eye(size) + jumps.hazard
    covariance: Floats = np.empty((jumps.time.size + 1, size, size))
    covariance[0] = current = c0
    transposed = np.ascontiguousarray(step.transpose(0, 2, 1))
    for u in range(jumps.time.size):
        current = transposed[u] @ current @ step[u] + shock[u]
        covariance[u + 1] = current
    return StateOccupation(
        origin, np.concatenate([[origin], jumps.time]), probability, covariance, process.states,
        level, band, float(process.stop.max()), known_until(process, probability[-1]),
    )  # fmt: skip


def transition_probabilities(
    process: CountingProcess, origin: float, times: npt.ArrayLike, *, level: float = 0.95
) -> xr.Dataset:
    """Return P(origin, t), assuming that the process has no memory of its past (Markov).

    Returns
    -------
    Dataset
        ``probability``, ``standard_error``, ``lower``, ``upper`` (from_state, time, state).

    Raises
    ------
    CohortError, OptionError
        As `aalen_johansen`, and as its estimates for `times`.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> transition_probabilities(process, 0.0, [250.0]).sizes
    Frozen({'from_state': 2, 'time': 1, 'state': 2})
    """
    require_process(process)
    rows = [
        aalen_johansen(process, origin=origin, initial=h, level=level).dataset(times)
        for h in range(len(process.states))
    ]
    return xr.concat(rows, dim=pd.Index(process.states, name="from_state"))


def landmark_aalen_johansen(
    process: CountingProcess,
    landmark: float,
    state: str | int,
    *,
    level: float = 0.95,
    band: str = "plain",
) -> StateOccupation:
    """Return occupation after `landmark` among patients in `state` on that day.

    Right also where the process has a memory, because only those patients are used
    (Putter & Spitoni 2018); wider bands are the price.

    Raises
    ------
    CohortError
        If there is no such state, or nobody is in it on that day.
    OptionError
        As `aalen_johansen`; or if `landmark` is no finite number.

    Examples
    --------
    >>> process = CountingProcess(
    ...     start=[0, 0, 40], stop=[100, 40, 120], from_state=[0, 0, 1], to_state=[-1, 1, 2],
    ...     states=("well", "ill", "dead"), patient=["a", "b", "b"],
    ... )
    >>> landmark_aalen_johansen(process, 50.0, "ill").at(130.0)
    array([0., 0., 1.])
    """
    require_process(process)
    landmark = as_day(landmark, "landmark")
    start = process.state(state)
    here = process.present(landmark) & (process.from_state == start)
    if not here.any():
        raise CohortError(
            f"nobody is in state {process.states[start]!r} on day {landmark:g}. "
            "Choose an earlier landmark."
        )
    chosen = process.of_patients(process.patient[here]).since(landmark)
    return aalen_johansen(chosen, origin=landmark, initial=start, level=level, band=band)


def restricted_mean_time(
    process: CountingProcess,
    horizon: float,
    *,
    origin: float = 0.0,
    initial: str | int | npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the mean time in each state from `origin` to `horizon`, with standard errors.

    Returns
    -------
    DataFrame
        Columns ``state``, ``restricted_mean_time``, ``standard_error``; times add up to
        ``horizon - origin``.

    Raises
    ------
    CohortError
        As `aalen_johansen`.
    OptionError
        If the horizon is no day from the origin on, or nobody was followed so long and not all
        had reached an absorbing state.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> restricted_mean_time(process, 250).columns.tolist()
    ['state', 'restricted_mean_time', 'standard_error']
    """
    origin = as_day(origin, "origin")
    horizon = as_horizon(horizon, "restricted mean time", origin)
    p0, c0 = initial_distribution(process, origin, initial)
    jumps = increments(process, origin=origin)
    last = known_until(process, propagate(p0, jumps.hazard)[-1])
    require_known_until(np.array([horizon]), last, "restricted mean time")
    used = jumps.time <= horizon
    jumps = Increments(
        jumps.time[used], jumps.at_risk[used], jumps.events[used], jumps.hazard[used]
    )
    probability = propagate(p0, jumps.hazard)
    size = p0.size
    gaps = np.diff(np.concatenate([[origin], jumps.time, [horizon]]))
    mean = gaps @ probability
    shock = np.einsum("uh,uhjk->ujk", probability[:-1] ** 2, jumps.covariance())
    step = np.eye(size) + jumps.hazard
    # future[u] maps a disturbance of the probabilities just after jump u to the mean times.
    future = np.eye(size) * gaps[-1]
    variance = np.zeros((size, size))
    for u in range(jumps.time.size - 1, -1, -1):
        variance += future.T @ shock[u] @ future
        future = step[u] @ future + np.eye(size) * gaps[u]
    variance += future.T @ c0 @ future
    return pd.DataFrame(
        {
            "state": list(process.states),
            "restricted_mean_time": mean,
            "standard_error": np.sqrt(np.maximum(np.diagonal(variance), 0.0)),
        }
    )


def known_until(process: CountingProcess, probability: Floats) -> float:
    """Return the last day of which an estimate from the process speaks.

    Parameters
    ----------
    process
        Counting-process rows.
    probability
        Of each state after the last event. With nothing left outside the absorbing states, which
        nobody leaves, nothing can change any more.
    """
    final = np.isin(process.states, process.absorbing or ())
    left = float(probability[~final].sum())
    return float("inf") if left < _NOBODY else float(process.stop.max())


def propagate(p0: Floats, hazard: Floats) -> Floats:
    """Product integral: row u + 1 is p0 (I + dA_0) … (I + dA_u)."""
    probability = np.empty((hazard.shape[0] + 1, p0.size))
    current: Floats = p0
    probability[0] = p0
    for u in range(hazard.shape[0]):
        current = current + current @ hazard[u]
        probability[u + 1] = current
    return probability


def initial_distribution(
    process: CountingProcess, origin: float, initial: str | int | npt.ArrayLike | None
) -> tuple[Floats, Floats]:
    """Return the initial distribution and its covariance; see `aalen_johansen`."""
    require_process(process)
    size = len(process.states)
    if initial is None:
        here = process.from_state[process.present(origin)]
        if here.size == 0:
            raise CohortError(
                f"nobody is under observation on day {origin:g}; give the initial distribution."
            )
        p0 = np.bincount(here, minlength=size) / here.size
        return p0, (np.diag(p0) - np.outer(p0, p0)) / here.size
    if isinstance(initial, str | int | np.integer):
        p0 = np.zeros(size)
        p0[process.state(initial)] = 1.0
    else:
        try:
            p0 = as_numbers(initial, "initial distribution", "probability")
        except CohortError as error:
            raise OptionError(str(error)) from error
    if p0.shape != (size,) or not np.all(p0 >= 0) or not np.isclose(p0.sum(), 1.0):
        raise OptionError(f"the initial distribution must be {size} probabilities that sum to 1.")
    return p0, np.zeros((size, size))
