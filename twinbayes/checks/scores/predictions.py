"""Predictions from outside are checked once, here, before any score uses them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Floats
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.observed import as_numbers


def as_scores(values: npt.ArrayLike, n_patients: int, n_horizons: int) -> Floats:
    """Return finite scores as an array (patients, horizons).

    One score a patient serves every horizon.

    Raises
    ------
    CohortError
        If the shape does not fit, or a score is no number or not finite.
    """
    score = as_numbers(values, "predictions", "prediction", kinds="biuf")
    if score.ndim == 1:
        score = np.repeat(score[:, None], n_horizons, axis=1)
    if score.shape != (n_patients, n_horizons):
        raise CohortError(
            f"predictions have shape {np.shape(values)}, expected ({n_patients}, {n_horizons}): "
            "one a patient, in the order of `process.patients`, and one a horizon."
        )
    bad = ~np.isfinite(score)
    if bad.any():
        raise CohortError(
            f"{int(bad.sum())} predictions are not finite. Predict for every patient."
        )
    return score


def as_probabilities(values: npt.ArrayLike, n_patients: int, n_horizons: int) -> Floats:
    """Return probabilities as an array (patients, horizons).

    Raises
    ------
    CohortError
        As `as_scores`.
    OptionError
        If a value lies outside [0, 1] by more than rounding.
    """
    p = as_scores(values, n_patients, n_horizons)
    # Sums of posterior means may leave the unit interval by rounding.
    outside = (p < -1e-9) | (p > 1 + 1e-9)
    if outside.any():
        raise OptionError(f"{int(outside.sum())} predictions are not probabilities in [0, 1].")
    return np.clip(p, 0.0, 1.0)
