"""State-occupation probabilities over time, as the Aalen–Johansen estimator returns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.estimators.observed import as_horizons, require_known_until
from twinbayes.names import STATE, TIME
from twinbayes.showing import brief

BANDS: Final = ("plain", "cloglog")


@brief
@dataclass(frozen=True)
class StateOccupation:
    """State-occupation probabilities over time; right-continuous steps.

    Attributes
    ----------
    origin
        Time from which the process is followed.
    time
        `origin`, then the event times, shape (times,).
    probability, standard_error, lower, upper
        Shape (times, states); pointwise equal-tailed band of probability `level`.
    covariance
        Shape (times, states, states).
    states, level, band
        Names of the states; probability and scale of the band.
    last_observed
        Last time at which anyone was under observation.
    known_until
        Last time of which the estimate speaks: `last_observed`, or infinity where everybody had
        reached an absorbing state by then.

    Examples
    --------
    >>> process = competing_process([100, 200, 300], [1, 0, 2], causes=("relapse", "death"))
    >>> occupation = aalen_johansen(process)
    >>> occupation.states, occupation.known_until
    (('event_free', 'relapse', 'death'), inf)
    """

    origin: float
    time: Floats
    probability: Floats
    covariance: Floats
    states: tuple[str, ...]
    level: float
    band: str
    last_observed: float
    known_until: float

    @property
    def standard_error(self) -> Floats:
        """Square root of the diagonal of the covariance."""
        variance = np.diagonal(self.covariance, axis1=1, axis2=2)
        return np.sqrt(np.maximum(variance, 0.0))

    @property
    def lower(self) -> Floats:
        """Lower limit of the pointwise band."""
        return _limits(self.probability, self.standard_error, self.level, self.band)[0]

    @property
    def upper(self) -> Floats:
        """Upper limit of the pointwise band."""
        return _limits(self.probability, self.standard_error, self.level, self.band)[1]

    def at(self, times: npt.ArrayLike) -> Floats:
        """Return probabilities at the given times, shape (times, states).

        Raises
        ------
        OptionError
            If a time is no number, before the origin, or beyond `known_until`.
        """
        return self.probability[self._index(times)]

    def dataset(self, times: npt.ArrayLike) -> xr.Dataset:
        """Return ``probability``, ``standard_error``, ``lower``, ``upper`` (time, state).

        Raises
        ------
        OptionError
            As `at`.
        """
        days = as_horizons(times, "state occupation", self.origin)
        index = self._index(days)
        values = {
            "probability": self.probability[index],
            "standard_error": self.standard_error[index],
            "lower": self.lower[index],
            "upper": self.upper[index],
        }
        return xr.Dataset(
            {name: ((TIME, STATE), value) for name, value in values.items()},
            coords={TIME: days, STATE: list(self.states)},
            attrs={
                "interval_probability": self.level,
                "interval_kind": f"pointwise, {self.band}",
                "last_observed": self.last_observed,
            },
        )

    def _index(self, times: npt.ArrayLike) -> npt.NDArray[np.intp]:
        days = as_horizons(times, "state occupation", self.origin)
        require_known_until(days, self.known_until, "state occupation")
        return np.searchsorted(self.time, days.reshape(np.shape(times)), side="right") - 1


def _limits(p: Floats, standard_error: Floats, level: float, band: str) -> tuple[Floats, Floats]:
    z = float(norm.ppf(0.5 + level / 2))
    if band == "plain":
        half = z * standard_error
        return np.clip(p - half, 0.0, 1.0), np.clip(p + half, 0.0, 1.0)
    inside = (p > 0.0) & (p < 1.0)
    log_free = np.log1p(-np.where(inside, p, 0.5))
    half = z * standard_error / np.abs((1.0 - np.where(inside, p, 0.5)) * log_free)
    centre = np.log(-log_free)
    lower = np.where(inside, -np.expm1(-np.exp(centre - half)), p)
    upper = np.where(inside, -np.expm1(-np.exp(centre + half)), p)
    return lower, upper
