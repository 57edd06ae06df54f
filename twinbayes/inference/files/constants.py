"""What a fit keeps beside its draws: window edges, subgroups, and the weights of patients."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError
from twinbayes.model import EventPlan
from twinbayes.names import (
    PATIENT,
    PATIENT_SUBGROUP,
    PATIENT_WEIGHT,
    SUBGROUP,
    TRANSITION,
    WINDOW,
    WINDOW_EDGE,
)


def checked_weights(weights: ArrayLike | None, n: int) -> np.ndarray:
    """One weight a patient, 1 by default; anything but finite numbers of at least 0 is refused."""
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    if weight.shape != (n,) or not np.all(np.isfinite(weight)) or np.any(weight < 0):
        raise OptionError(f"weights must be {n} finite numbers of at least 0, one a patient.")
    return weight


def constants(plan: EventPlan, cohort: Cohort, weight: np.ndarray) -> xr.Dataset:
    """Constants of the fit beside its draws: window edges, subgroups, weights."""
    width = max(len(e) for e in plan.edges)
    edges = np.full((len(plan.edges), width), np.inf)
    for row, some in zip(edges, plan.edges, strict=True):
        row[: len(some)] = some
    return xr.Dataset(
        {
            WINDOW_EDGE: ((TRANSITION, f"{WINDOW}_edge_number"), edges, {"units": "days"}),
            PATIENT_WEIGHT: (PATIENT, weight),
            PATIENT_SUBGROUP: (PATIENT, cohort.patients[SUBGROUP].astype(str).to_numpy(str)),
        },
        coords={PATIENT: list(cohort.patient_ids)},
    )
