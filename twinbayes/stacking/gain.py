"""The gain of a stack over the best of its members alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from twinbayes.arrays import Floats
from twinbayes.estimators import Estimate
from twinbayes.showing import brief

LEVEL: Final = 0.9


@brief
@dataclass(frozen=True)
class Gain:
    """Cross-validated score of the stack minus that of the best member alone.

    Attributes
    ----------
    best
        The member with the highest mean cross-validated score, of the same over all folds.
    value
        Mean log score of the stack, with weights learnt without the fold scored, minus that of
        `best`.
    standard_error, lower, upper
        Paired, and its interval of probability `level`.
    level
        Probability of the interval.
    clusters
        Patients, or the folds where these are groups such as centres.
    claimed
        Whether the interval lies above 0.

    Examples
    --------
    >>> str(Gain("curves", 0.01, 0.02, -0.023, 0.043, 0.9, 100, False))
    'none'
    """

    best: str
    value: float
    standard_error: float
    lower: float
    upper: float
    level: float
    clusters: int
    claimed: bool

    def __str__(self) -> str:
        return f"{self.value:+.4f}" if self.claimed else "none"


def clustered(
    estimate: Estimate, groups: npt.NDArray[Any] | None, level: float = LEVEL
) -> tuple[float, float, float, int]:
    """Return standard error, interval and number of clusters of a mean.

    Parameters
    ----------
    estimate
        With one influence a patient.
    groups
        (patient,) labels of what is drawn together; None: every patient by itself.

    Returns
    -------
    tuple
        Of few clusters the interval is that of Student's t with one degree of freedom fewer.
    """
    influence: Floats = estimate.influence
    if groups is not None:
        influence = np.asarray(pd.Series(influence).groupby(groups).sum(), dtype=np.float64)
    size = influence.size
    if size < 2:
        return float("nan"), float("-inf"), float("inf"), size
    spread = float(np.sqrt(size / (size - 1) * np.sum((influence - influence.mean()) ** 2)))
    half = float(student.ppf(0.5 + level / 2, size - 1)) * spread
    return spread, estimate.value - half, estimate.value + half, size
