"""Per-patient log-likelihood of posterior draws, for leave-one-out checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from twinbayes.model import EventPlan
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import log_likelihood
from twinbayes.names import CHAIN, DRAW, LOG_LIKELIHOOD, PATIENT


def patient_loglik(
    posterior: xr.Dataset,
    plan: EventPlan,
    patient_ids: tuple[str, ...],
    trails: np.ndarray | None = None,
) -> xr.DataArray:
    """Evaluate the event likelihood of each patient at each draw.

    Parameters
    ----------
    posterior
        Draws of what hazards depend on.
    plan, patient_ids
        Rows at risk, and whose they are.
    trails
        (chain, draw, point) what the patients' curves add to their log hazards at `plan.points`;
        None where hazards follow no curve.

    Returns
    -------
    DataArray
        (chain, draw, patient).
    """
    draws = EventDraws.from_posterior(posterior, plan.encoding)
    together = None if trails is None else trails.reshape(draws.n_draws, -1)
    return _labelled(log_likelihood(draws, plan.data, together), posterior, patient_ids)


def by_patient(
    posterior: xr.Dataset, patient_ids: tuple[str, ...], each: Sequence[np.ndarray]
) -> xr.DataArray:
    """Label log-likelihoods, one (chain and draw,) array a patient, as (chain, draw, patient)."""
    return _labelled(np.stack(each, axis=-1), posterior, patient_ids)


def _labelled(
    values: np.ndarray, posterior: xr.Dataset, patient_ids: tuple[str, ...]
) -> xr.DataArray:
    """(chain and draw, patient) values with the draws of each chain apart."""
    shape = (posterior.sizes[CHAIN], posterior.sizes[DRAW], len(patient_ids))
    coords = {PATIENT: list(patient_ids)}
    return xr.DataArray(values.reshape(shape), coords, (CHAIN, DRAW, PATIENT), name=LOG_LIKELIHOOD)
