"""How far the draws of patients can be trusted, a row a patient, with what updates have shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from twinbayes.names import PATIENT
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.patients import Patients
from twinbayes.twin.weighting.trust import surprises


def trust_table(patients: Patients) -> pd.DataFrame:
    """One row a patient; see `Twin.reliability`."""
    surprising, n_draws = _surprises(patients), patients.population.n_draws
    longest = np.inf if patients.seen is None else patients.seen.longest
    rows = [
        patients.trust(i).row(
            surprising.get(patient, float("nan")),
            n_draws,
            is_beyond=patients.present[i].day > longest,
        )
        for i, patient in enumerate(patients.patient_ids)
    ]
    return pd.DataFrame(rows, index=pd.Index(patients.patient_ids, name=PATIENT))


def _surprises(patients: Patients) -> dict[str, float]:
    """Largest absolute z of the visits that updates have added, by patient."""
    out: dict[str, float] = {}
    change = patients.change
    while change is not None:
        before = change.before

        def curves_of(patient: str, before: Patients = before) -> PatientCurves:
            return before.curves(before.patient_ids.index(patient))

        for patient, z in surprises(before.learnt.curves, curves_of, change.visits).items():
            out[patient] = max(out.get(patient, 0.0), z)
        change = before.change
    return out
