"""Visits of a fit's patients, and what the model would have measured at them."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from twinbayes.checks.calibration.visual_predictive import PredictedVisits
from twinbayes.inference import Fit
from twinbayes.names import CHAIN, DAY, DRAW, PATIENT_ID, POSTERIOR, SUBGROUP

_DRAWS: Final = 200  # replicated measurements of each visit


def replicated_visits(fit: Fit, draws: int = _DRAWS) -> tuple[PredictedVisits, ...]:
    """Visits of every marker, each with measurements drawn given all visits of the patient."""
    cohort, learnt = fit.cohort, fit.learnt.curves
    if learnt is None or cohort.visits is None:
        return ()
    total = fit.datatree[POSTERIOR].sizes[CHAIN] * fit.datatree[POSTERIOR].sizes[DRAW]
    twin = fit.twin(draws=min(draws, total))
    subgroup = cohort.patients.set_index(PATIENT_ID)[SUBGROUP]
    known = cohort.visits.groupby("marker")
    parts: dict[str, list[np.ndarray]] = {m.marker: [] for m in learnt.markers}
    tables: dict[str, list[pd.DataFrame]] = {m.marker: [] for m in learnt.markers}
    by_patient = {m: dict(list(known.get_group(m).groupby(PATIENT_ID))) for m in parts}
    for i, patient in enumerate(cohort.patient_ids):
        if not any(patient in some for some in by_patient.values()):
            continue
        curves = twin.curves(i)
        for marker, some in by_patient.items():
            if patient in some:
                mine = some[patient]
                tables[marker].append(mine)
                parts[marker].append(curves.measured(marker, mine[DAY].to_numpy(dtype=float)))
    out = []
    for marker, parts_of in tables.items():
        rows = pd.concat(parts_of)
        out.append(
            PredictedVisits(
                marker=marker,
                day=rows[DAY].to_numpy(dtype=np.float64),
                value=rows["value"].to_numpy(dtype=np.float64),
                censored=rows["censored"].fillna("none").to_numpy(dtype=str),
                subgroup=subgroup.loc[rows[PATIENT_ID]].to_numpy(),
                replicated=np.concatenate(parts[marker]),
            )
        )
    return tuple(out)
