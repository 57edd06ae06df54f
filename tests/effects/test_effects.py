"""Treatment effects under known hazards against formulae, and what they must never do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.effects import Bias, Estimand, Target, treatment_effect
from twinbayes.effects.standardise import PatientWeights
from twinbayes.errors import OptionError, ScenarioError, TwinError
from twinbayes.inference import Fit
from twinbayes.model import (
    Effect,
    Encoding,
    EventProcess,
    Learnt,
    ModelSpec,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
)
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Quality, Scenario, Twin
from twinbayes.twin.population.hazards import Population

TIMES = (365.0, 1095.0)
RATE = {"mild": 1 / 3000, "severe": 1 / 600}
LOG_RATIO = {"mild": -0.2, "severe": -0.9}
GROUPS = ("mild", "mild", "severe", "mild", "severe")
SCATTER = np.array([0.8, 1.0, 1.3])
START, NEVER = Scenario.start("drug", day=0), Scenario.none("drug")
DEATH = "alive->dead"
DRUG = StateGraph(
    states=("alive", "dead"),
    transitions=(Transition(source="alive", target="dead", event="death"),),
    treatments=(
        Treatment(
            name="drug",
            starts=(TreatmentStart(source="alive", treatment="drug"),),
            effects=(Effect(treatment="drug", transition=DEATH, phase="here"),),
        ),
    ),
)
ILLNESS = StateGraph(
    states=("well", "ill", "dead"),
    transitions=(
        Transition(source="well", target="ill", event="illness"),
        Transition(source="well", target="dead", event="death"),
        Transition(source="ill", target="dead", event="death"),
    ),
    treatments=(
        Treatment(
            name="drug",
            starts=(TreatmentStart(source="well", treatment="drug"),),
            effects=(Effect(treatment="drug", transition="well->ill", phase="here"),),
        ),
    ),
)
ILL, DIE, DIE_ILL, LOG_ILL = 1 / 400, 1 / 1500, 1 / 300, -0.7


def known_twin(
    graph: StateGraph, rates: dict[str, float], effects: dict[str, dict[str, float]]
) -> Twin:
    """Five patients of two subgroups at their origin; draws multiply every hazard by SCATTER."""
    ids = [f"P{k}" for k in range(len(GROUPS))]
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": GROUPS, "centre": "only"}),
        "events": pd.DataFrame({"patient_id": ids, "day": 0.0, "event": "last_contact"}),
        "variables": pd.DataFrame(columns=["name", "table", "role", "group", "levels"]),
    }
    cohort = cohort_from_tables("known", tables, simulated=True)
    n_intensities, n = len(graph.labels), len(SCATTER)
    rate = np.array([rates.get(label, 0.0) for label in graph.labels])
    encoding, coef = Encoding.learn((), cohort), np.zeros((3, n_intensities, n))
    for g, group in enumerate(encoding.subgroups):
        coef[g, : len(graph.transitions)] = np.log(RATE[group] / RATE["mild"])
    effect = np.array([[effects[g][e.label] for g in encoding.subgroups] for e in graph.effects])
    population = Population(
        rate=rate[:, None, None] * SCATTER,
        edges=np.tile([0.0, np.inf], (n_intensities, 1)),
        coef=coef,
        at_stored_zero=np.zeros((n_intensities, n)),
        effect=effect[..., None] * np.ones(n),
        era_effect=np.zeros((0, n)),
        subgroup_scale=None,
        centre_scale=None,
        effect_mean=(none := np.zeros((len(effect), n))),
        effect_scale=none,
        frailty=none[:0],
    )
    spec = ModelSpec(name="known", title="Known", priors="x", events=EventProcess(graph=graph))
    return Twin(spec, Learnt(encoding, tuple(population.edges)), population, None, cohort, True)


@pytest.fixture(scope="module")
def twin() -> Twin:
    label = f"drug:here on {DEATH}"
    return known_twin(DRUG, {DEATH: RATE["mild"]}, {g: {label: x} for g, x in LOG_RATIO.items()})


@pytest.fixture(scope="module")
def illness() -> Twin:
    label = "drug:here on well->ill"
    rates = {"well->ill": ILL, "well->dead": DIE, "ill->dead": DIE_ILL}
    twin = known_twin(ILLNESS, rates, {g: {label: LOG_ILL} for g in LOG_RATIO})
    return replace(twin, population=replace(twin.population, coef=0.0 * twin.population.coef))


def estimand(summary: str = "risk_difference", **others: object) -> Estimand:
    return Estimand(a=START, b=NEVER, times=TIMES, summary=summary, **others)  # type: ignore[arg-type]


def survival(group: str, treated: bool, t: float) -> np.ndarray:
    """(draw,) closed form."""
    ratio = np.exp(LOG_RATIO[group]) if treated else 1.0
    return np.asarray(np.exp(-RATE[group] * ratio * SCATTER * t))


def standardised(t: float, treated: bool, groups: tuple[str, ...] = GROUPS) -> np.ndarray:
    return np.mean([survival(g, treated, t) for g in groups], axis=0)


@pytest.mark.parametrize("k", [0, 1])
def test_a_risk_difference_is_that_of_the_standardised_exponentials(twin: Twin, k: int) -> None:
    found = treatment_effect(twin, estimand(), keep_draws=True)
    exact = standardised(TIMES[k], False) - standardised(TIMES[k], True)
    np.testing.assert_allclose(found["overall_risk_difference_draws"][k], exact, atol=3e-5)
    np.testing.assert_allclose(found["overall_risk_difference"][k], exact.mean(), atol=3e-5)
    for group in RATE:
        own = survival(group, False, TIMES[k]) - survival(group, True, TIMES[k])
        draws = found["subgroup_risk_difference_draws"].sel(subgroup=group)[k]
        np.testing.assert_allclose(draws, own, atol=3e-5)
        mine = found["patient_subgroup"].to_numpy() == group
        np.testing.assert_allclose(found["risk_difference"][mine, k], own.mean(), atol=3e-5)


def test_ratios_are_those_of_the_standardised_curves_and_not_of_the_patients(twin: Twin) -> None:
    t = TIMES[1]
    a, b = standardised(t, True), standardised(t, False)
    found = treatment_effect(twin, estimand("risk_ratio"))
    exact = np.exp(np.mean(np.log((1 - a) / (1 - b))))
    np.testing.assert_allclose(found["overall_risk_ratio"][1], exact, rtol=2e-4)
    found = treatment_effect(twin, estimand("hazard_ratio"))
    exact = np.exp(np.mean(np.log(np.log(a) / np.log(b))))
    np.testing.assert_allclose(found["overall_hazard_ratio"][1], exact, rtol=2e-4)
    # within a subgroup hazards are proportional: there the marginal is the conditional ratio
    for group, log_ratio in LOG_RATIO.items():
        np.testing.assert_allclose(
            found["subgroup_hazard_ratio"].sel(subgroup=group), np.exp(log_ratio), rtol=5e-4
        )


def test_a_restricted_mean_difference_is_the_area_between_the_exponentials(twin: Twin) -> None:
    found = treatment_effect(twin, estimand("rmst_difference"))
    for k, t in enumerate(TIMES):
        rates = [(RATE[g], RATE[g] * np.exp(LOG_RATIO[g])) for g in GROUPS]
        exact = np.mean(
            [
                -np.expm1(-y * s * t) / (y * s) + np.expm1(-x * s * t) / (x * s)
                for x, y in rates
                for s in SCATTER
            ]
        )
        np.testing.assert_allclose(found["overall_rmst_difference"][k], exact, atol=0.1)
    assert found["overall_rmst_difference"].attrs["units"] == "days"


def test_a_state_occupation_difference_is_that_of_quadrature(illness: Twin) -> None:
    found = treatment_effect(illness, estimand("state_occupation_difference", endpoint=("ill",)))

    def ill(t: float, rate: float, s: float) -> float:
        leave = (rate + DIE) * s
        return float(quad(lambda u: rate * s * np.exp(-leave * u - DIE_ILL * s * (t - u)), 0, t)[0])

    for k, t in enumerate(TIMES):
        exact = np.mean([ill(t, ILL * np.exp(LOG_ILL), s) - ill(t, ILL, s) for s in SCATTER])
        np.testing.assert_allclose(
            found["overall_state_occupation_difference"][k], exact, atol=3e-4
        )


def crude(t: float, rate: float, die: float) -> np.ndarray:
    """Probability of illness by t, with death competing."""
    return np.asarray(rate / (rate + die) * -np.expm1(-(rate + die) * SCATTER * t))


@pytest.mark.parametrize(
    ("strategy", "exact"),
    [
        ({}, lambda t, r: crude(t, r, DIE)),
        ({"death": "while_alive"}, lambda t, r: crude(t, r, DIE)),
        ({"death": "hypothetical"}, lambda t, r: crude(t, r, 0.0)),
        ({"dead": "composite"}, lambda t, r: -np.expm1(-(r + DIE) * SCATTER * t)),
    ],
)
def test_each_strategy_for_death_before_illness_has_its_closed_form(
    illness: Twin, strategy: dict[str, str], exact: Callable[[float, float], np.ndarray]
) -> None:
    found = treatment_effect(illness, estimand(endpoint="ill", intercurrent=strategy))
    for k, t in enumerate(TIMES):
        a, b = exact(t, ILL * np.exp(LOG_ILL)), exact(t, ILL)
        np.testing.assert_allclose(found["overall_risk_a"][k], a.mean(), atol=4e-4)
        np.testing.assert_allclose(found["overall_risk_difference"][k], (a - b).mean(), atol=4e-4)


def test_a_hypothetical_illness_leaves_deaths_of_the_healthy(illness: Twin) -> None:
    found = treatment_effect(illness, estimand(intercurrent={"ill": "hypothetical"}))
    np.testing.assert_allclose(
        found["overall_risk_b"], [np.mean(-np.expm1(-DIE * SCATTER * t)) for t in TIMES], atol=3e-5
    )
    np.testing.assert_allclose(found["overall_risk_difference"], 0.0, atol=1e-6)


def test_a_later_start_acts_from_its_day_on(twin: Twin) -> None:
    day = 200.0
    found = treatment_effect(
        twin, replace(estimand("survival_difference"), b=Scenario.start("drug", day=day))
    )
    for k, t in enumerate(TIMES):
        b = [
            survival(g, False, day) * survival(g, True, t) / survival(g, True, day) for g in GROUPS
        ]
        np.testing.assert_allclose(found["overall_survival_b"][k], np.mean(b), atol=3e-5)
        np.testing.assert_allclose(
            found["overall_survival_difference"][k],
            np.mean(standardised(t, True)) - np.mean(b),
            atol=3e-5,
        )


def test_event_free_is_staying_in_the_state_of_the_target(illness: Twin) -> None:
    found = treatment_effect(
        illness,
        estimand("survival_difference", endpoint="event_free", target=Target(states=("well",))),
    )
    exact = [np.mean(np.exp(-(ILL + DIE) * SCATTER * t)) for t in TIMES]
    np.testing.assert_allclose(found["overall_survival_b"], exact, atol=3e-5)


def test_days_of_quality_1_are_the_restricted_mean(illness: Twin) -> None:
    quality = Quality(utilities={"well": 1.0, "ill": 1.0})
    one = treatment_effect(illness, estimand("quality_adjusted_time_difference", quality=quality))
    two = treatment_effect(illness, estimand("rmst_difference"))
    np.testing.assert_allclose(
        one["overall_quality_adjusted_time_difference"],
        two["overall_rmst_difference"],
        rtol=1e-5,
        atol=1e-3,
    )


@pytest.mark.parametrize("population", ["fixed_sample", "bayesian_bootstrap"])
@pytest.mark.parametrize(
    "summary", ["risk_difference", "rmst_difference", "risk_ratio", "hazard_ratio"]
)
def test_a_scenario_against_itself_has_exactly_no_effect(
    twin: Twin, summary: str, population: str
) -> None:
    same = replace(estimand(summary), b=START)
    found = treatment_effect(twin, same, population=population)
    nothing = 1.0 if summary.endswith("ratio") else 0.0
    for name in (summary, f"subgroup_{summary}", f"overall_{summary}"):
        for side in ("", "_lower", "_upper"):
            assert (found[f"{name}{side}"] == nothing).all()


def test_effects_turn_round_with_the_scenarios(twin: Twin) -> None:
    there = treatment_effect(twin, estimand())
    back = treatment_effect(twin, replace(estimand(), a=NEVER, b=START))
    np.testing.assert_array_equal(
        there["overall_risk_difference"], -back["overall_risk_difference"]
    )


def test_a_patient_has_the_same_effect_alone_as_among_others(registry_fit: Fit) -> None:
    ids = registry_fit.cohort.patient_ids[:12]
    asked = Estimand(
        a=Scenario.start("allogeneic_transplant", day=120, states=("remission",)),
        b=Scenario.none("allogeneic_transplant"),
        times=(365.0, 1500.0),
        summary="rmst_difference",
    )
    many = treatment_effect(registry_fit.twin(ids, at=0), asked, allow_unsupported=True)
    for patient in (ids[0], ids[7]):
        alone = treatment_effect(registry_fit.twin(patient, at=0), asked, allow_unsupported=True)
        for name in ("rmst_a", "rmst_b", "rmst_difference", "rmst_difference_lower"):
            np.testing.assert_array_equal(
                alone[name].sel(patient=patient), many[name].sel(patient=patient)
            )


def test_means_over_patients_outside_the_fit_take_the_same_draw_of_everybody(
    joint_fit: Fit, strangers: Cohort
) -> None:
    twin = joint_fit.twin(strangers, at=0.0)
    assert twin.patient_draws(0).weights is not None
    a, b = Scenario.given("d_penicillamine", 1.0), Scenario.given("d_penicillamine", 0.0)
    asked = Estimand(a=a, b=b, times=1200.0, summary="rmst_difference")
    effect, contrast = treatment_effect(twin, asked), twin.contrast(a, b, until=1200.0)
    for suffix in ("", "_lower", "_upper"):
        name = f"overall_rmst_difference{suffix}"
        np.testing.assert_allclose(contrast[name], effect[name].isel(time=0), rtol=5e-3)


def test_bootstrap_weights_sum_to_1_and_are_those_of_a_flat_dirichlet() -> None:
    patients = [f"P{k}" for k in range(40)]
    weights = PatientWeights("bayesian_bootstrap", 4000, seed=2).shares(patients)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(weights.mean(axis=1), 1 / 40, atol=4 * 0.024 / np.sqrt(4000))
    variance = 39 / (40**2 * 41)
    np.testing.assert_allclose(weights.var(axis=1).mean(), variance, rtol=0.05)
    back = PatientWeights("bayesian_bootstrap", 4000, seed=2).shares(patients[::-1])
    np.testing.assert_allclose(back[::-1], weights, rtol=1e-12)


def test_a_bootstrap_has_the_mean_of_the_fixed_sample_and_a_wider_interval(twin: Twin) -> None:
    n = 3000
    index = np.tile(1, n)  # one draw of the model again and again: only the patients vary
    still = replace(twin, population=twin.population.take(index))
    fixed = treatment_effect(still, estimand(), keep_draws=True)
    drawn = treatment_effect(still, estimand(), population="bayesian_bootstrap", keep_draws=True)
    a, b = (x["overall_risk_difference_draws"].to_numpy() for x in (fixed, drawn))
    assert np.ptp(a[1]) == 0.0
    spread = b.std(axis=1)
    np.testing.assert_allclose(b.mean(axis=1), a[:, 0], atol=float(4 * spread.max() / np.sqrt(n)))
    # Rubin's variance of a mean: that of the sample over n + 1
    values = drawn["risk_difference"].to_numpy()
    np.testing.assert_allclose(spread, values.std(axis=0) / np.sqrt(6), rtol=0.06)
    assert drawn.attrs["population"] == "bayesian_bootstrap"


def test_a_known_bias_shifts_the_log_hazard_ratio_by_just_that(twin: Twin) -> None:
    found = treatment_effect(twin, estimand("hazard_ratio"), bias=Bias(mean=-0.4))
    for group, log_ratio in LOG_RATIO.items():
        np.testing.assert_allclose(
            found["subgroup_hazard_ratio"].sel(subgroup=group), np.exp(log_ratio + 0.4), rtol=5e-4
        )
    assert "normal(mean -0.4, sd 0)" in found.attrs["bias"]
    none = treatment_effect(twin, estimand("hazard_ratio"), bias=Bias())
    plain = treatment_effect(twin, estimand("hazard_ratio"))
    np.testing.assert_array_equal(none["overall_hazard_ratio"], plain["overall_hazard_ratio"])


def test_an_uncertain_bias_adds_its_variance_on_the_log_scale(twin: Twin) -> None:
    many = replace(twin, population=twin.population.take(np.tile(1, 2000)))
    found = treatment_effect(
        many, estimand("hazard_ratio"), bias=Bias(mean=0.1, sd=0.3), keep_draws=True
    )
    logs = np.log(found["subgroup_hazard_ratio_draws"].sel(subgroup="severe")[1])
    np.testing.assert_allclose(logs.mean(), LOG_RATIO["severe"] - 0.1, atol=2e-3)
    np.testing.assert_allclose(logs.std(), 0.3, rtol=0.01)


def test_a_bias_where_the_treatment_does_not_act_is_refused(illness: Twin) -> None:
    with pytest.raises(TwinError, match=r"has no effect on well->dead.*acts on: well->ill"):
        treatment_effect(illness, estimand(), bias=Bias(mean=0.1, transitions=("well->dead",)))
    both = ("well->ill", "well->dead")
    with pytest.raises(TwinError, match="has no effect on well->dead in this model"):
        treatment_effect(illness, estimand(), bias=Bias(mean=0.1, transitions=both))
    with pytest.raises(OptionError, match=r"'ill->well'\. Known: 'well->ill'"):
        treatment_effect(illness, estimand(), bias=Bias(mean=0.1, transitions=("ill->well",)))


def test_thinning_a_twin_and_an_unknown_population_are_refused(twin: Twin) -> None:
    with pytest.raises(TwinError, match="thinned when it is made"):
        treatment_effect(twin, estimand(), draws=2)
    with pytest.raises(OptionError, match=r"'sample'\. Known: 'fixed_sample'"):
        treatment_effect(twin, estimand(), population="sample")


def test_a_start_before_the_landmark_is_refused(twin: Twin) -> None:
    early = replace(estimand(), a=Scenario.start("drug", day=-1.0))
    with pytest.raises(ScenarioError, match="lies before the landmark of 5 patient"):
        treatment_effect(twin, early)


def test_a_ratio_of_no_risks_is_not_a_number(illness: Twin) -> None:
    safe = replace(
        illness, population=replace(illness.population, rate=0.0 * illness.population.rate)
    )
    found = treatment_effect(safe, estimand("risk_ratio"))
    assert np.isnan(found["overall_risk_ratio"]).all()
    assert (found["overall_risk_a"] == 0.0).all()


def test_years_of_follow_up_are_in_the_sentence(twin: Twin) -> None:
    found = treatment_effect(twin, replace(estimand(), times=5 * DAYS_PER_YEAR))
    said = found.attrs["estimand"]
    assert "'drug on day 0' against 'no drug'" in said
    assert "Variable: death, within 1826.25 days (5 years) of the landmark" in said
    assert found.attrs["verdict"] == "usable"
    assert found.attrs["interval_kind"] == "equal-tailed"
