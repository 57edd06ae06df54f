"""Shares in the hazard of a patient at a landmark: what is later has none.

Under one flat hazard with a gamma posterior the share of a record in its logarithm is its time at
risk over the rate of the posterior: -Cov(log h, d - h e) = e Cov(log h, h) = e / rate.
"""

from __future__ import annotations

import numpy as np
import pytest

from flat_hazard import DIED, LOST, RATE, counted, without
from twinbayes.checks import patient_borrowing
from twinbayes.checks.borrowing.as_of import with_record
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR


@pytest.mark.parametrize("patient", [DIED, LOST])
@pytest.mark.parametrize("years", [0.0, 1.5, None])
def test_the_share_of_own_data_is_that_of_the_record_up_to_the_landmark(
    exact_fit: Fit, patient: str, years: float | None
) -> None:
    at = None if years is None else years * YEAR
    found = patient_borrowing(exact_fit, patient, at=at, draws=8000)
    own = float(exact_fit.cohort.select([patient]).events["day"].iloc[0]) / YEAR
    own = own if years is None else years
    rate = counted(without(exact_fit.cohort, patient))[1] + own
    row = found.table.iloc[0]
    assert row["own data"] == pytest.approx(own / rate, abs=0.002)
    others = counted(without(exact_fit.cohort, patient))[1] - RATE
    assert row["own subgroup"] == pytest.approx(others / rate, abs=0.02)
    if years == 0.0:
        assert row["own data"] == 0.0
    assert f"up to day {own * YEAR:g}" in found.text


def test_the_record_of_one_patient_is_replaced_in_place(exact_fit: Fit) -> None:
    cohort = exact_fit.cohort
    cut = with_record(cohort, cohort.select([LOST]).until(YEAR))
    assert cut.patient_ids == cohort.patient_ids
    assert list(cut.events["patient_id"]) == list(cohort.events["patient_id"])
    k = cohort.patient_ids.index(LOST)
    assert cut.events["day"].iloc[k] == YEAR
    rest = np.arange(cohort.n_patients) != k
    assert cut.events[rest].equals(cohort.events[rest])
