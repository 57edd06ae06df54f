"""Patients who are made up for a description keep the data contract."""

from __future__ import annotations

import pytest

import twinbayes as tb
from twinbayes.diseases.synthetic import synthetic_cohort


@pytest.mark.parametrize("n_patients", range(50, 91, 10))
def test_a_made_up_patient_has_one_visit_a_day_however_short_the_record(n_patients: int) -> None:
    cohort = synthetic_cohort(tb.disease("pbc"), n_patients=n_patients)
    assert cohort.n_patients == n_patients
    assert cohort.visits is not None
    assert not cohort.visits.duplicated(["patient_id", "day", "marker"]).any()
    last = cohort.events.groupby("patient_id")["day"].max()
    assert (cohort.visits["day"] <= cohort.visits["patient_id"].map(last)).all()
