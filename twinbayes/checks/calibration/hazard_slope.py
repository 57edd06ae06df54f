"""Calibration slope from a Cox regression on the log predicted cumulative hazard."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.checks.calibration.cloglog import cloglog
from twinbayes.checks.scores.predictions import as_probabilities
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.observed import as_days, as_horizon, as_indicator, require_alike

_PLACE: Final = "hazard slope"
_SAME: Final = 1e-9  # log hazards closer than this are the same prediction
_MAX_STEPS: Final = 100


def hazard_slope(
    time: npt.ArrayLike, event: npt.ArrayLike, probability: npt.ArrayLike, horizon: float
) -> tuple[float, float]:
    """Return the calibration slope from a Cox regression up to the horizon, and its error.

    The hazard up to `horizon` is regressed on the log predicted cumulative hazard,
    log(−log(1 − p)). For one event without competing risks; more precise there than the slope of
    `calibration`, because the order of the events counts too. Ties as Breslow.

    Parameters
    ----------
    time, event
        Days of follow-up, and whether they ended in the event (True or 1, else False or 0), shape
        (patients,).
    probability
        Predicted probability of the event by the horizon, shape (patients,).
    horizon
        Day at which follow-up is cut.

    Raises
    ------
    CohortError
        If a time is no day, an event neither 0 nor 1, or the predictions do not match; or if there
        is no slope: no event by the horizon, the same prediction for all that were at risk then,
        or events exactly in the order of the predictions (separation: the slope that fits best is
        infinite).
    OptionError
        If the horizon is no day after the origin, or nobody was followed so long and the last
        follow-up was censored; or if a prediction is no probability.

    Examples
    --------
    >>> days, died = [100, 200, 300, 400], [1, 1, 1, 0]
    >>> slope, error = hazard_slope(days, died, [0.9, 0.5, 0.6, 0.1], 350)
    >>> slope > 0
    True
    """
    day, died = as_days(time, _PLACE, "time"), as_indicator(event, _PLACE)
    require_alike(_PLACE, time=day, event=died)
    p = as_probabilities(probability, day.size, 1)[:, 0]
    horizon = as_horizon(horizon, _PLACE)
    _require_followed(day, died, horizon)
    died = died & (day <= horizon)
    x = cloglog(p)
    order = np.argsort(-np.minimum(day, horizon), kind="stable")
    x, died, day = x[order], died[order], -np.minimum(day, horizon)[order]
    at_risk = np.searchsorted(day, day[died], side="right") - 1
    _require_slope(x, died, at_risk, horizon)
    scale = float(np.std(x))
    slope, error = _maximum((x - x.mean()) / scale, died, at_risk, scale)
    return slope / scale, error / scale


def _maximum(x: Floats, died: Bools, at_risk: Ints, begin: float) -> tuple[float, float]:
    """Slope on predictions of spread 1, and its error, by Newton's method with bounded steps."""
    slope = begin
    for _ in range(_MAX_STEPS):
        weight = np.exp(np.clip(slope * x, -50.0, 50.0))
        s0, s1, s2 = (np.cumsum(weight * x**k)[at_risk] for k in range(3))
        information = float(np.sum(s2 / s0 - (s1 / s0) ** 2))
        step = float(np.sum(x[died] - s1 / s0)) / information
        slope += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-10:
            return slope, information**-0.5
    raise CohortError(
        f"{_PLACE}: no slope was found in {_MAX_STEPS} steps; the predictions all but separate the "
        "events. Take more patients."
    )


def _require_followed(day: Floats, died: Bools, horizon: float) -> None:
    last = float(day.max())
    if horizon > last and not died[day == last].all():
        raise OptionError(
            f"{_PLACE}: nobody was followed until day {horizon:g}; the last day is {last:g}. "
            "Choose an earlier horizon."
        )


def _require_slope(x: Floats, died: Bools, at_risk: Ints, horizon: float) -> None:
    """Refuse data whose partial likelihood has no maximum."""
    if not died.any():
        raise CohortError(
            f"{_PLACE}: no event by day {horizon:g}, so there is no order to compare with. Choose "
            "a later horizon, or take more patients."
        )
    highest, lowest = (np.asarray(f.accumulate(x)[at_risk]) for f in (np.maximum, np.minimum))
    if np.all(highest - lowest < _SAME):
        raise CohortError(
            f"{_PLACE}: at every event all patients at risk have the same prediction, so there is "
            "no slope. Predict for each patient, or take more patients."
        )
    rising, falling = np.all(x[died] > highest - _SAME), np.all(x[died] < lowest + _SAME)
    if rising or falling:
        raise CohortError(
            f"{_PLACE}: separation: the {int(died.sum())} events come exactly in "
            f"{'the' if rising else 'the reverse'} order of the predictions, so the slope that "
            "fits best is infinite. Take more patients, or a later horizon."
        )
