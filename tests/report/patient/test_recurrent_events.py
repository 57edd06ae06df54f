"""A patient's report where events recur: numbers to be expected, and no end that is not there."""

from __future__ import annotations

import numpy as np
import pytest

from recurrent import cohort_of, fit_of, spec_of
from twinbayes.checks import patient_borrowing
from twinbayes.errors import OptionError
from twinbayes.report.patient import sections
from twinbayes.report.patient.evidence import PatientEvidence, collect_patient


def evidence_of(*, dies: bool) -> PatientEvidence:
    fit = fit_of(spec_of(dies=dies), cohort_of(dies=dies))
    return collect_patient(fit, "p01", at=200.0, until=365.25)


@pytest.fixture(scope="module")
def endless() -> PatientEvidence:
    return evidence_of(dies=False)


@pytest.fixture(scope="module")
def mortal() -> PatientEvidence:
    return evidence_of(dies=True)


def test_a_model_without_an_end_speaks_of_none(endless: PatientEvidence) -> None:
    read = sections.read_aloud(endless).html
    assert "free of this event" not in read
    assert "alive" not in read
    assert "Death is not in the model." in read
    assert "infection is to be expected" in read
    assert "times on average" in read
    table = sections.forecast(endless).html
    assert "infection, times expected" in table
    assert "freedom" not in table
    assert sections.counts_picture(endless) is not None


def test_numbers_are_those_of_the_forecast(mortal: PatientEvidence) -> None:
    one = mortal.forecast.isel(patient=0).sel(recurrent_event="infection")
    found = mortal.counts["infection"]
    np.testing.assert_array_equal(found["mean"], one["expected_events"])
    np.testing.assert_array_equal(found["upper"], one["expected_events_upper"])
    last = one.isel(time=-1)
    said = f"{float(last['expected_events']):.1f} ({float(last['expected_events_lower']):.1f} to "
    assert said in sections.read_aloud(mortal).html
    assert said in sections.forecast(mortal).html
    assert "would be alive" in sections.read_aloud(mortal).html


@pytest.mark.parametrize("which", ["endless", "mortal"])
def test_two_ways_of_treating_are_compared_by_events(
    which: str, request: pytest.FixtureRequest
) -> None:
    evidence: PatientEvidence = request.getfixturevalue(which)
    assert evidence.contrast is not None
    shown = sections.contrast(evidence).html
    at = evidence.contrast.isel(patient=0, time=-1).sel(recurrent_event="infection")
    assert f"{float(at['expected_events_difference']):.1f} (" in shown
    assert "Expected number of events" in shown
    assert ("hundred people" in shown) is (which == "mortal")


def test_shares_of_one_patient_are_refused_with_a_frailty(endless: PatientEvidence) -> None:
    with pytest.raises(OptionError, match="have a frailty"):
        patient_borrowing(endless.fit, "p01")
    assert "NOT PROVIDED" in sections.rests_on(endless).html
