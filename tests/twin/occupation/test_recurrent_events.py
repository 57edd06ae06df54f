"""Events that recur within a state, and a frailty, against closed forms and simulated paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

from chance import drawn_seed
from known_twins import Steps
from twinbayes.errors import ModelError, TwinError
from twinbayes.model import Effect, EventProcess, StateGraph, Transition, Treatment, TreatmentStart
from twinbayes.twin import Scenario, Twin
from twinbayes.twin.population.frailty import HazardRecord

Build = Callable[..., Twin]
UNTIL, TIMES = 900.0, np.array([90.0, 365.0, 900.0])
INFECTION, DEATH, START = "well->well", "well->dead", "well->start:drug"


def graph(*, clock: str = "origin", dies: bool = True, drug: bool = False) -> StateGraph:
    moves = [Transition(source="well", target="well", event="infection", clock=clock)]
    if dies:
        moves.append(Transition(source="well", target="dead", event="death"))
    drugs = ()
    if drug:
        starts = (TreatmentStart(source="well", treatment="drug"),)
        effect = Effect(treatment="drug", transition=INFECTION, phase="here")
        drugs = (Treatment(name="drug", starts=starts, effects=(effect,)),)
    states = ("well", "dead") if dies else ("well",)
    return StateGraph(states=states, transitions=tuple(moves), treatments=drugs)


def expected(twin: Twin, **options: Any) -> np.ndarray:
    """(time,) expected number of infections of the one patient."""
    forecast = twin.forecast(UNTIL, TIMES, **options)
    assert forecast["expected_events"].dims == ("patient", "time", "recurrent_event")
    return forecast["expected_events"].sel(recurrent_event="infection")[0].to_numpy()


def test_without_death_the_expected_number_is_the_cumulative_hazard(twin_of: Build) -> None:
    steps: Steps = ((100.0, 400.0), (0.02, 0.004, 0.05))
    twin = twin_of(graph(dies=False), {INFECTION: steps})
    right = [0.02 * 90, 0.02 * 100 + 0.004 * 265, 0.02 * 100 + 0.004 * 300 + 0.05 * 500]
    np.testing.assert_allclose(expected(twin), right, rtol=1e-5)
    forecast = twin.forecast(UNTIL, TIMES)
    np.testing.assert_allclose(forecast["survival"], 1.0)
    np.testing.assert_allclose(forecast["state_probability"], 1.0)


def test_with_death_it_is_that_of_the_living(twin_of: Build) -> None:
    rate, death = 0.03, 0.002
    twin = twin_of(graph(), {INFECTION: rate, DEATH: death})
    right = rate / death * -np.expm1(-death * TIMES)
    np.testing.assert_allclose(expected(twin), right, rtol=2e-4)
    alive = twin.forecast(UNTIL, TIMES)["survival"][0]
    np.testing.assert_allclose(alive, np.exp(-death * TIMES), rtol=1e-5)


def test_it_is_counted_from_the_landmark_on(twin_of: Build) -> None:
    steps: Steps = ((200.0,), (0.02, 0.01))
    events = ((50.0, "infection"), (120.0, "infection"), (150.0, "last_contact"))
    twin = twin_of(graph(dies=False), {INFECTION: steps}, events=events)
    right = [0.02 * min(t, 50.0) + 0.01 * max(t - 50.0, 0.0) for t in TIMES]
    np.testing.assert_allclose(expected(twin), right, rtol=1e-5)


def renewals(first: Steps, age: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """(time,) mean number of events by simulated gaps, the first of them under way for `age`."""
    (edge,), (early, late) = first
    counts = np.zeros((n, len(TIMES)))
    for path in counts:
        day, waited = 0.0, age
        while day < UNTIL:
            need = rng.exponential()
            in_early = early * max(edge - waited, 0.0)
            gap = need / early if need < in_early else max(edge - waited, 0.0)
            gap += max(need - in_early, 0.0) / late
            day, waited = day + gap, 0.0
            path += day <= TIMES
    return counts


def test_on_the_clock_of_gaps_each_event_begins_anew(twin_of: Build) -> None:
    steps: Steps = ((30.0,), (0.04, 0.005))
    events = ((60.0, "infection"), (75.0, "last_contact"))
    twin = twin_of(graph(clock="entry", dies=False), {INFECTION: steps}, events=events)
    paths = renewals(steps, 15.0, np.random.default_rng(drawn_seed()), 4000)
    error = paths.std(axis=0) / np.sqrt(len(paths))
    assert np.all(
        np.abs(expected(twin) - paths.mean(axis=0)) < 4 * error + 0.01 * paths.mean(axis=0)
    )


def test_an_infection_leaves_a_treatment_in_its_phase(twin_of: Build) -> None:
    """Treated since day 10 and infected on day 20, the patient is still treated here."""
    effects = {"drug:here on well->well": np.log(0.25)}
    rates: Mapping[str, float] = {INFECTION: 0.02, DEATH: 1e-12, START: 1e-12}
    events = ((20.0, "infection"), (40.0, "last_contact"))
    twin = twin_of(
        graph(drug=True), rates, effects=effects, events=events, treatments=((10.0, "drug"),)
    )
    np.testing.assert_allclose(expected(twin), 0.005 * TIMES, rtol=1e-4)
    assert twin.present[0].started == (("drug", 10.0, False),)
    assert twin.present[0].entry == 20.0


def test_a_contrast_tells_the_events_avoided(twin_of: Build) -> None:
    effects = {"drug:here on well->well": np.log(0.5)}
    rates: Mapping[str, float] = {INFECTION: 0.02, DEATH: 0.001, START: 0.01}
    twin = twin_of(graph(drug=True), rates, effects=effects)
    found = twin.contrast(Scenario.start("drug", day=0.0), Scenario.none("drug"), UNTIL, TIMES)
    lived = -np.expm1(-0.001 * TIMES) / 0.001
    for name in ("expected_events_difference", "overall_expected_events_difference"):
        values = found[name].sel(recurrent_event="infection").squeeze().to_numpy()
        np.testing.assert_allclose(values, -0.01 * lived, rtol=1e-3)
    assert not found["survival_difference"].to_numpy().any()


def posterior_mean(
    function: Callable[[float], float], counts: int, hazard: float, dying: float, f: float, g: float
) -> float:
    """Mean of a function of the frailty given `counts` infections, by quadrature."""

    def density(b: float) -> float:
        gain = counts * f * b - hazard * np.exp(f * b) - dying * np.exp(g * b)
        return float(stats.norm.pdf(b) * np.exp(gain))

    top, whole = (
        integrate.quad(lambda b, h=h: h(b) * density(b), -9, 9, limit=200)[0]
        for h in (function, lambda _: 1.0)
    )
    return top / whole


@pytest.mark.parametrize("counts", [0, 1, 5])
def test_a_frailty_is_told_by_the_record_and_by_it_alone(twin_of: Build, counts: int) -> None:
    """Who has had many infections will have more, and dies sooner where death has a part in it."""
    rate, death, f, g, day = 0.004, 0.001, 0.8, 0.5, 250.0
    events = (*((30.0 + 40 * k, "infection") for k in range(counts)), (day, "last_contact"))
    twin = twin_of(
        graph(),
        {INFECTION: rate, DEATH: death},
        events=events,
        scatter=np.ones(8000),
        frailty={INFECTION: f, DEATH: g},
    )
    forecast: xr.Dataset = twin.forecast(UNTIL, TIMES)
    given = (counts, rate * day, death * day, f, g)
    for k, t in enumerate(TIMES):
        alive = posterior_mean(lambda b, t=t: np.exp(-death * np.exp(g * b) * t), *given)
        number = posterior_mean(
            lambda b, t=t: (
                rate * np.exp(f * b) * -np.expm1(-death * np.exp(g * b) * t)
                / (death * np.exp(g * b))
            ),
            *given,
        )  # fmt: skip
        # 8,000 draws of the frailty: relative standard errors of about 0.01 and 0.005
        assert float(forecast["survival"][0, k]) == pytest.approx(alive, rel=0.02)
        assert float(forecast["expected_events"][0, k, 0]) == pytest.approx(number, rel=0.05)


def test_a_frailty_that_nothing_could_tell_is_refused() -> None:
    with pytest.raises(ModelError, match="which no patient has twice"):
        EventProcess(graph=graph(), frailty=(DEATH,))
    with pytest.raises(ModelError, match="moves 'well->well' twice"):
        EventProcess(graph=graph(), frailty=(INFECTION, INFECTION))
    with pytest.raises(ValueError, match="well->wel"):
        EventProcess(graph=graph(), frailty=("well->wel",))
    assert EventProcess(graph=graph(), frailty=(INFECTION, DEATH)).frailty == (INFECTION, DEATH)


@pytest.mark.parametrize("strength", [1.0, 2.0, 3.0])
def test_who_has_events_often_is_followed_as_closely(twin_of: Build, strength: float) -> None:
    """A drug that multiplies gap-time hazards does nothing to death, however it is given."""
    effects = {"drug:here on well->well": strength}
    rates: Mapping[str, float] = {INFECTION: 0.01, DEATH: 0.001, START: 1e-12}
    twin = twin_of(graph(clock="entry", drug=True), rates, effects=effects)
    found = twin.contrast(Scenario.start("drug", day=0.0), Scenario.none("drug"), UNTIL, TIMES)
    np.testing.assert_allclose(found["survival_difference"], 0.0, atol=2e-3)
    lived = -np.expm1(-0.001 * TIMES) / 0.001
    rate = 0.01 * np.exp(strength)  # a constant gap hazard is a constant rate
    events = found["expected_events_a"].sel(recurrent_event="infection")[0]
    np.testing.assert_allclose(events, rate * lived, rtol=0.01)


def test_events_at_a_pace_that_no_grid_follows_are_refused(twin_of: Build) -> None:
    twin = twin_of(graph(clock="entry", dies=False), {INFECTION: 500.0})
    with pytest.raises(TwinError, match="origin clock"):
        twin.forecast(UNTIL, TIMES)


def test_frailties_of_patients_who_are_alike_are_independent() -> None:
    record = HazardRecord(np.zeros(400), np.zeros(1), np.zeros((1, 400)))
    f = np.ones((1, 400))
    one, two = (record.drawn_frailty(f, seed) for seed in (1, 2))
    for drawn in (one, two):
        assert drawn.mean() == pytest.approx(0.0, abs=0.01)
        assert drawn.std() == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.25
    np.testing.assert_array_equal(one, record.drawn_frailty(f, 1))
