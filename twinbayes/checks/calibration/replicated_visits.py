"""Visits of a fit's patients, and what the model would have measured at them."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.checks.calibration.visual_predictive import PredictedVisits
from twinbayes.inference import Fit
from twinbayes.names import CENSORED, CHAIN, DAY, DRAW, PATIENT_ID, POSTERIOR, SUBGROUP, VISIT_VALUE
from twinbayes.twin.answers.visits import replicated_measurements

_DRAWS: Final = 200  # replicated measurements of each visit


def replicated_visits(fit: Fit, draws: int = _DRAWS) -> tuple[PredictedVisits, ...]:
    """Visits of every marker, each with measurements drawn given all visits of the patient."""
    sizes = fit.datatree[POSTERIOR].sizes
    twin = fit.twin(draws=min(draws, sizes[CHAIN] * sizes[DRAW]))
    subgroup = fit.cohort.patients.set_index(PATIENT_ID)[SUBGROUP]
    return tuple(
        PredictedVisits(
            marker=marker,
            day=rows[DAY].to_numpy(dtype=np.float64),
            value=rows[VISIT_VALUE].to_numpy(dtype=np.float64),
            censored=rows[CENSORED].fillna("none").to_numpy(dtype=str),
            subgroup=subgroup.loc[rows[PATIENT_ID]].to_numpy(),
            replicated=replicated,
        )
        for marker, (rows, replicated) in replicated_measurements(twin).items()
    )
