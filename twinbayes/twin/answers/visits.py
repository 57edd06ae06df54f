"""Visits of patients, and what the model would have measured at them instead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from twinbayes.arrays import Floats
from twinbayes.names import DAY, MARKER, PATIENT_ID
from twinbayes.twin.patients import Patients


def replicated_measurements(patients: Patients) -> dict[str, tuple[pd.DataFrame, Floats]]:
    """Measurements drawn on the days of all visits, given all visits of the patient.

    Returns
    -------
    dict
        Marker -> its rows of the cohort's visits, patient by patient, and measurements, errors
        included, (visit, draw), on the marker's own scale. Markers without a visit are left out.
    """
    cohort, learnt = patients.cohort, patients.learnt.curves
    if learnt is None or cohort.visits is None:
        return {}
    markers = [m.marker for m in learnt.markers]
    rows: dict[str, list[pd.DataFrame]] = {m: [] for m in markers}
    drawn: dict[str, list[Floats]] = {m: [] for m in markers}
    known = cohort.visits[cohort.visits[MARKER].isin(markers)]
    by_patient = {str(p): some for p, some in known.groupby(PATIENT_ID, sort=False)}
    for i, patient in enumerate(patients.patient_ids):
        if patient not in by_patient:
            continue
        curves = patients.curves(i)
        for marker, mine in by_patient[patient].groupby(MARKER, sort=False):
            rows[str(marker)].append(mine)
            days = mine[DAY].to_numpy(dtype=float)
            drawn[str(marker)].append(curves.measured(str(marker), days))
    return {m: (pd.concat(rows[m]), np.concatenate(drawn[m])) for m in markers if rows[m]}
