"""Kaplan–Meier and reverse Kaplan–Meier curves with Greenwood bands and restricted means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.errors import require_known, require_level
from twinbayes.estimators.observed import (
    as_days,
    as_entry,
    as_horizon,
    as_horizons,
    as_indicator,
    as_times,
    require_alike,
    require_known_until,
)
from twinbayes.showing import brief

BANDS: Final = ("log-log", "plain")
_PLACE: Final = "survival times"


@brief
@dataclass(frozen=True)
class SurvivalCurve:
    """A right-continuous survival curve that steps at `time`.

    Attributes
    ----------
    time
        Distinct times of events or censoring, increasing.
    n_risk, n_event
        At risk just before, and events at, each time.
    survival, standard_error, lower, upper
        Just after each time; pointwise equal-tailed band of probability `level`.
    level, band
        Probability and scale of the band: ``"log-log"`` or ``"plain"`` (clipped to [0, 1]).

    Examples
    --------
    >>> curve = kaplan_meier([100, 200, 300, 400], [1, 0, 1, 0])
    >>> curve.quantile(0.5)
    300.0
    """

    time: Floats
    n_risk: Ints
    n_event: Ints
    survival: Floats
    standard_error: Floats
    lower: Floats
    upper: Floats
    level: float
    band: str

    @property
    def known_until(self) -> float:
        """Last day of the curve: that of the longest follow-up, or none where the curve is at 0."""
        return float("inf") if self.survival[-1] == 0.0 else float(self.time[-1])

    def at(self, times: npt.ArrayLike) -> Floats:
        """Return S(t) at the given times, 1 before the first step.

        Raises
        ------
        OptionError
            If a time is no number, or beyond `known_until`.
        """
        return self._step(self.survival, times, 1.0)

    def before(self, times: npt.ArrayLike) -> Floats:
        """Return the left limit S(t−) at the given times; errors as `at`."""
        return self._step(self.survival, times, 1.0, side="left")

    def table(self, times: npt.ArrayLike) -> pd.DataFrame:
        """Return survival, standard error and band at the given times, and the number at risk.

        Raises
        ------
        OptionError
            If a time lies before day 0 or beyond `known_until`.
        """
        days = as_horizons(times, "survival curve")
        later = np.searchsorted(self.time, days, side="left")
        risk = np.append(self.n_risk, 0)[later]
        return pd.DataFrame(
            {
                "time": days,
                "n_risk": risk,
                "survival": self.at(days),
                "standard_error": self._step(self.standard_error, days, 0.0),
                "lower": self._step(self.lower, days, 1.0),
                "upper": self._step(self.upper, days, 1.0),
            }
        )

    def quantile(self, probability: float = 0.5) -> float:
        """Return the first time at which 1 − S(t) ≥ `probability`; NaN if it is not reached.

        Raises
        ------
        OptionError
            If `probability` is not between 0 and 1.
        """
        probability = require_level(probability, "quantile:")
        # The product of many factors may miss an exact half by rounding.
        reached = self.survival <= 1.0 - probability + 1e-12
        return float(self.time[np.argmax(reached)]) if reached.any() else float("nan")

    def restricted_mean(self, horizon: float) -> tuple[float, float]:
        """Return the area under the curve up to `horizon`, and its Greenwood standard error.

        Raises
        ------
        OptionError
            If `horizon` is no day after day 0, or is beyond `known_until`.
        """
        horizon = as_horizon(horizon, "restricted mean")
        require_known_until(np.array([horizon]), self.known_until, "restricted mean")
        events = (self.n_event > 0) & (self.time <= horizon)
        steps = np.concatenate([[0.0], self.time[events], [horizon]])
        heights = np.concatenate([[1.0], self.survival[events]])
        areas = heights * np.diff(steps)
        remaining = np.cumsum(areas[::-1])[::-1][1:]
        d, n = self.n_event[events].astype(float), self.n_risk[events].astype(float)
        # Where all at risk fail nothing remains, so the infinite term has weight zero.
        terms = np.divide(d, n * (n - d), out=np.zeros_like(d), where=n > d)
        return float(areas.sum()), float(np.sqrt(np.sum(remaining**2 * terms)))

    def _step(
        self, values: Floats, times: npt.ArrayLike, first: float, side: str = "right"
    ) -> Floats:
        days = as_times(times, "survival curve")
        require_known_until(days, self.known_until, "survival curve")
        if side == "right":
            index = np.searchsorted(self.time, days, side="right")
        else:
            index = np.searchsorted(self.time, days, side="left")
        return np.asarray(np.concatenate([[first], values])[index], dtype=np.float64)


def kaplan_meier(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    level: float = 0.95,
    band: str = "log-log",
) -> SurvivalCurve:
    """Return the Kaplan–Meier curve of right-censored times, with delayed entry if given.

    Parameters
    ----------
    time, event
        Days of follow-up, and whether they ended in the event: True or 1, else False or 0.
    entry
        Day from which each patient is at risk; 0 if not given.
    level, band
        Probability of the pointwise band and its scale, ``"log-log"`` or ``"plain"``.

    Raises
    ------
    CohortError
        If lengths differ; a time is no number, not finite, negative or not after entry; or an
        event is neither 0 nor 1 (False nor True).
    OptionError
        If `band` or `level` is not allowed.

    Examples
    --------
    >>> curve = kaplan_meier([100, 200, 300, 400], [1, 0, 1, 0])
    >>> [float(curve.at(day)) for day in (100, 300)]
    [0.75, 0.375]
    """
    stop, died, start = _checked(time, event, entry)
    return _curve(stop, died, start, level, band)


def reverse_kaplan_meier(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    *,
    entry: npt.ArrayLike | None = None,
    level: float = 0.95,
    band: str = "log-log",
) -> SurvivalCurve:
    """Return the curve of remaining uncensored: potential follow-up (Schemper & Smith 1996).

    An event and a censoring on the same day count as event first, so the patient with the event
    is no longer at risk of being censored. Parameters and errors as for `kaplan_meier`.

    Examples
    --------
    >>> reverse_kaplan_meier([100, 200, 300, 400], [1, 0, 1, 0]).quantile(0.5)
    400.0
    """
    stop, died, start = _checked(time, event, entry)
    return _curve(stop, ~died, start, level, band, gone_first=died)


def _checked(
    time: npt.ArrayLike, event: npt.ArrayLike, entry: npt.ArrayLike | None
) -> tuple[Floats, Bools, Floats]:
    stop, died = as_days(time, _PLACE, "time"), as_indicator(event, _PLACE)
    require_alike(_PLACE, time=stop, event=died)
    if entry is None:
        # A patient with an event on day 0 is at risk on day 0, so entry is just before it.
        return stop, died, np.full(stop.shape, -np.inf)
    return stop, died, as_entry(entry, stop, _PLACE)


def _curve(
    stop: Floats,
    counted: Bools,
    start: Floats,
    level: float,
    band: str,
    *,
    gone_first: Bools | None = None,
) -> SurvivalCurve:
    require_known(band, BANDS, "band")
    level = require_level(level)
    days, position = np.unique(stop, return_inverse=True)
    n_event = np.bincount(position[counted], minlength=days.size)
    at_risk = stop.size - np.searchsorted(np.sort(stop), days, side="left")
    at_risk = at_risk - (start.size - np.searchsorted(np.sort(start), days, side="left"))
    if gone_first is not None:
        at_risk = at_risk - np.bincount(position[gone_first], minlength=days.size)
    d, n = n_event.astype(np.float64), at_risk.astype(np.float64)
    survival = np.cumprod(np.where(n_event > 0, 1.0 - d / np.maximum(n, 1.0), 1.0))
    terms = np.divide(d, n * (n - d), out=np.zeros_like(d), where=n > d)
    greenwood = np.sqrt(np.cumsum(terms))
    z = float(norm.ppf(0.5 + level / 2))
    standard_error = survival * greenwood
    lower, upper = _band(survival, greenwood, z, band)
    return SurvivalCurve(
        days, np.asarray(at_risk, dtype=np.int64), np.asarray(n_event, dtype=np.int64), survival,
        standard_error, lower, upper, level, band,
    )  # fmt: skip


def _band(survival: Floats, greenwood: Floats, z: float, band: str) -> tuple[Floats, Floats]:
    """Limits from the standard error of log S(t), which Greenwood's sum is the square of."""
    if band == "plain":
        half = z * survival * greenwood
        return np.clip(survival - half, 0.0, 1.0), np.clip(survival + half, 0.0, 1.0)
    inside = (survival > 0.0) & (survival < 1.0)
    log_s = np.log(np.where(inside, survival, 0.5))
    centre, half = np.log(-log_s), z * greenwood / np.abs(log_s)
    lower = np.where(inside, np.exp(-np.exp(centre + half)), survival)
    upper = np.where(inside, np.exp(-np.exp(centre - half)), survival)
    return lower, upper
