"""Where people would be under two ways of treating, in sentences and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from twinbayes.inference import Fit
from twinbayes.model.courses.reporting import Reporting
from twinbayes.report import collect_patient
from twinbayes.report.effect_lines import effect_lines
from twinbayes.report.patient.evidence import PatientEvidence
from twinbayes.report.patient.notes import replaced_scenarios
from twinbayes.report.patient.sections import verdict
from twinbayes.report.patient.state_differences import (
    people_under,
    state_differences,
    state_sentences,
)

TRANSPLANT = "allogeneic_transplant"


@pytest.fixture(scope="module")
def evidence(registry_fit: Fit) -> PatientEvidence:
    return collect_patient(registry_fit, registry_fit.cohort.patient_ids[0], at=0.0)


def moved(evidence: PatientEvidence, low: float, high: float) -> PatientEvidence:
    """With these ends of the interval of every difference of states."""
    assert evidence.contrast is not None
    contrast = evidence.contrast.copy()
    for side, value in (("lower", low), ("upper", high)):
        name = f"state_probability_difference_{side}"
        contrast[name] = contrast[name] * 0.0 + value
    return replace(evidence, contrast=contrast)


def test_people_under_each_way_are_those_of_the_forecasts(evidence: PatientEvidence) -> None:
    assert evidence.under is not None
    day = evidence.main_horizon
    for people, under in zip(people_under(evidence, day), evidence.under, strict=True):
        assert sum(people.values()) == 100
        shares = under["state_probability"].isel(patient=0).sel(time=day, method="nearest")
        for state, n in people.items():
            assert abs(n - 100 * float(shares.sel(state=state))) < 1.6


def test_a_difference_that_leaves_out_none_is_said_and_another_is_not(
    evidence: PatientEvidence,
) -> None:
    clear = " ".join(state_sentences(moved(evidence, 0.02, 0.26)))
    a, b = people_under(evidence, evidence.main_horizon)
    assert f"remission: about {a['remission']} against {b['remission']}" in clear
    assert "from 2 more to 26 more" in clear
    unclear = " ".join(state_sentences(moved(evidence, -0.02, 0.26)))
    assert "Nor do they settle" in unclear
    assert "against" not in unclear


def test_every_state_and_horizon_has_its_difference_with_an_interval(
    evidence: PatientEvidence,
) -> None:
    found = state_differences(moved(evidence, -0.05, 0.1), "one", "other")
    assert found is not None
    assert found.html.count("(−5 to +10)") == len(evidence.horizons) * len(evidence.look.stacked)


def test_scenarios_of_the_disease_that_are_replaced_are_named(registry_fit: Fit) -> None:
    late = (f"{TRANSPLANT} on day 10 in remission", f"no {TRANSPLANT}")
    told = replace(
        registry_fit, spec=replace(registry_fit.spec, reporting=Reporting(scenarios=late))
    )
    patient = told.cohort.patient_ids[0]
    note = replaced_scenarios(collect_patient(told, patient, at=30.0))
    assert note is not None
    assert late[0] in note.html
    assert replaced_scenarios(collect_patient(told, patient, at=0.0)) is None


def test_the_page_says_what_the_model_was_told_of_the_person(evidence: PatientEvidence) -> None:
    row = evidence.twin.cohort.covariates().iloc[0]
    shown = verdict(evidence).html
    assert f"{row['age_years']:g}" in shown
    assert "age years" in shown


def test_an_effect_is_told_with_the_risk_under_each_way() -> None:
    import xarray as xr

    numbers: dict[str, Any] = {
        "risk_a": (0.25, 0.18, 0.33), "risk_b": (0.38, 0.32, 0.44),
        "risk_difference": (-0.13, -0.22, -0.03),
    }  # fmt: skip
    effect = xr.Dataset(
        {
            f"overall_{name}{side}": ("time", [value])
            for name, values in numbers.items()
            for side, value in zip(("", "_lower", "_upper"), values, strict=True)
        },
        attrs={
            "summary": "risk_difference", "interval_probability": 0.9,
            "interval_kind": "equal-tailed", "scenario_a": "drug", "scenario_b": "no drug",
            "support": "supported",
        },
    )  # fmt: skip
    assert effect_lines(effect) == [
        "All patients, risk under 'drug': 25.0 % (90% equal-tailed interval 18.0 to 33.0)",
        "All patients, risk under 'no drug': 38.0 % (90% equal-tailed interval 32.0 to 44.0)",
        "All patients, risk difference: -13.0 percentage points (90% equal-tailed interval -22.0 "
        "to -3.0); supported",
    ]
