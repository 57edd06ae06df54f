"""A number with its influence function, so that intervals and paired differences come free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.stats import norm

from twinbayes.arrays import Floats
from twinbayes.errors import CohortError, OptionError, is_number, require_level
from twinbayes.estimators.observed import as_numbers

_MOST: Final = 10**9  # patients


@dataclass(frozen=True)
class Estimate:
    """An estimate and how each patient moves it.

    Attributes
    ----------
    value
        The estimate.
    influence
        Shape (patients,): ``value − truth ≈ sum(influence)``, so the variance is the sum of
        squares. NaN where the estimate is not defined.
    low, high
        Bounds of the possible values, to which the interval is clipped.

    Raises
    ------
    OptionError
        If the estimate or a bound is no number, or the influences are not one number a patient.

    Examples
    --------
    >>> rate = mean_count([10, 10], [0, 0], [0, 0], [2, 5], times=[10])[0]
    >>> rate.value, round(rate.standard_error, 3)
    (1.0, 0.707)
    """

    value: float
    influence: Floats = field(repr=False)
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            if not is_number(getattr(self, name)):
                raise OptionError(f"estimate: '{name}' is no number. NaN stands for undefined.")
        try:
            influence = as_numbers(self.influence, "estimate", "influence")
        except CohortError as error:
            raise OptionError(str(error)) from error
        if influence.ndim != 1:
            raise OptionError(
                f"estimate: influences have shape {influence.shape}, not (patients,)."
            )
        object.__setattr__(self, "influence", influence)

    @classmethod
    def undefined(cls, n_patients: int) -> Estimate:
        """Return the estimate of a quantity that these patients do not define.

        Raises
        ------
        OptionError
            If `n_patients` is no number of patients.
        """
        whole = isinstance(n_patients, int | np.integer) and not isinstance(n_patients, bool)
        if not whole or not 0 <= n_patients < _MOST:
            raise OptionError("estimate: n_patients must be a whole number, 0 or more.")
        return cls(float("nan"), np.full(n_patients, np.nan))

    @property
    def standard_error(self) -> float:
        """Square root of the sum of squared influences about their mean; NaN of nobody."""
        if not self.influence.size:
            return float("nan")
        centred = self.influence - self.influence.mean()
        return float(np.sqrt(np.sum(centred**2)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal (Wald) interval of probability `level`, clipped to the bounds.

        Raises
        ------
        OptionError
            If `level` is not a probability between 0 and 1.
        """
        level = require_level(level)
        if not np.isfinite(self.value):
            return float("nan"), float("nan")
        half = float(norm.ppf(0.5 + level / 2)) * self.standard_error
        return max(self.low, self.value - half), min(self.high, self.value + half)

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference to an estimate from the same patients in the same order.

        Raises
        ------
        OptionError
            If `other` is no estimate, or of other patients.
        """
        if not isinstance(other, Estimate) or other.influence.shape != self.influence.shape:
            raise OptionError("a paired difference needs two estimates from the same patients.")
        return Estimate(
            self.value - other.value,
            self.influence - other.influence,
            self.low - other.high,
            self.high - other.low,
        )

    def row(self, level: float = 0.95) -> dict[str, Any]:
        """Return ``value, standard_error, lower, upper`` for a table."""
        lower, upper = self.interval(level)
        return {
            "value": self.value,
            "standard_error": self.standard_error,
            "lower": lower,
            "upper": upper,
        }
