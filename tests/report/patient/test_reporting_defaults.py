"""What a disease says that reports show: scenarios, utilities, horizon, extrapolation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twinbayes.errors import ModelError, ScenarioError, TwinError
from twinbayes.inference import Fit
from twinbayes.model.courses.reporting import Reporting, Utility
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.report import collect_patient, default_scenarios, scenario_from_words
from twinbayes.report.figures.look import StateLook
from twinbayes.report.patient.evidence import default_quality
from twinbayes.report.patient.sections import PATIENT_REPORT
from twinbayes.report.words import scenario_words

TRANSPLANT = "allogeneic_transplant"


@pytest.fixture
def reporting(registry_fit: Fit) -> Callable[..., Fit]:
    def with_defaults(**settings: Any) -> Fit:
        return replace(
            registry_fit, spec=replace(registry_fit.spec, reporting=Reporting(**settings))
        )

    return with_defaults


def test_scenarios_of_the_disease_are_compared(reporting: Callable[..., Fit]) -> None:
    fit = reporting(scenarios=(f"{TRANSPLANT} after 40 days in remission", f"no {TRANSPLANT}"))
    twin = fit.twin(fit.cohort.patient_ids[0], at=0.0)
    pair = default_scenarios(twin)
    assert pair is not None
    assert pair[0].label == scenario_from_words(f"{TRANSPLANT} on day 40 in remission").label


def test_scenarios_that_a_patient_cannot_be_given_leave_the_usual_ones(
    reporting: Callable[..., Fit],
) -> None:
    plain = reporting()
    patient = plain.cohort.patient_ids[0]
    wanted = default_scenarios(plain.twin(patient, at=30.0))
    late = reporting(scenarios=(f"{TRANSPLANT} on day 10 in remission", f"no {TRANSPLANT}"))
    assert wanted is not None
    assert default_scenarios(late.twin(patient, at=30.0)) == wanted


def test_days_from_the_landmark_need_one() -> None:
    assert scenario_from_words("drug after 5 days", 20.0) == scenario_from_words("drug on day 25")
    with pytest.raises(ScenarioError, match="days from the landmark need one"):
        scenario_from_words("drug after 5 days")
    with pytest.raises(ScenarioError, match="not understood"):
        scenario_from_words("drug after some days", 20.0)


def test_utilities_of_the_disease_count_days(reporting: Callable[..., Fit]) -> None:
    living = ("induction", "remission", "relapse")
    utilities = tuple(Utility(state=s, mean=0.5) for s in living[:-1])
    fit = reporting(utilities=(*utilities, Utility(state=living[-1], mean=0.5, sd=0.1)))
    quality = default_quality(fit)
    assert quality is not None
    assert quality.utilities == {"induction": 0.5, "remission": 0.5, "relapse": (0.5, 0.1)}
    assert default_quality(reporting()) != quality


def test_the_horizon_is_that_of_the_disease(reporting: Callable[..., Fit]) -> None:
    fit = reporting(horizon_years=2.0)
    evidence = collect_patient(fit, fit.cohort.patient_ids[0], at=0.0)
    assert evidence.forecast["time"].to_numpy()[-1] == pytest.approx(2 * DAYS_PER_YEAR)
    assert "look no further" not in words(evidence)


def words(evidence: Any) -> str:
    return " ".join(str(section.show(evidence).html) for section in PATIENT_REPORT)


def test_reports_look_no_further_beyond_the_follow_up_than_the_disease_allows(
    reporting: Callable[..., Fit],
) -> None:
    patient = reporting().cohort.patient_ids[0]
    followed = reporting().twin(patient, at=0.0).followed_for
    assert followed is not None
    fit = reporting(horizon_years=80.0, extrapolation_years=1.0)
    evidence = collect_patient(fit, patient, at=0.0)
    last = float(followed[0]) + DAYS_PER_YEAR
    assert evidence.forecast["time"].to_numpy()[-1] == pytest.approx(last)
    assert np.all(np.array(evidence.horizons) <= last)
    assert "look no further" in words(evidence)


def test_where_nothing_may_be_extrapolated_nothing_is_shown(
    reporting: Callable[..., Fit], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = reporting(extrapolation_years=1.0)
    twin = type(fit.twin(fit.cohort.patient_ids[0], at=0.0))
    monkeypatch.setattr(twin, "followed_for", property(lambda _self: np.array([-400.0])))
    with pytest.raises(TwinError, match="extrapolation_years"):
        collect_patient(fit, fit.cohort.patient_ids[0], at=0.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scenarios": ("policy",)}, "two to compare"),
        ({"scenarios": (1, 2)}, "scenarios must be a tuple of texts"),
        ({"utilities": ("remission",)}, "utilities must be a tuple of Utility"),
        ({"horizon_years": 0.0}, "horizon_years"),
        ({"extrapolation_years": -1.0}, "extrapolation_years"),
        ({"utilities": (Utility(state="remission", mean=1.0),)}, "each of the living"),
    ],
)
def test_what_cannot_be_is_refused(
    settings: dict[str, Any], said: str, reporting: Callable[..., Fit]
) -> None:
    with pytest.raises(ModelError, match=said):
        reporting(**settings)


def test_a_start_in_any_state_is_said_without_an_end_that_is_cut_off() -> None:
    said = scenario_words(scenario_from_words("drug on day 50"), 20.0, StateLook.of(("ill",), ()))
    assert said == "drug after 30 days"


def test_a_treatment_that_nobody_started_rests_on_the_prior(
    reporting: Callable[..., Fit],
) -> None:
    fit = reporting()
    evidence = collect_patient(fit, fit.cohort.patient_ids[0], at=0.0, until=365.25)
    assert "rests on the prior alone" not in words(evidence)
    treatments = fit.cohort.treatments
    assert treatments is not None
    nobody = replace(fit, cohort=fit.cohort.with_rows({"treatments": treatments.iloc[:0]}))
    assert "rests on the prior alone" in words(replace(evidence, fit=nobody))


def test_a_landmark_before_the_entry_is_told(reporting: Callable[..., Fit]) -> None:
    fit = reporting()
    evidence = collect_patient(fit, fit.cohort.patient_ids[0], at=0.0, until=365.25)
    assert "nobody had seen the patient yet" not in words(evidence)
    cohort = evidence.twin.cohort
    late = replace(cohort, patients=cohort.patients.assign(entry_day=40.0))
    assert "nobody had seen the patient yet" in words(
        replace(evidence, twin=replace(evidence.twin, cohort=late))
    )
