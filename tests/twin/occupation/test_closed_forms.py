"""Forecasts under known hazards against formulae, quadrature and simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.linalg import expm

from twinbayes.model import Effect, StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.names import CLOCK_ENTRY
from twinbayes.twin import Scenario, Twin
from twinbayes.twin.occupation.paths import time_nodes

TwinOf = Callable[..., Twin]
UNTIL = 5 * 365.0
NODES = time_nodes(UNTIL)

ALIVE_DEAD = StateGraph(
    states=("alive", "dead"),
    transitions=(Transition(source="alive", target="dead", event="death"),),
)


def illness_death(clock: str = "origin", treatments: tuple[Treatment, ...] = ()) -> StateGraph:
    return StateGraph(
        states=("well", "ill", "dead_well", "dead_ill"),
        transitions=(
            Transition(source="well", target="ill", event="illness"),
            Transition(source="well", target="dead_well", event="death"),
            Transition(source="ill", target="dead_ill", event="death", clock=clock),
        ),
        treatments=treatments,
    )


def transplant(*effects: tuple[str, str], states: tuple[str, ...] = ("well",)) -> Treatment:
    return Treatment(
        name="transplant",
        early_days=60.0,
        starts=tuple(TreatmentStart(source=s, treatment="transplant") for s in states),
        effects=tuple(
            Effect(treatment="transplant", transition=transition, phase=phase)
            for transition, phase in effects
        ),
    )


def cumulative(inner: list[float], rates: list[float], t: float) -> float:
    """Integral from 0 to t of a step function."""
    edges = np.array([0.0, *inner, np.inf])
    return float(np.sum(np.clip(t - edges[:-1], 0.0, np.diff(edges)) * rates))


def occupation(result: xr.Dataset, state: str) -> np.ndarray:
    return result["state_probability"].sel(state=state).to_numpy()[0]


@pytest.mark.parametrize("rate", [1 / 30, 1 / 300, 1 / 3000])
def test_survival_under_a_constant_hazard_is_exponential(twin_of: TwinOf, rate: float) -> None:
    result = twin_of(ALIVE_DEAD, {"alive->dead": rate}).forecast(UNTIL, NODES)
    np.testing.assert_allclose(result["survival"][0], np.exp(-rate * NODES), atol=2e-5)
    # the trapezoid rule over the steps is half a day off at worst
    np.testing.assert_allclose(result["rmst"][0], -np.expm1(-rate * UNTIL) / rate, atol=0.5)


@pytest.mark.parametrize("shape", [0.6, 1.7])
def test_survival_under_a_weibull_hazard_is_weibull(twin_of: TwinOf, shape: float) -> None:
    edges = np.concatenate([[0.0], np.geomspace(1.0, UNTIL, 80)])
    scale = 700.0
    rates = np.diff((edges / scale) ** shape) / np.diff(edges)
    twin = twin_of(ALIVE_DEAD, {"alive->dead": (edges[1:-1], rates)})
    result = twin.forecast(UNTIL, NODES)
    exact = [
        np.exp(-quad(lambda u: shape / scale * (u / scale) ** (shape - 1), 0, t)[0])
        for t in NODES[1:]
    ]
    np.testing.assert_allclose(result["survival"][0, 1:], exact, atol=1e-3)


def test_two_exponential_causes_share_out_by_their_hazards(twin_of: TwinOf) -> None:
    graph = StateGraph(
        states=("alive", "relapsed", "dead"),
        transitions=(
            Transition(source="alive", target="relapsed", event="relapse"),
            Transition(source="alive", target="dead", event="death"),
        ),
    )
    a, b = 1 / 400, 1 / 900
    result = twin_of(graph, {"alive->relapsed": a, "alive->dead": b}).forecast(UNTIL, NODES)
    gone = -np.expm1(-(a + b) * NODES)
    for state, rate in (("relapsed", a), ("dead", b)):
        risk = result["cumulative_incidence"].sel(state=state)[0]
        np.testing.assert_allclose(risk, rate / (a + b) * gone, atol=2e-5)


@pytest.mark.parametrize(("stay", "tolerance"), [(250.0, 5e-4), (60.0, 1e-3), (30.0, 2e-3)])
def test_illness_death_with_constant_hazards_has_its_closed_form(
    twin_of: TwinOf, stay: float, tolerance: float
) -> None:
    a, b, c = 1 / 400, 1 / 900, 1 / stay
    rates = {"well->ill": a, "well->dead_well": b, "ill->dead_ill": c}
    result = twin_of(illness_death(), rates).forecast(UNTIL, NODES)
    well = np.exp(-(a + b) * NODES)
    ill = a / (a + b - c) * (np.exp(-c * NODES) - well)
    np.testing.assert_allclose(occupation(result, "well"), well, atol=1e-5)
    np.testing.assert_allclose(occupation(result, "ill"), ill, atol=tolerance)
    np.testing.assert_allclose(
        result["cumulative_incidence"].sel(state="ill")[0], a / (a + b) * (1 - well), atol=1e-5
    )


INNER, RISING = [20.0, 90.0, 300.0], [1 / 60, 1 / 150, 1 / 500, 1 / 2000]


def test_semi_markov_illness_death_is_the_convolution(twin_of: TwinOf) -> None:
    a, b = 1 / 200, 1 / 800
    rates = {"well->ill": a, "well->dead_well": b, "ill->dead_ill": (INNER, RISING)}
    result = twin_of(illness_death(CLOCK_ENTRY), rates).forecast(UNTIL, NODES)

    def ill(t: float) -> float:
        kinks = [t - x for x in INNER if x < t]
        return quad(
            lambda u: a * np.exp(-(a + b) * u - cumulative(INNER, RISING, t - u)),
            0.0,
            t,
            points=kinks or None,
            limit=200,
        )[0]

    exact = [ill(t) for t in NODES]
    np.testing.assert_allclose(occupation(result, "ill"), exact, atol=1e-3)


CUTS, ERA_RATIOS = (150.0, 500.0), (0.9, -0.2, -1.1)


def with_eras() -> tuple[StateGraph, dict[str, float]]:
    """Illness-death whose deaths depend on time in illness and on when it began."""
    graph = illness_death(CLOCK_ENTRY)
    *others, death = graph.transitions
    graph = replace(graph, transitions=(*others, replace(death, entry_cuts=CUTS)))
    labels = [era.label for era in graph.entry_eras]
    return graph, dict(zip(labels, ERA_RATIOS, strict=True))


def era_ratio(entry: float) -> float:
    return float(np.exp(ERA_RATIOS[int(np.searchsorted(CUTS, entry))]))


@pytest.mark.parametrize("landmark", [0.0, 60.0, 400.0])
def test_where_deaths_depend_on_the_era_of_illness_it_is_the_convolution(
    twin_of: TwinOf, landmark: float
) -> None:
    graph, effects = with_eras()
    a, b = 1 / 300, 1 / 800
    rates = {"well->ill": a, "well->dead_well": b, "ill->dead_ill": (INNER, RISING)}
    twin = twin_of(graph, rates, effects=effects, events=((landmark, "last_contact"),))
    days = np.array([50.0, 100.0, 160.0, 300.0, 500.0, 800.0, 1200.0, UNTIL])
    result = twin.forecast(UNTIL, days)

    def ill(t: float) -> float:
        kinks = [t - x for x in INNER if x < t] + [c - landmark for c in CUTS]
        return quad(
            lambda u: (
                a
                * np.exp(-(a + b) * u - era_ratio(landmark + u) * cumulative(INNER, RISING, t - u))
            ),
            0.0,
            t,
            points=[x for x in kinks if 0.0 < x < t] or None,
            limit=200,
        )[0]

    exact = [ill(t) for t in days]
    np.testing.assert_allclose(occupation(result, "ill"), exact, atol=1.5e-3)


@pytest.mark.parametrize("entry", [100.0, 150.0, 150.5, 900.0])
@pytest.mark.parametrize("days_ill", [0.0, 40.0, 700.0])
def test_the_era_of_a_patient_already_ill_is_that_of_his_own_entry(
    twin_of: TwinOf, entry: float, days_ill: float
) -> None:
    graph, effects = with_eras()
    twin = twin_of(
        graph,
        {"well->ill": 0.01, "well->dead_well": 0.01, "ill->dead_ill": (INNER, RISING)},
        effects=effects,
        events=((entry, "illness"), (entry + days_ill, "last_contact")),
    )
    days = np.array([10.0, 100.0, 300.0, 1500.0])
    result = twin.forecast(UNTIL, days)
    hazard = [
        cumulative(INNER, RISING, days_ill + t) - cumulative(INNER, RISING, days_ill) for t in days
    ]
    exact = np.exp(-era_ratio(entry) * np.array(hazard))
    np.testing.assert_allclose(result["survival"][0], exact, atol=2e-5)


def test_a_cycle_of_two_states_follows_the_matrix_exponential(twin_of: TwinOf) -> None:
    graph = StateGraph(
        states=("well", "ill", "dead"),
        transitions=(
            Transition(source="well", target="ill", event="illness"),
            Transition(source="ill", target="well", event="recovery"),
            Transition(source="well", target="dead", event="death"),
            Transition(source="ill", target="dead", event="death"),
        ),
    )
    a, r, b, c = 1 / 300, 1 / 200, 1 / 900, 1 / 500
    rates = {"well->ill": a, "ill->well": r, "well->dead": b, "ill->dead": c}
    result = twin_of(graph, rates).forecast(UNTIL, NODES)
    generator = np.array([[-a - b, a, b], [r, -r - c, c], [0.0, 0.0, 0.0]])
    exact = np.array([expm(generator * t)[0] for t in NODES])
    got = np.column_stack([occupation(result, s) for s in graph.states])
    np.testing.assert_allclose(got, exact, atol=2e-3)  # a stay of 150 days against steps of 61


HERE_EARLY, HERE_LATE = 1.0, -0.7
EFFECTS = {
    "transplant:here_early on alive->dead": HERE_EARLY,
    "transplant:here_late on alive->dead": HERE_LATE,
}
TREATED = StateGraph(
    states=ALIVE_DEAD.states,
    transitions=ALIVE_DEAD.transitions,
    treatments=(
        Treatment(
            name="transplant",
            early_days=60.0,
            starts=(TreatmentStart(source="alive", treatment="transplant"),),
            effects=(
                Effect(treatment="transplant", transition="alive->dead", phase="here_early"),
                Effect(treatment="transplant", transition="alive->dead", phase="here_late"),
            ),
        ),
    ),
)
DEATH, START = 1 / 500, 1 / 200
RATES = {"alive->dead": DEATH, "alive->start:transplant": START}


def survival_since_start(days: float) -> float:
    early = min(days, 60.0)
    return float(np.exp(-DEATH * (np.exp(HERE_EARLY) * early + np.exp(HERE_LATE) * (days - early))))


def test_under_the_policy_treatment_starts_at_its_intensity(twin_of: TwinOf) -> None:
    result = twin_of(TREATED, RATES, effects=EFFECTS).forecast(UNTIL, NODES)

    def treated(t: float) -> float:
        return quad(
            lambda u: START * np.exp(-(DEATH + START) * u) * survival_since_start(t - u),
            0.0,
            t,
            points=[t - 60.0] if t > 60.0 else None,
            limit=200,
        )[0]

    exact = [np.exp(-(DEATH + START) * t) + treated(t) for t in NODES]
    np.testing.assert_allclose(result["survival"][0], exact, atol=1e-3)


@pytest.mark.parametrize("start", [0.0, 33.0, 120.0, 400.0])
def test_a_scenario_starts_treatment_on_its_day_and_never_by_policy(
    twin_of: TwinOf, start: float
) -> None:
    twin = twin_of(TREATED, RATES, effects=EFFECTS)
    scenario = Scenario.start("transplant", day=start, states=("alive",))
    result = twin.forecast(UNTIL, [30.0, 100.0, 170.0, 365.0, UNTIL], scenario=scenario)
    exact = [
        np.exp(-DEATH * min(t, start)) * survival_since_start(max(t - start, 0.0))
        for t in result["time"].to_numpy()
    ]
    np.testing.assert_allclose(result["survival"][0], exact, atol=2e-5)


def test_without_treatment_its_effects_do_not_act(twin_of: TwinOf) -> None:
    twin = twin_of(TREATED, RATES, effects=EFFECTS)
    result = twin.forecast(UNTIL, NODES, scenario=Scenario.none("transplant"))
    np.testing.assert_allclose(result["survival"][0], np.exp(-DEATH * NODES), atol=2e-5)


def test_a_patient_treated_fifty_days_ago_has_ten_early_days_left(twin_of: TwinOf) -> None:
    twin = twin_of(
        TREATED,
        RATES,
        effects=EFFECTS,
        events=((250.0, "last_contact"),),
        treatments=((200.0, "transplant"),),
    )
    days = np.array([5.0, 10.0, 17.0, 100.0, 900.0])
    result = twin.forecast(UNTIL, days)
    exact = [survival_since_start(50.0 + t) / survival_since_start(50.0) for t in days]
    np.testing.assert_allclose(result["survival"][0], exact, atol=2e-5)


def test_a_patient_ill_for_a_hundred_days_is_forecast_from_day_100_of_illness(
    twin_of: TwinOf,
) -> None:
    twin = twin_of(
        illness_death(CLOCK_ENTRY),
        {"well->ill": 0.01, "well->dead_well": 0.01, "ill->dead_ill": (INNER, RISING)},
        events=((37.0, "illness"), (137.0, "last_contact")),
    )
    days = np.array([1.0, 50.0, 150.0, 199.0, 260.0, 1500.0])
    result = twin.forecast(UNTIL, days)
    assert float(result["landmark_day"][0]) == 137.0
    before = cumulative(INNER, RISING, 100.0)
    exact = [np.exp(before - cumulative(INNER, RISING, 100.0 + t)) for t in days]
    np.testing.assert_allclose(result["survival"][0], exact, atol=2e-5)
    np.testing.assert_allclose(result["cumulative_incidence"].sel(state="ill"), 0.0)


def test_treatment_before_illness_acts_after_it_as_in_simulated_lives(twin_of: TwinOf) -> None:
    graph = illness_death(
        CLOCK_ENTRY,
        (
            transplant(
                ("well->ill", "here_early"),
                ("well->ill", "here_late"),
                ("ill->dead_ill", "earlier"),
                ("ill->dead_ill", "here"),
                states=("well", "ill"),
            ),
        ),
    )
    effects = {
        "transplant:here_early on well->ill": -0.5,
        "transplant:here_late on well->ill": -1.2,
        "transplant:earlier on ill->dead_ill": 0.8,
        "transplant:here on ill->dead_ill": -0.9,
    }
    rates = {
        "well->ill": 1 / 250,
        "well->dead_well": 1 / 900,
        "ill->dead_ill": ([60.0], [1 / 90, 1 / 400]),
        "well->start:transplant": 1 / 200,
        "ill->start:transplant": 1 / 150,
    }
    twin = twin_of(graph, rates, effects=effects)
    days = np.array([100.0, 365.0, 730.0, 1460.0])
    result = twin.forecast(1500.0, days)
    shares = simulate_lives(1_000_000, days)
    error = np.sqrt(0.25 / 1_000_000)
    for state, share in shares.items():
        np.testing.assert_allclose(occupation(result, state), share, atol=4 * error + 5e-4)


def simulate_lives(n: int, days: np.ndarray) -> dict[str, np.ndarray]:
    """Share of n simulated patients in each state, for the model of the test above.

    Each stretch of constant hazards is simulated by exponential waiting times.
    """
    generator = np.random.default_rng(20260729)

    def wait(mean: float | np.ndarray) -> np.ndarray:
        return generator.exponential(mean, n)

    start = wait(200.0)
    death = wait(900.0)
    illness = wait(250.0)
    # from a start on, illness comes at other rates: memoryless, so drawn anew
    early = wait(250.0 * np.exp(0.5))
    late = wait(250.0 * np.exp(1.2))
    after = np.where(early < 60.0, early, 60.0 + late)
    illness = np.where(illness < start, illness, start + after)
    ill = illness < death
    treated_before = start < illness
    begun = wait(150.0)  # since falling ill
    ratio = np.where(treated_before, np.exp(0.8), 1.0)
    first, second = wait(90.0 / ratio), wait(400.0 / ratio)
    stay = np.where(first < 60.0, first, 60.0 + second)
    # a start in illness changes the hazard from then on
    first, second = wait(90.0 * np.exp(0.9)), wait(400.0 * np.exp(0.9))
    in_first = np.where(first < 60.0 - begun, begun + first, 60.0 + second)
    changed = np.where(begun < 60.0, in_first, begun + second)
    stay = np.where(~treated_before & (begun < stay), changed, stay)
    end = illness + stay
    return {
        "well": np.array([np.mean(np.minimum(illness, death) > t) for t in days]),
        "ill": np.array([np.mean(ill & (illness <= t) & (end > t)) for t in days]),
        "dead_well": np.array([np.mean(~ill & (death <= t)) for t in days]),
        "dead_ill": np.array([np.mean(ill & (end <= t)) for t in days]),
    }
