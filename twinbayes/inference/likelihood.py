"""Per-patient log-likelihood of posterior draws, for leave-one-out checks."""

from __future__ import annotations

import numpy as np
import xarray as xr

from twinbayes.model import EventPlan
from twinbayes.model.event_kernel import event_loglik
from twinbayes.names import (
    CENTRE,
    CHAIN,
    COVARIATE,
    DRAW,
    EFFECT,
    PATIENT,
    SUBGROUP,
    TRANSITION,
    WINDOW,
)


def patient_loglik(
    posterior: xr.Dataset, plan: EventPlan, patient_ids: tuple[str, ...]
) -> xr.DataArray:
    """Evaluate the event likelihood of each patient at each draw.

    Piecewise-constant and spline baselines only: their log hazard at an event is the window's.

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
    baseline = posterior["log_baseline"].transpose(CHAIN, DRAW, TRANSITION, WINDOW).to_numpy()
    effect = (
        posterior["treatment_subgroup_effect"].transpose(CHAIN, DRAW, EFFECT, SUBGROUP).to_numpy()
        if "treatment_subgroup_effect" in posterior
        else np.zeros((n_chains, n_draws, 0, len(encoding.subgroups)))
    )
    out = np.empty((n_chains, n_draws, plan.data.n_patients))
    ones = np.ones(plan.data.n_patients)
    spare = [np.empty(x.shape[2:]) for x in (baseline, baseline, coef, effect)]
    for c in range(n_chains):
        for d in range(n_draws):
            level = np.ascontiguousarray(baseline[c, d])
            event_loglik(
                level,
                level,
                np.ascontiguousarray(coef[c, d]),
                np.ascontiguousarray(effect[c, d]),
                ones,
                index,
                values,
                *spare,
                out[c, d],
            )
    return xr.DataArray(
        out, dims=(CHAIN, DRAW, PATIENT), coords={PATIENT: list(patient_ids)}, name="log_likelihood"
    )
