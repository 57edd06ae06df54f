"""Per-patient log-likelihood of posterior draws, for leave-one-out checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from twinbayes.model import EventPlan
from twinbayes.model.events.acting import acting_effects
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.model.events.process import LOG_BASELINE_AT_EVENT
from twinbayes.names import (
    CENTRE,
    CHAIN,
    COVARIATE,
    DRAW,
    LOG_LIKELIHOOD,
    PATIENT,
    SUBGROUP,
    TRANSITION,
    WINDOW,
)


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
    encoding = plan.encoding
    index, values = plan.data.pack()
    n_chains, n_draws = posterior.sizes[CHAIN], posterior.sizes[DRAW]
    n_intensities = posterior.sizes[TRANSITION]

    def get(name: str, rows: int, dims: tuple[str, str]) -> np.ndarray:
        if name not in posterior:
            return np.zeros((n_chains, n_draws, rows, n_intensities))
        return posterior[name].transpose(CHAIN, DRAW, *dims).to_numpy()

    coef = np.concatenate(
        [
            get("beta", len(encoding.columns), (COVARIATE, TRANSITION)),
            get("subgroup_effect", len(encoding.subgroups), (SUBGROUP, TRANSITION)),
            get("centre_effect", len(encoding.centres), (CENTRE, TRANSITION)),
        ],
        axis=2,
    )
    dims = (CHAIN, DRAW, TRANSITION, WINDOW)
    on_average = posterior["log_baseline"].transpose(*dims).to_numpy()
    at_event = (
        posterior[LOG_BASELINE_AT_EVENT].transpose(*dims).to_numpy()
        if LOG_BASELINE_AT_EVENT in posterior
        else on_average
    )
    effect = acting_effects(posterior.transpose(CHAIN, DRAW, ...), len(encoding.subgroups))
    out = np.empty((n_chains, n_draws, plan.data.n_patients))
    ones = np.ones(plan.data.n_patients)
    spare = [np.empty(x.shape[2:]) for x in (at_event, on_average, coef, effect)]
    if trails is None:
        trails = np.zeros((n_chains, n_draws, 0))
    slope = np.empty(trails.shape[2])
    for c in range(n_chains):
        for d in range(n_draws):
            event_loglik(
                np.ascontiguousarray(at_event[c, d]),
                np.ascontiguousarray(on_average[c, d]),
                np.ascontiguousarray(coef[c, d]),
                np.ascontiguousarray(effect[c, d]),
                np.ascontiguousarray(trails[c, d]),
                ones,
                index,
                values,
                *spare,
                slope,
                out[c, d],
            )
    return _labelled(out, patient_ids)


def by_patient(
    posterior: xr.Dataset, patient_ids: tuple[str, ...], each: Sequence[np.ndarray]
) -> xr.DataArray:
    """Label log-likelihoods, one (chain and draw,) array a patient, as (chain, draw, patient)."""
    shape = (posterior.sizes[CHAIN], posterior.sizes[DRAW], len(patient_ids))
    return _labelled(np.stack(each, axis=-1).reshape(shape), patient_ids)


def _labelled(values: np.ndarray, patient_ids: tuple[str, ...]) -> xr.DataArray:
    coords = {PATIENT: list(patient_ids)}
    return xr.DataArray(values, coords, (CHAIN, DRAW, PATIENT), name=LOG_LIKELIHOOD)
