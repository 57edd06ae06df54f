"""New rows joined with a cohort: in their place, checked, and nobody else's record moves."""

from __future__ import annotations

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.extending import extended, last_days
from twinbayes.errors import CohortError
from twinbayes.names import EVENTS, LAST_CONTACT, PATIENT_ID, TREATMENTS, VISITS

NO_ROWS = {
    VISITS: pd.DataFrame(columns=[PATIENT_ID, "day", "marker", "value", "censored"]),
    EVENTS: pd.DataFrame(columns=[PATIENT_ID, "day", "event", "day_lower"]),
    TREATMENTS: pd.DataFrame(columns=[PATIENT_ID, "start_day", "treatment"]),
}


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    whole = tb.datasets.registry()
    return whole.select(whole.patient_ids[:6]).until(50.0)


def visit(cohort: Cohort, day: float) -> pd.DataFrame:
    assert cohort.visits is not None
    row = cohort.visits.iloc[[0]][[PATIENT_ID, "marker", "value"]]
    return row.assign(day=day, censored="none")


def test_new_visits_join_their_patient_and_follow_up_closes_where_it_is_given(
    cohort: Cohort,
) -> None:
    rows = NO_ROWS | {VISITS: visit(cohort, 90.0)}
    patient = str(rows[VISITS][PATIENT_ID].iloc[0])
    after = extended(cohort, rows, {patient: (100.0, LAST_CONTACT)})
    assert after.visits is not None
    assert cohort.visits is not None
    assert len(after.visits) == len(cohort.visits) + 1
    mine = after.visits[after.visits[PATIENT_ID] == patient]
    assert mine["day"].is_monotonic_increasing
    assert mine["day"].iloc[-1] == 90.0
    assert last_days(after) == last_days(cohort) | {patient: 100.0}
    others = [p for p in cohort.patient_ids if p != patient]
    assert after.select(others).fingerprint == cohort.select(others).fingerprint
    assert after.patients is cohort.patients


def test_a_row_that_breaks_the_data_contract_is_refused_without_a_name(cohort: Cohort) -> None:
    rows = NO_ROWS | {VISITS: visit(cohort, 90.0).assign(censored="perhaps")}
    patient = str(rows[VISITS][PATIENT_ID].iloc[0])
    with pytest.raises(CohortError) as refused:
        extended(cohort, rows, {patient: (100.0, LAST_CONTACT)})
    assert patient not in str(refused.value)
