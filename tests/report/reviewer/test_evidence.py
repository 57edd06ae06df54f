"""The evidence behind a review: right numbers, and a reason wherever there are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from chance import drawn_seed
from twinbayes.checks import CheckResult
from twinbayes.checks.borrowing.hazard_ratios import treatment_effects
from twinbayes.checks.calibration.expected_events import counting_process, observed_and_expected
from twinbayes.checks.result import OUT_OF_SAMPLE
from twinbayes.checks.sensitivity.prior_occupation import prior_occupation
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, ScenarioError, TwinError
from twinbayes.estimators import StateOccupation, aalen_johansen
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.report import (
    collect,
    collect_patient,
    default_scenarios,
    scenarios_from_json,
    scenarios_to_json,
)
from twinbayes.report.patient import sections as sections_patient
from twinbayes.report.reviewer import checks as of_checks
from twinbayes.report.reviewer import conclusions
from twinbayes.report.reviewer import fit as of_fit
from twinbayes.report.reviewer.evidence import ReviewEvidence


@pytest.fixture(scope="module")
def evidence(fit: Fit) -> ReviewEvidence:
    given = CheckResult("by patient", "pass", pd.DataFrame(), "ten folds", OUT_OF_SAMPLE)
    return collect(fit, checks=[given])


def test_the_paths_of_the_cohort_become_a_counting_process(fit: Fit) -> None:
    process = counting_process(fit)
    deaths = int((fit.cohort.events["event"] == "death").sum())
    follow_up = process.follow_up()
    assert int((~follow_up.censored).sum()) == deaths
    last = fit.cohort.events.groupby("patient_id")["day"].max()
    np.testing.assert_allclose(follow_up.exit, last[list(process.patients)], atol=1.0)


def test_expected_events_are_rate_times_days_where_the_rate_is_constant(fit: Fit) -> None:
    posterior = fit.datatree["posterior"].to_dataset()
    flat = posterior.map(np.zeros_like).assign(log_baseline=posterior["log_baseline"] * 0 - 6.0)
    tree = fit.datatree.copy()
    tree["posterior"] = type(tree)(flat)
    plain = replace(fit, datatree=tree)
    # Missing covariates have no effect here, so the hazard is the baseline for everybody.
    observed, expected = observed_and_expected(plain)
    rows = plain.plan.events.rows
    days = pd.Series(rows.stop - rows.start).groupby(rows.intensity).sum()
    np.testing.assert_allclose(expected.sum("subgroup"), np.exp(-6.0) * days, rtol=1e-10)
    events = pd.Series(rows.is_event).groupby(rows.intensity).sum()
    np.testing.assert_array_equal(observed.sum("subgroup"), events)


def test_expected_events_are_a_mean_over_all_draws(fit: Fit) -> None:
    posterior = fit.datatree["posterior"].to_dataset()
    n = 800
    many = posterior.isel(draw=np.zeros(n, dtype=int)).assign_coords(draw=np.arange(n))
    level = np.random.default_rng(drawn_seed()).normal(-6.0, 1.0, (many.sizes["chain"], n))
    drawn = xr.DataArray(level, dims=("chain", "draw"))
    flat = many.map(np.zeros_like).assign(log_baseline=many["log_baseline"] * 0 + drawn)
    tree = fit.datatree.copy()
    tree["posterior"] = type(tree)(flat)
    plain = replace(fit, datatree=tree)
    _, expected = observed_and_expected(plain)
    rows = plain.plan.events.rows
    days = pd.Series(rows.stop - rows.start).groupby(rows.intensity).sum()
    np.testing.assert_allclose(expected.sum("subgroup"), np.exp(level).mean() * days, rtol=1e-9)


def test_treatment_effects_are_quantiles_of_hazard_ratios(fit: Fit) -> None:
    table = treatment_effects(fit, 0.8)
    draws = fit.datatree["posterior"]["treatment_effect"].isel(effect=0).to_numpy().ravel()
    whole = table[(table["subgroup"] == "all")].iloc[0]
    np.testing.assert_allclose(
        [whole["lower"], whole["median"], whole["upper"]],
        np.exp(np.quantile(draws, [0.1, 0.5, 0.9])),
    )
    groups = [g for g in table["subgroup"] if g != "all"]
    assert groups[: len(fit.cohort.subgroups)] == list(fit.cohort.subgroups)


def test_every_section_has_a_check_or_a_reason(evidence: ReviewEvidence) -> None:
    assert set(evidence.checks) == {
        "prior predictive", "shrinkage", "calibration", "scores", "prior sensitivity", "borrowing",
        "fairness",
    }  # fmt: skip
    names = [c.name for c in evidence.of("scores")]
    assert names[-1] == "by patient"
    summary = evidence.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert not any(p in json.dumps(summary) for p in evidence.fit.cohort.patient_ids)


def test_given_cross_validation_takes_its_lack_off_the_limits(
    evidence: ReviewEvidence, fit: Fit
) -> None:
    assert "Cross-validated scores: NOT PROVIDED" not in conclusions.limits(evidence).html
    without = replace(evidence, checks={}, handed_in=())
    assert "Cross-validated scores: NOT PROVIDED" in conclusions.limits(without).html
    assert "NOT PROVIDED" in of_checks.further(without).html
    assert "NOT PROVIDED" in of_checks.scores(without).html
    assert "NOT PROVIDED" in of_checks.shrinkage(without).html
    assert "NOT PROVIDED" in of_checks.prior_sensitivity(without).html
    assert "NOT PROVIDED" in of_checks.borrowing(without).html
    none = replace(without, curves=None, prior_occupation=None, effects=without.effects.iloc[:0])
    for section in (of_checks.calibration, of_fit.prior_predictive, of_checks.treatment_effects):
        assert "NOT PROVIDED" in section(none).html


def test_priors_are_drawn_without_the_outcomes_and_the_same_each_time(cohort: Cohort) -> None:
    spec = tb.disease("registry")
    first = sample_priors(spec, cohort, draws=5, seed=1)
    again = sample_priors(spec, cohort, draws=5, seed=1)
    assert first.identical(again)
    assert dict(first["treatment_subgroup_effect"].sizes) == {
        "chain": 1, "draw": 5, "effect": 10, "subgroup": 3,
    }  # fmt: skip


def sure(observed: StateOccupation, draws: xr.DataArray, days: tuple[float, ...]) -> xr.DataArray:
    """What was observed on each of the days, as if every draw of the priors said it."""
    at = draws.sel(time=list(days), method="nearest")
    columns = [observed.states.index(str(s)) for s in draws["state"].to_numpy()]
    values = observed.at(observed.origin + np.asarray(days))[:, columns]
    return (at * 0.0).transpose("sample", "time", "state") + values


def test_the_prior_check_warns_where_the_data_lie_outside(evidence: ReviewEvidence) -> None:
    draws = evidence.prior_occupation
    assert draws is not None
    observed = aalen_johansen(counting_process(evidence.fit))
    wide = prior_occupation(draws, observed, evidence.horizons)
    assert wide.verdict == "info"  # intervals of half the range can hardly be missed
    assert "mean over 12 of 53 patients" in wide.text
    tight = draws * 0.1 + 0.9 * sure(observed, draws, evidence.horizons)
    assert prior_occupation(tight, observed, evidence.horizons).verdict == "pass"
    # Nobody leaves the first state under these draws.
    stuck = draws * 0.0
    stuck.loc[{"state": "induction"}] = 1.0
    narrow = prior_occupation(stuck, observed, evidence.horizons)
    assert narrow.verdict == "warn"
    assert "induction at 1095.75 days" in narrow.text
    with pytest.raises(OptionError, match="level"):
        prior_occupation(draws, observed, evidence.horizons, level=1.0)


def test_by_default_a_start_in_the_present_state_or_the_next_is_compared_with_none(
    fit: Fit, alive: Callable[[str], str]
) -> None:
    at_origin = default_scenarios(fit.twin(fit.cohort.patient_ids[0], at=0.0))
    assert at_origin is not None
    [assumption] = at_origin[0].assumptions
    assert (assumption.day, assumption.states) == (120.0, ("induction", "remission"))
    later = default_scenarios(fit.twin(alive("remission"), at=60.0))
    assert later is not None
    assert (later[0].assumptions[0].day, later[0].assumptions[0].states) == (90.0, ("remission",))
    assert later[1] == tb.Scenario.none("allogeneic_transplant")


def test_scenarios_survive_the_way_into_the_notebook() -> None:
    start = tb.Scenario.start("allogeneic_transplant", day=150, states=("remission", "relapse"))
    pair = (start, tb.Scenario.none("allogeneic_transplant"))
    assert scenarios_from_json(scenarios_to_json(pair)) == pair
    arms = (tb.Scenario.given("arm", 1.0), pair[0] & tb.Scenario.given("sex", "male"))
    assert scenarios_from_json(scenarios_to_json(arms)) == arms
    assert scenarios_from_json(scenarios_to_json([tb.Scenario.policy()])) == (tb.Scenario.policy(),)
    assert scenarios_from_json("") is None


def test_who_has_died_has_no_report_and_is_not_named(fit: Fit) -> None:
    events = fit.cohort.events
    dead = str(events.loc[events["event"] == "death", "patient_id"].iloc[0])
    with pytest.raises(TwinError, match="nothing to forecast") as caught:
        collect_patient(fit, dead)
    assert dead not in str(caught.value)
    with pytest.raises(TwinError, match="one patient, not 53"):
        collect_patient(fit, fit.cohort, at=0.0)


def test_two_different_scenarios_are_needed(fit: Fit) -> None:
    none = tb.Scenario.none("allogeneic_transplant")
    patient = fit.cohort.patient_ids[0]
    with pytest.raises(ScenarioError, match="Two scenarios"):
        collect_patient(fit, patient, at=0.0, scenarios=[none])
    with pytest.raises(OptionError, match="the same"):
        collect_patient(fit, patient, at=0.0, scenarios=[none, none])


def test_a_patient_whose_treatment_has_started_gets_no_contrast_but_the_reason(fit: Fit) -> None:
    started = fit.cohort.treatments
    assert started is not None
    row = started[started["treatment"] == "allogeneic_transplant"].iloc[0]
    day = float(row["start_day"]) + 1.0
    evidence = collect_patient(fit, str(row["patient_id"]), at=day, until=400.0)
    assert evidence.contrast is None
    assert "NOT PROVIDED" in sections_patient.contrast(evidence).html
    assert "allogeneic transplant on day" in sections_patient.verdict(evidence).html
    assert evidence.horizons == (365.25,)


def test_missing_inputs_and_borrowing_are_told(fit: Fit) -> None:
    covariates = fit.cohort.covariates()
    gaps = covariates.isna().any(axis=1)
    evidence = collect_patient(fit, str(covariates.index[gaps][0]), at=0.0)
    assert evidence.missing
    html = sections_patient.rests_on(evidence).html
    assert evidence.missing[0].replace("_", " ") in html
    assert "borrowed from elsewhere" in html


def test_a_patients_report_from_a_fit_that_is_not_usable_says_so_before_any_number(
    hostile_fit: Fit,
) -> None:
    evidence = collect_patient(hostile_fit, hostile_fit.cohort.patient_ids[-1], at=0.0)
    told = sections_patient.read_aloud(evidence).html
    assert told.index("NOT FOR USE") < told.index("Of 100 people")
    assert "fewer than 5 patients" in told
    assert evidence.marks == ("NOT FOR USE",)
    shown = sections_patient.verdict(evidence).html
    assert "more: see the model review" in shown
    assert "<script" not in shown


def test_the_mean_over_subgroups_says_that_their_size_does_not_count(
    evidence: ReviewEvidence,
) -> None:
    shown = of_checks.treatment_effects(evidence).html
    assert "<caption>Mean over subgroups</caption>" in shown
    assert "whatever its size. It is not the effect in the average patient" in shown
