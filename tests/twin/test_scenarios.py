"""Scenarios and the contrasts between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twinbayes.errors import ModelError, OptionError, ScenarioError
from twinbayes.inference import Fit
from twinbayes.model import Effect, StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.names import CLOCK_ENTRY
from twinbayes.twin import Scenario, Twin

TRANSPLANT = "allogeneic_transplant"
UNTIL, GRID = 1500.0, [100.0, 365.0, 900.0, 1500.0]
START = Scenario.start(TRANSPLANT, day=120, states=("remission",))
NEVER = Scenario.none(TRANSPLANT)
TwinOf = Callable[..., Twin]


@pytest.fixture(scope="module")
def at_diagnosis(registry_fit: Fit) -> Twin:
    return registry_fit.twin(registry_fit.cohort.patient_ids[:16], at=0.0).as_drawn()


@pytest.mark.parametrize(
    ("scenario", "error", "message"),
    [
        (Scenario.none("aspirin"), ScenarioError, "Unknown treatment 'aspirin'. Known: 'allo"),
        (
            Scenario.start(TRANSPLANT, day=9, states=("cured",)),
            OptionError,
            "'cured'. Known: 'induction', 'remission', 'relapse'",
        ),
        (
            Scenario.start(TRANSPLANT, day=9, states=("death_in_remission",)),
            OptionError,
            "'death_in_remission'. Known: 'induction'",
        ),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(
    at_diagnosis: Twin, scenario: Scenario, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        at_diagnosis.forecast(UNTIL, GRID, scenario=scenario)
    with pytest.raises(error, match=message):
        at_diagnosis.contrast(scenario, NEVER, UNTIL, GRID)


@pytest.mark.requirement("R-049")
def test_a_start_before_the_landmark_is_refused_without_naming_a_patient(
    registry_fit: Fit,
) -> None:
    ids = registry_fit.cohort.patient_ids[:5]
    twin = registry_fit.twin(ids)
    with pytest.raises(
        ScenarioError, match=r"lies before the landmark of 5 patient\(s\)"
    ) as caught:
        twin.forecast(UNTIL, GRID, scenario=Scenario.start(TRANSPLANT, day=0.5))
    assert not any(patient in str(caught.value) for patient in ids)


def test_states_as_one_text_are_refused() -> None:
    with pytest.raises(ScenarioError, match="sequence of state names"):
        Scenario.start(TRANSPLANT, day=3, states="remission")


@pytest.mark.parametrize("day", [np.nan, np.inf, -np.inf])
def test_a_start_on_no_day_is_refused(day: float) -> None:
    with pytest.raises(ScenarioError, match="day must be a number of days"):
        Scenario.start(TRANSPLANT, day=day)


@pytest.mark.parametrize("states", [[[1]], [1], 5, None, [None], "remission"])
def test_states_that_are_no_names_are_refused(states: Any) -> None:
    with pytest.raises(ScenarioError, match="states must be a sequence of state names"):
        Scenario.start("t", day=3, states=states)


@pytest.mark.parametrize("treatment", [5, None, ["t"], {}])
def test_a_treatment_is_given_by_its_name(treatment: Any) -> None:
    for ask in (
        lambda: Scenario.start(treatment, day=3),
        lambda: Scenario.none(treatment),
        lambda: Scenario.given(treatment, 1),
    ):
        with pytest.raises(ScenarioError, match="given by its name"):
            ask()


def test_a_treatment_may_be_named_once_only() -> None:
    with pytest.raises(ScenarioError, match="Two assumptions about 'allogeneic_transplant'"):
        START & NEVER


def test_scenarios_of_different_treatments_combine() -> None:
    both = START & Scenario.none("radiotherapy")
    assert [a.treatment for a in both.assumptions] == [TRANSPLANT, "radiotherapy"]
    assert both.label == "allogeneic_transplant on day 120 in remission and no radiotherapy"


def test_the_policy_is_the_default_and_differs_from_no_transplant(at_diagnosis: Twin) -> None:
    default, policy, never = (
        at_diagnosis.forecast(UNTIL, GRID, scenario=s) for s in (None, Scenario.policy(), NEVER)
    )
    assert default.attrs["scenario"] == "registry policy"
    assert default.equals(policy)
    assert float(abs(policy["survival"] - never["survival"]).max()) > 0.005


def test_a_start_after_the_horizon_is_no_start(at_diagnosis: Twin) -> None:
    for day in (UNTIL, UNTIL + 1.0, 9000.0):
        late = at_diagnosis.forecast(UNTIL, GRID, scenario=Scenario.start(TRANSPLANT, day=day))
        never = at_diagnosis.forecast(UNTIL, GRID, scenario=NEVER)
        np.testing.assert_array_equal(late["state_probability"], never["state_probability"])


def test_a_start_on_the_landmark_day_is_allowed_and_acts_from_then_on(registry_fit: Fit) -> None:
    everybody = registry_fit.twin()
    who, now = next(
        (patient, present)
        for patient, present in zip(everybody.patient_ids, everybody.present, strict=True)
        if present.state == "remission" and not present.started
    )
    twin = registry_fit.twin(who)
    today = twin.forecast(UNTIL, GRID, scenario=Scenario.start(TRANSPLANT, day=now.day))
    never = twin.forecast(UNTIL, GRID, scenario=NEVER)
    assert float(abs(today["survival"] - never["survival"]).max()) > 0.005


def test_what_was_started_before_the_landmark_stays_as_it_was(registry_fit: Fit) -> None:
    everybody = registry_fit.twin()
    who = next(
        patient
        for patient, present in zip(everybody.patient_ids, everybody.present, strict=True)
        if present.state == "remission" and present.started
    )
    twin = registry_fit.twin(who)
    policy, never = (twin.forecast(UNTIL, GRID, scenario=s) for s in (None, NEVER))
    np.testing.assert_array_equal(policy["survival"], never["survival"])


def test_the_contrast_of_a_scenario_with_itself_is_exactly_zero(at_diagnosis: Twin) -> None:
    same = at_diagnosis.contrast(START, START, UNTIL, GRID)
    differences = [name for name in same.data_vars if "difference" in str(name)]
    assert len(differences) == 3 * 8
    for name in differences:
        assert not np.any(same[name]), name


def test_a_contrast_changes_sign_when_turned_round(at_diagnosis: Twin) -> None:
    ab = at_diagnosis.contrast(START, NEVER, UNTIL, GRID)
    ba = at_diagnosis.contrast(NEVER, START, UNTIL, GRID)
    turned = {"": "", "_lower": "_upper", "_upper": "_lower"}
    for stem in ("survival_difference", "rmst_difference", "overall_survival_difference"):
        for a, b in turned.items():
            np.testing.assert_allclose(ab[stem + a], -ba[stem + b], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(ab["survival_a"], ba["survival_b"])
    for a, b in turned.items():
        np.testing.assert_array_equal(ab[f"risk_difference{a}"], -ab[f"survival_difference{b}"])


def test_a_contrast_is_the_difference_of_paired_draws(at_diagnosis: Twin) -> None:
    contrast = at_diagnosis.contrast(START, NEVER, UNTIL, GRID)
    # `NEVER` alone has no node on day 120: give it one, so that both paths share their steps
    grid = sorted([*GRID, 120.0])
    draws = [
        at_diagnosis.forecast(UNTIL, grid, scenario=s, draws=True)["survival_draws"]
        .sel(time=GRID)
        .to_numpy()
        for s in (START, NEVER)
    ]
    gain = draws[0] - draws[1]
    np.testing.assert_allclose(contrast["survival_difference"], gain.mean(-1), atol=1e-6)
    for k, side in ((0.05, "lower"), (0.95, "upper")):
        np.testing.assert_allclose(
            contrast[f"survival_difference_{side}"], np.quantile(gain, k, axis=-1), atol=1e-6
        )


def test_the_standardised_effect_is_the_mean_of_the_patients_draws(at_diagnosis: Twin) -> None:
    contrast = at_diagnosis.contrast(START, NEVER, UNTIL, GRID, interval=0.8)
    grid = sorted([*GRID, 120.0])
    gain = np.subtract(
        *(
            at_diagnosis.forecast(UNTIL, grid, scenario=s, draws=True)["survival_draws"]
            .sel(time=GRID)
            .to_numpy()
            for s in (START, NEVER)
        )
    )
    groups = contrast["patient_subgroup"].to_numpy()
    for label in contrast["subgroup"].to_numpy():
        mine = gain[groups == label].mean(axis=0)
        got = contrast.sel(subgroup=label)
        np.testing.assert_allclose(got["subgroup_survival_difference"], mine.mean(-1), atol=1e-6)
        np.testing.assert_allclose(
            got["subgroup_survival_difference_upper"], np.quantile(mine, 0.9, axis=-1), atol=1e-6
        )
    overall = gain.mean(axis=0)
    np.testing.assert_allclose(
        contrast["overall_survival_difference_lower"], np.quantile(overall, 0.1, -1), atol=1e-6
    )
    np.testing.assert_allclose(
        contrast["overall_rmst_difference"], contrast["rmst_difference"].mean(), atol=1e-3
    )


def two_treatments(first_clock: str = "origin", early: float | None = None) -> StateGraph:
    """One state, two treatments with one effect each; the second may have an early phase."""
    phases = ("here_early", "here_late") if early else ("here",)
    return StateGraph(
        states=("alive", "dead"),
        transitions=(Transition(source="alive", target="dead", event="death"),),
        treatments=(
            Treatment(
                name="a",
                starts=(TreatmentStart(source="alive", treatment="a", clock=first_clock),),
                effects=(Effect(treatment="a", transition="alive->dead", phase="here"),),
            ),
            Treatment(
                name="b",
                early_days=early,
                starts=(TreatmentStart(source="alive", treatment="b"),),
                effects=tuple(
                    Effect(treatment="b", transition="alive->dead", phase=p) for p in phases
                ),
            ),
        ),
    )


def test_two_treatments_may_start_on_one_day(twin_of: TwinOf) -> None:
    rates = {"alive->dead": 1 / 500, "alive->start:a": 1 / 90, "alive->start:b": 1 / 60}
    effects = {"a:here on alive->dead": -0.6, "b:here on alive->dead": -0.4}
    twin = twin_of(two_treatments(), rates, effects=effects)
    scenario = Scenario.start("a", day=50) & Scenario.start("b", day=50)
    days = np.array([50.0, 80.0, 400.0])
    result = twin.forecast(500.0, days, scenario=scenario)
    exact = np.exp(-(50.0 + (days - 50.0) * np.exp(-1.0)) / 500)
    np.testing.assert_allclose(result["survival"][0], exact, atol=2e-5)


def test_a_second_treatment_in_the_same_step_keeps_the_age(twin_of: TwinOf) -> None:
    graph = two_treatments()
    (death,) = graph.transitions
    graph = replace(graph, transitions=(replace(death, clock=CLOCK_ENTRY),))
    fast = {"alive->start:a": 1 / 60, "alive->start:b": 1 / 60}
    twin = twin_of(graph, {"alive->dead": ([50.0], [1 / 100, 1 / 1000]), **fast})
    days = np.array([50.0, 100.0, 400.0, 1000.0])
    result = twin.forecast(1000.0, days)
    exact = np.exp(-(0.5 + (days - 50.0) / 1000))
    np.testing.assert_allclose(result["survival"][0], exact, atol=1e-3)


def test_an_early_phase_beside_a_start_on_the_entry_clock_is_refused(twin_of: TwinOf) -> None:
    rates = {"alive->dead": 0.01, "alive->start:a": 0.01, "alive->start:b": 0.01}
    with pytest.raises(ModelError, match="State 'alive': the early phase of 'b'"):
        twin_of(two_treatments(CLOCK_ENTRY, early=30.0), rates).forecast(100.0)
