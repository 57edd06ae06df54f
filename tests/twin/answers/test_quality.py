"""Quality-adjusted time against closed forms and quadrature, and what it must never do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from twinbayes.inference import Fit
from twinbayes.model import (
    CurveEncoding,
    Learnt,
    Normal,
    Polynomial,
    Since,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
)
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Quality, Scenario, Twin
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.population.curves import CurvePopulation

UNTIL = 5 * DAYS_PER_YEAR
RATE = 1 / 700
TRANSPLANT = "allogeneic_transplant"
START = Scenario.start(TRANSPLANT, day=120, states=("remission",))
NEVER = Scenario.none(TRANSPLANT)
SCORE = Quality(marker="global_health")
LIVING = ("induction", "remission", "relapse")
TwinOf = Callable[..., Twin]


def alive_dead(*treatments: Treatment) -> StateGraph:
    return StateGraph(
        states=("alive", "dead"),
        transitions=(Transition(source="alive", target="dead", event="death"),),
        treatments=treatments,
    )


TREATABLE = alive_dead(
    Treatment(
        name="surgery", effects=(), starts=(TreatmentStart(source="alive", treatment="surgery"),)
    )
)
ILLNESS_DEATH = StateGraph(
    states=("well", "ill", "dead"),
    transitions=(
        Transition(source="well", target="ill", event="illness"),
        Transition(source="well", target="dead", event="death"),
        Transition(source="ill", target="dead", event="death"),
    ),
)


def scored(
    twin: Twin,
    lines: Sequence[tuple[float, float, float]],
    family: Normal | None = None,
) -> Twin:
    """Give the one patient a score: level, change a year and step since surgery, each draw."""
    family = Normal(floor=0.0, ceiling=100.0) if family is None else family
    turns, ones = (Since(what="surgery"),), (1.0,) * 3
    scale = MarkerScale("score", "identity", Polynomial(1), 0.0, 1.0, ones, family, turns)
    learnt = CurveEncoding(twin.learnt.encoding, (scale,))
    coefficients = np.array(lines, dtype=float)
    n = len(coefficients)
    population = CurvePopulation(
        learnt=learnt,
        level=coefficients.T,
        effect=np.zeros((0, 3, n)),
        subgroup=None,
        centre=None,
        root=np.tile(np.eye(3), (n, 1, 1)),
        parameter=np.ones((1, 1, n)),
        association=np.zeros((0, n)),
    )
    none, starts = np.zeros(n), (np.array([np.inf]),)
    curves = PatientCurves(
        population, twin.spec, coefficients, coefficients, none, 1.0, 0, starts, ()
    )
    new = replace(twin, learnt=Learnt(twin.learnt.encoding, twin.learnt.edges, learnt))
    new._held[0] = replace(twin.patient_draws(0), curves=curves)
    new._trust[0] = twin.trust(0)
    return new


def value(result: xr.Dataset, name: str = "quality_adjusted_time") -> float:
    return float(result[name][0])


@pytest.fixture(scope="module")
def registry(registry_fit: Fit) -> Twin:
    return registry_fit.twin(registry_fit.cohort.patient_ids[:6], at=60.0).as_drawn()


def test_a_weight_of_1_gives_the_restricted_mean_survival_time(registry: Twin) -> None:
    result = registry.quality_adjusted_time(
        Quality(utilities=dict.fromkeys(LIVING, 1.0)), UNTIL, draws=True
    )
    # occupation is kept in single precision
    np.testing.assert_allclose(
        result["quality_adjusted_time_draws"], result["rmst_draws"], rtol=1.2e-7
    )
    forecast = registry.forecast(UNTIL)
    for name in ("rmst", "rmst_lower", "rmst_upper"):
        np.testing.assert_array_equal(result[name], forecast[name])


@pytest.mark.parametrize("rate", [1 / 60, 1 / 700, 1 / 7000])
def test_a_constant_score_under_a_constant_hazard_has_its_closed_form(
    twin_of: TwinOf, rate: float
) -> None:
    twin = scored(twin_of(alive_dead(), {"alive->dead": rate}), [(60.0, 0.0, 0.0)])
    result = twin.quality_adjusted_time(Quality(marker="score"), UNTIL)
    # the steps of the path leave the restricted mean half a day off at worst
    assert value(result) == pytest.approx(-0.6 * np.expm1(-rate * UNTIL) / rate, abs=0.5)
    assert value(result) == pytest.approx(0.6 * value(result, "rmst"), rel=2e-7)


@pytest.mark.parametrize(("level", "year"), [(90.0, -8.0), (20.0, 15.0), (40.0, -20.0)])
def test_a_straight_score_under_a_constant_hazard_is_what_quadrature_finds(
    twin_of: TwinOf, level: float, year: float
) -> None:
    """The last of the lines reaches the floor after two years."""
    twin = scored(twin_of(alive_dead(), {"alive->dead": RATE}), [(level, year, 0.0)])

    def share(t: float) -> float:
        return float(np.clip(level + year * t / DAYS_PER_YEAR, 0.0, 100.0)) / 100.0

    exact = quad(lambda t: np.exp(-RATE * t) * share(t), 0, UNTIL, limit=200)[0]
    result = twin.quality_adjusted_time(Quality(marker="score"), UNTIL, 10)
    assert value(result) == pytest.approx(exact, abs=0.5)
    for k, t in enumerate(result["time"].to_numpy()):
        now = float(result["quality_adjusted_survival"][0, k])
        assert now == pytest.approx(np.exp(-RATE * t) * share(t), abs=1e-5)


def test_without_deaths_the_area_under_a_line_is_exact(twin_of: TwinOf) -> None:
    twin = scored(twin_of(alive_dead(), {"alive->dead": 0.0}), [(90.0, -8.0, 0.0)])
    result = twin.quality_adjusted_time(Quality(marker="score"), 4 * DAYS_PER_YEAR)
    assert value(result) == pytest.approx((0.9 - 0.16) * 4 * DAYS_PER_YEAR, rel=1e-7)


def test_where_high_is_bad_the_scale_is_given_from_worst_to_best(twin_of: TwinOf) -> None:
    twin = scored(twin_of(alive_dead(), {"alive->dead": RATE}), [(30.0, 0.0, 0.0)])
    good = twin.quality_adjusted_time(Quality(marker="score", scale=(0, 100)), UNTIL)
    bad = twin.quality_adjusted_time(Quality(marker="score", scale=(100, 0)), UNTIL)
    rmst = value(good, "rmst")
    assert value(good) == pytest.approx(0.3 * rmst, rel=2e-7)
    assert value(bad) == pytest.approx(0.7 * rmst, rel=2e-7)
    beyond = twin.quality_adjusted_time(Quality(marker="score", scale=(0, 20)), UNTIL)
    assert value(beyond) == pytest.approx(rmst, rel=2e-7)


def test_weights_of_states_count_the_time_in_each(twin_of: TwinOf) -> None:
    a, b, c = 1 / 400, 1 / 900, 1 / 250
    twin = twin_of(ILLNESS_DEATH, {"well->ill": a, "well->dead": b, "ill->dead": c})
    weights = Quality(utilities={"well": 0.9, "ill": 0.4})
    result = twin.quality_adjusted_time(weights, UNTIL)

    def well(t: float) -> float:
        return float(np.exp(-(a + b) * t))

    def ill(t: float) -> float:
        return a / (a + b - c) * (float(np.exp(-c * t)) - well(t))

    exact = quad(lambda t: 0.9 * well(t) + 0.4 * ill(t), 0, UNTIL)[0]
    assert value(result) == pytest.approx(exact, abs=0.5)
    times = twin.forecast(UNTIL)["restricted_mean_time"].sel(state=["well", "ill"])[0]
    assert value(result) == pytest.approx(times.to_numpy() @ [0.9, 0.4], rel=1e-5)


def test_weights_and_a_score_multiply(twin_of: TwinOf) -> None:
    twin = scored(twin_of(alive_dead(), {"alive->dead": RATE}), [(70.0, -3.0, 0.0)])
    alone = twin.quality_adjusted_time(Quality(marker="score"), UNTIL)
    both = twin.quality_adjusted_time(Quality(marker="score", utilities={"alive": 0.5}), UNTIL)
    assert value(both) == pytest.approx(0.5 * value(alone), rel=2e-7)


@pytest.mark.parametrize("day", [100.0, 333.3])
def test_a_score_steps_on_the_very_day_of_a_scenario(twin_of: TwinOf, day: float) -> None:
    rates = {"alive->dead": 0.0, "alive->start:surgery": 0.002}
    twin = scored(twin_of(TREATABLE, rates), [(80.0, 0.0, -20.0)])
    soon, never = Scenario.start("surgery", day=day), Scenario.none("surgery")
    score = Quality(marker="score")
    treated = twin.quality_adjusted_time(score, UNTIL, scenario=soon)
    assert value(treated) == pytest.approx(0.8 * day + 0.6 * (UNTIL - day), rel=1e-7)
    untreated = twin.quality_adjusted_time(score, UNTIL, scenario=never)
    assert value(untreated) == pytest.approx(0.8 * UNTIL, rel=1e-7)
    gap = twin.contrast(soon, never, UNTIL, quality=score)
    lost = value(gap, "quality_adjusted_time_difference")
    assert lost == pytest.approx(-0.2 * (UNTIL - day), rel=1e-6)
    assert value(gap, "rmst_difference") == pytest.approx(0.0, abs=1e-3)


def test_every_draw_of_the_score_goes_with_its_own_hazard(twin_of: TwinOf) -> None:
    """Where the ill die sooner, the mean of products is not the product of means."""
    scatter, levels = np.array([0.5, 1.0, 2.0]), np.array([90.0, 60.0, 20.0])
    twin = twin_of(alive_dead(), {"alive->dead": RATE}, scatter=scatter)
    twin = scored(twin, [(level, 0.0, 0.0) for level in levels])
    result = twin.quality_adjusted_time(Quality(marker="score"), UNTIL, draws=True)
    rates = RATE * scatter
    exact = levels / 100.0 * -np.expm1(-rates * UNTIL) / rates
    np.testing.assert_allclose(result["quality_adjusted_time_draws"][0], exact, atol=0.5)


def test_where_the_hazard_follows_the_score_every_draw_is_what_quadrature_finds(
    joint_fit: Fit,
) -> None:
    """Straight log bilirubin, from 20 mg/dl down to 0.5, and a hazard that rises with it."""
    posterior = joint_fit.datatree["posterior"].to_dataset().stack(sample=("chain", "draw"))
    assert joint_fit.learnt.curves is not None
    centre = joint_fit.learnt.curves.get("bilirubin").centre
    twin = joint_fit.twin("p05", at=2.0 * DAYS_PER_YEAR).as_drawn()
    first, later = twin.curves(0).marker("bilirubin", np.array([2.0, 3.0]) * DAYS_PER_YEAR)
    years = np.linspace(0.0, 3.0, 4001)
    line = first + (later - first) * years[:, None]
    hazard = (
        0.1
        * twin.ratios(0).hazard[0]
        * np.exp(posterior["association"].to_numpy()[0] * (line - centre))
    )
    steps = 0.5 * (hazard[1:] + hazard[:-1]) * np.diff(years)[:, None]
    alive = np.exp(-np.concatenate([np.zeros((1, line.shape[1])), np.cumsum(steps, axis=0)]))
    share = np.clip((np.exp(line) - 20.0) / (0.5 - 20.0), 0.0, 1.0)
    exact = np.trapezoid(alive * share, years, axis=0) * DAYS_PER_YEAR
    result = twin.quality_adjusted_time(
        Quality(marker="bilirubin", scale=(20.0, 0.5)), 3.0 * DAYS_PER_YEAR, draws=True
    )
    found = result["quality_adjusted_time_draws"].to_numpy()[0]
    assert exact.std() > 50.0
    np.testing.assert_allclose(found, exact, atol=0.5)
    assert value(result) == pytest.approx(exact.mean(), abs=0.1)


def test_uncertain_weights_have_their_mean_and_deviation_and_are_the_same_for_all(
    registry: Twin,
) -> None:
    uncertain = Quality(
        utilities={"induction": 0.5, "remission": (0.8, 0.1), "relapse": (0.4, 0.2)}
    )
    held = uncertain.weights(registry).state
    states = registry.spec.graph.states
    for state, mean, sd in (("remission", 0.8, 0.1), ("relapse", 0.4, 0.2)):
        draws = held[states.index(state)]
        assert draws.mean() == pytest.approx(mean, abs=1e-3)
        assert draws.std() == pytest.approx(sd, rel=0.02)
    both = np.corrcoef(held[states.index("remission")], held[states.index("relapse")])
    assert abs(both[0, 1]) < 0.25  # 200 draws
    same = registry.contrast(START, START, UNTIL, quality=uncertain)
    np.testing.assert_array_equal(same["quality_adjusted_time_difference_upper"], 0.0)


def test_a_contrast_is_the_difference_of_two_calls_draw_by_draw(registry: Twin) -> None:
    grid = [365.0, 1000.0]
    both = Quality(marker="global_health", utilities=dict.fromkeys(LIVING, (0.7, 0.1)))
    a, b = (  # day 120 is a node of the time grid in either case
        registry.quality_adjusted_time(both, 1000.0, grid, scenario=s, draws=True)
        for s in (Scenario.start(TRANSPLANT, day=120), NEVER)
    )
    gain = (a - b)["quality_adjusted_time_draws"].to_numpy()
    contrast = registry.contrast(
        Scenario.start(TRANSPLANT, day=120), NEVER, 1000.0, grid, quality=both
    )
    assert np.abs(gain).max() > 1.0
    bounds = np.quantile(gain, [0.05, 0.95], axis=1)
    for name, wanted in (("", gain.mean(axis=1)), ("_lower", bounds[0]), ("_upper", bounds[1])):
        got = contrast[f"quality_adjusted_time_difference{name}"]
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(
            contrast[f"quality_adjusted_time_a{name}"], a[f"quality_adjusted_time{name}"], rtol=1e-6
        )
    groups = registry.cohort.patients["subgroup"].to_numpy()
    for group in contrast["subgroup"].to_numpy():
        mean = gain[groups == group].mean(axis=0)
        at = contrast.sel(subgroup=group)
        stem = "subgroup_quality_adjusted_time_difference"
        assert float(at[stem]) == pytest.approx(mean.mean(), rel=1e-5, abs=1e-3)
        assert float(at[f"{stem}_upper"]) == pytest.approx(
            np.quantile(mean, 0.95), rel=1e-5, abs=1e-3
        )
    overall = float(contrast["overall_quality_adjusted_time_difference"])
    assert overall == pytest.approx(gain.mean(), rel=1e-5, abs=1e-3)


def test_a_contrast_without_quality_has_none_and_is_else_the_same(registry: Twin) -> None:
    plain = registry.contrast(START, NEVER, UNTIL)
    asked = registry.contrast(START, NEVER, UNTIL, quality=SCORE)
    assert "quality" not in plain.attrs
    assert asked.attrs["quality"] == "global_health (0 counts 0, 100 counts 1)"
    added = [name for name in asked if "quality_adjusted" in str(name)]
    assert len(added) == 3 * 5
    xr.testing.assert_equal(asked.drop_vars(added), plain)


def test_a_patient_alone_and_in_a_batch_are_the_same_to_the_last_bit(registry_fit: Fit) -> None:
    ids = list(registry_fit.cohort.patient_ids[:5])
    uncertain = replace(SCORE, utilities=dict.fromkeys(LIVING, (0.7, 0.1)))
    many = registry_fit.twin(ids, at=60.0)
    for k, patient in ((0, ids[0]), (3, ids[3])):
        alone = registry_fit.twin(patient, at=60.0)
        for one, all_of_them in (
            (
                alone.quality_adjusted_time(uncertain, UNTIL, draws=True),
                many.quality_adjusted_time(uncertain, UNTIL, draws=True),
            ),
            (
                alone.contrast(START, NEVER, UNTIL, quality=uncertain),
                many.contrast(START, NEVER, UNTIL, quality=uncertain),
            ),
        ):
            for name in one:
                if one[name].dims[:1] == ("patient",):
                    np.testing.assert_array_equal(one[name][0], all_of_them[name][k])


def test_nothing_after_the_landmark_changes_anything(registry_fit: Fit) -> None:
    cohort = registry_fit.cohort.select(list(registry_fit.cohort.patient_ids[:5]))
    visits = cohort.visits
    assert visits is not None
    later = visits["day"] > 60.0
    assert later.any()
    seen = visits["marker"] == "global_health"
    changed = replace(cohort, visits=visits.assign(value=visits["value"].mask(later & seen, 3.0)))
    one, two = (
        registry_fit.twin(c, at=60.0).quality_adjusted_time(SCORE, UNTIL) for c in (cohort, changed)
    )
    xr.testing.assert_identical(one, two)


def test_an_updated_twin_is_the_twin_of_the_longer_record(registry_fit: Fit) -> None:
    visits = registry_fit.cohort.visits
    assert visits is not None
    mine = visits[(visits["marker"] == "global_health") & (visits["day"] > 60.0)]
    patient = str(mine["patient_id"].iloc[0])
    new = mine[mine["patient_id"] == patient].iloc[:1]
    updated = registry_fit.twin(patient, at=60.0).update(new.assign(value=2.0))
    before = registry_fit.twin(patient, at=60.0).quality_adjusted_time(SCORE, 500.0)
    after = updated.quality_adjusted_time(SCORE, 500.0)
    share = [value(x) / value(x, "rmst") for x in (before, after)]
    assert share[1] < share[0]  # a bad answer


def test_the_dead_have_no_quality(registry_fit: Fit) -> None:
    events = registry_fit.cohort.events
    dead = events.loc[events["event"] == "death", "patient_id"].iloc[0]
    result = registry_fit.twin(dead).quality_adjusted_time(SCORE, UNTIL)
    for name in ("quality_adjusted_time_upper", "quality_adjusted_survival_upper", "rmst"):
        np.testing.assert_array_equal(result[name], 0.0)


_weight = st.floats(0.0, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.tuples(_weight, _weight), st.tuples(_weight, _weight), st.floats(-50.0, 150.0))
def test_more_quality_is_never_less_time(
    twin_of: TwinOf, one: tuple[float, float], two: tuple[float, float], level: float
) -> None:
    twin = twin_of(ILLNESS_DEATH, {"well->ill": 0.004, "well->dead": 0.001, "ill->dead": 0.003})
    twin = scored(twin, [(level, 5.0, 0.0)])
    low, high = np.minimum(one, two), np.maximum(one, two)
    less, more = (
        twin.quality_adjusted_time(
            Quality(marker="score", utilities=dict(zip(("well", "ill"), w.tolist(), strict=True))),
            700.0,
            2,
        )
        for w in (low, high)
    )
    assert 0.0 <= value(less) <= value(more) <= value(more, "rmst") * (1 + 1e-6)
    again = twin.quality_adjusted_time(
        Quality(utilities={"well": 1.0, "ill": 1.0}), 900.0, [700.0, 900.0]
    )
    assert value(again) >= value(more) - 1e-3


def test_the_dataset_says_what_it_is(registry: Twin) -> None:
    result = registry.quality_adjusted_time(SCORE, UNTIL, 12, scenario=NEVER, interval=0.8)
    assert dict(result["quality_adjusted_survival"].sizes) == {"patient": 6, "time": 13}
    for name in ("quality_adjusted_time", "quality_adjusted_time_upper", "rmst"):
        assert result[name].dims == ("patient",)
        assert result[name].attrs["units"] == "days"
    assert "units" not in result["quality_adjusted_survival"].attrs
    assert "quality_adjusted_time_draws" not in result
    assert result.attrs["interval_probability"] == 0.8
    assert result.attrs["scenario"] == NEVER.label
    assert result.attrs["quality"] == "global_health (0 counts 0, 100 counts 1)"
    assert result.attrs["verdict"] == "not for use"
