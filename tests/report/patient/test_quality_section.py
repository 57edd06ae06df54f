"""Quality-adjusted time in a patient's report: numbers where there is a score, else none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.report import collect_patient
from twinbayes.report.patient import sections as sections_patient
from twinbayes.report.patient.evidence import default_quality
from twinbayes.twin import Quality


def test_a_report_shows_time_lived_adjusted_and_the_difference(registry_fit: Fit) -> None:
    patient = registry_fit.cohort.patient_ids[0]
    evidence = collect_patient(registry_fit, patient, at=0.0, until=730.5)
    shown = sections_patient.quality(evidence).html
    assert evidence.quality is not None
    assert evidence.contrast is not None
    months = 12 / DAYS_PER_YEAR
    for found, name in (
        (evidence.quality, "rmst"),
        (evidence.quality, "quality_adjusted_time"),
        (evidence.contrast, "quality_adjusted_time_difference"),
    ):
        mean, low, high = (
            f"{abs(float(found[f'{name}{side}'][0])) * months:.1f}"
            for side in ("", "_lower", "_upper")
        )
        assert re.search(rf"{mean} months \(90% equal-tailed interval .?{low} to .?{high}\)", shown)
    assert "global health (0 counts 0, 100 counts 1)" in shown
    assert "the quality of the living" in shown
    assert patient not in shown


def test_without_a_score_the_section_says_that_it_is_not_provided(
    fit: Fit, alive: Callable[[str], str]
) -> None:
    evidence = collect_patient(fit, alive("remission"), at=60.0, until=730.5)
    assert evidence.quality is None
    assert evidence.contrast is not None
    assert "quality_adjusted_time_difference" not in evidence.contrast
    assert "NOT PROVIDED" in sections_patient.quality(evidence).html


def test_weights_can_be_given_where_there_is_no_score(
    fit: Fit, alive: Callable[[str], str]
) -> None:
    weights = Quality(utilities={"induction": 0.6, "remission": 0.9, "relapse": 0.5})
    evidence = collect_patient(fit, alive("remission"), at=60.0, until=730.5, quality=weights)
    shown = sections_patient.quality(evidence).html
    assert "induction 0.6, remission 0.9, relapse 0.5" in shown
    assert "Difference in quality-adjusted time" in shown


@pytest.mark.parametrize("role", ["qol", "marker"])
def test_only_what_is_declared_a_quality_of_life_is_taken_for_one(
    registry_fit: Fit, role: str
) -> None:
    cohort = registry_fit.cohort
    is_score = cohort.variables["name"] == "global_health"
    variables = cohort.variables.assign(role=cohort.variables["role"].mask(is_score, role))
    found = default_quality(replace(registry_fit, cohort=replace(cohort, variables=variables)))
    assert found == (Quality(marker="global_health") if role == "qol" else None)
