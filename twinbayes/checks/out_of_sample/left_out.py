"""Predictions for each patient as if their own record had not been seen, without another fit."""

from __future__ import annotations

import numpy as np
import xarray as xr

from twinbayes.arrays import Floats
from twinbayes.errors import CohortError
from twinbayes.names import CHAIN, DRAW, PATIENT, SAMPLE

_FEWEST = 100  # draws, below which the tail of the weights has no shape


def left_out_predictions(
    predicted: xr.DataArray, log_likelihood: xr.DataArray
) -> tuple[xr.DataArray, Floats]:
    """Weight the draws of each patient's prediction by what leaves that patient out.

    Pareto-smoothed importance sampling (Vehtari et al. 2024, JMLR 25(72)): the weight of a draw is
    the inverse of the patient's likelihood under it. Nothing is fitted again.

    Parameters
    ----------
    predicted
        Of each patient under each draw, dims ``patient``, ``sample`` and any others; samples in
        the order of chains, and of draws within them.
    log_likelihood
        Dims ``chain, draw, patient``: of everything that the fit has seen of each patient, under
        the same draws.

    Returns
    -------
    predictions : DataArray
        Means over draws, dims of `predicted` without ``sample``.
    pareto_k : ndarray
        (patient,) shapes of the tails of weights. Above 0.7 the patient's own record still counts.

    Raises
    ------
    CohortError
        If patients or draws of the two differ, or draws are fewer than 100.
    """
    from arviz_stats.base.array import array_stats  # slow to import

    values = log_likelihood.stack({SAMPLE: (CHAIN, DRAW)}).transpose(PATIENT, SAMPLE)
    patients = predicted[PATIENT].to_numpy()
    if set(patients.tolist()) - set(values[PATIENT].to_numpy().tolist()):
        raise CohortError("Predictions and log-likelihood are not of the same patients.")
    own = values.sel({PATIENT: patients}).to_numpy().astype(np.float64)
    if own.shape[1] != predicted.sizes[SAMPLE] or own.shape[1] < _FEWEST:
        raise CohortError(
            f"{predicted.sizes[SAMPLE]} draws of predictions and {own.shape[1]} of the likelihood: "
            f"give the same, {_FEWEST} or more."
        )
    weights, shapes = np.empty_like(own), np.zeros(len(own))
    for i, row in enumerate(own):
        if np.ptp(row) == 0.0:  # nothing was seen of them that any parameter moves
            weights[i] = 1.0 / row.size
            continue
        # What is given is the negative of a log weight: here, of the inverse of a likelihood.
        smooth, k = array_stats.psislw(row - row.max())  # type: ignore[no-untyped-call]
        weight = np.exp(smooth - np.max(smooth))
        weights[i], shapes[i] = weight / weight.sum(), float(k)
    by_draw = xr.DataArray(weights, dims=(PATIENT, SAMPLE))
    plain = predicted.drop_vars(SAMPLE, errors="ignore")
    return (plain * by_draw).sum(SAMPLE), shapes
