"""Curves that turn on the way, held against paths drawn one by one and against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from path_simulator import draw_paths, lived, turned
from turning_twins import SCORE, TRANSPLANT, drawn_twin, known_twin, one_patient, with_score
from twinbayes.errors import TwinError
from twinbayes.model import (
    Association,
    Normal,
    Since,
    StateGraph,
    Trajectories,
    Trajectory,
    Transition,
)
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Quality, Scenario, Twin

UNTIL = 5 * DAYS_PER_YEAR
QUALITY = Quality(marker=SCORE)
NEVER = Scenario.none(TRANSPLANT)
IN_REMISSION = Scenario.start(TRANSPLANT, day=150, states=("remission",))
TIME_DRAWS = "quality_adjusted_time_draws"
REMISSION = ((45.0, "complete_remission"), (60.0, "last_contact"))
RECORDS = {
    "at diagnosis": ((0.0, "last_contact"),),
    "in remission": REMISSION,
}

ILLNESS_DEATH = StateGraph(
    states=("well", "ill", "dead"),
    transitions=(
        Transition(source="well", target="ill", event="illness"),
        Transition(source="well", target="dead", event="death"),
        Transition(source="ill", target="dead", event="death"),
    ),
)


def share_of(curve: np.ndarray) -> np.ndarray:
    return np.clip(curve / 100.0, 0.0, 1.0)


def assert_as_simulated(twin: Twin, scenario: Scenario, n_paths: int, seed: int) -> None:
    """The quality-adjusted time of the one draw, within two Monte Carlo errors."""
    found = twin.quality_adjusted_time(QUALITY, UNTIL, scenario=scenario, draws=True)
    paths = draw_paths(twin, 0, scenario, UNTIL, 0, n_paths, np.random.default_rng(seed))
    days = lived(twin, paths, share_of(turned(twin, 0, SCORE, 0, paths)))
    error = days.std() / np.sqrt(n_paths)
    assert abs(float(found[TIME_DRAWS][0, 0]) - days.mean()) < 2.0 * error


@pytest.mark.parametrize("scenario", [IN_REMISSION, NEVER, Scenario.policy()])
@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("disease", ["registry", "aml"])
def test_quality_adjusted_time_is_that_of_paths_drawn_one_by_one(
    disease: str, record: str, scenario: Scenario
) -> None:
    twin = drawn_twin(disease, seed=3, events=RECORDS[record])
    assert_as_simulated(twin, scenario, 8000, seed=22)


def test_quality_adjusted_time_after_a_transplant_is_that_of_paths_drawn_one_by_one() -> None:
    assert_as_simulated(drawn_twin("hsct", seed=3), Scenario.policy(), 8000, seed=22)


YEAR = DAYS_PER_YEAR
A, B, C = 1 / 400, 1 / 900, 1 / 250  # well->ill, well->dead, ill->dead, a day
K = A + B - C


def ill_for(days: float, weight: str, rate: float = 0.0) -> float:
    """Integral over the days since illness of their density at `days`, times a function of them."""
    kernel = {
        "one": lambda s: 1.0,
        "days": lambda s: s,
        "approached": lambda s: -np.expm1(-rate * s),
    }[weight]
    out = quad(lambda s: A * np.exp(-(A + B) * days + K * s) * kernel(s), 0.0, days)[0]
    return float(out)


def illness_twin(lines: list[float], turns: list[Since], family: Normal) -> Twin:
    rates = np.tile(np.array([A, B, C])[:, None, None], (1, 3, 1))
    none = np.zeros((0, 1))
    cohort = one_patient([(0.0, "last_contact")])
    twin = known_twin(ILLNESS_DEATH, rates, none[:, None], none, cohort)
    return with_score(twin, np.array([lines]), turns, family=family)


@pytest.mark.parametrize(
    ("turn", "weight", "per_day"),
    [
        (Since(what="illness"), "one", 1.0),
        (Since(what="illness", turn="bend"), "days", 1.0 / YEAR),
        (Since(what="illness", turn="approach", half_time=0.5), "approached", 1.0),
    ],
)
def test_under_constant_hazards_turns_have_their_closed_form(
    turn: Since, weight: str, per_day: float
) -> None:
    """A score of 60 that illness lowers: by 20, by 6 a year, or by 20 in the end."""
    size = -6.0 if turn.turn == "bend" else -20.0
    twin = illness_twin([60.0, 0.0, size], [turn], Normal(floor=-1e3, ceiling=1e3))
    rate = np.log(2.0) / (turn.half_time * YEAR)

    def lived_at(t: float) -> float:
        alive = np.exp(-(A + B) * t) + ill_for(t, "one")
        return 0.6 * alive + size / 100.0 * per_day * ill_for(t, weight, rate)

    exact = quad(lived_at, 0.0, UNTIL, limit=100)[0]
    score = Quality(marker=SCORE, scale=(0.0, 100.0))
    result = twin.quality_adjusted_time(score, UNTIL, [400.0, 1000.0])
    assert float(result["quality_adjusted_time"][0]) == pytest.approx(exact, abs=0.5)
    for k, t in enumerate((400.0, 1000.0)):
        now = float(result["quality_adjusted_survival"][0, k])
        assert now == pytest.approx(lived_at(t), abs=1e-3)
        alive = np.exp(-(A + B) * t) + ill_for(t, "one")
        curve = float(twin.forecast(UNTIL, [400.0, 1000.0])["marker_curve"][0, 0, k])
        assert curve == pytest.approx(100.0 * lived_at(t) / alive, abs=0.15)


def treated_before() -> Twin:
    return drawn_twin("registry", 5, events=REMISSION, treatments=((50.0, TRANSPLANT),))


def never_in_remission() -> Twin:
    twin = drawn_twin("registry", 5)
    held = twin._held[0]
    rate = held.population.rate.copy()
    rate[twin.graph.labels.index("induction->remission")] = 0.0
    twin._held[0] = replace(held, population=replace(held.population, rate=rate))
    return twin


RELAPSED = (*REMISSION[:1], (55.0, "relapse"), (60.0, "last_contact"))
NOBODY = {
    "relapsed": (lambda: drawn_twin("registry", 5, events=RELAPSED), 150.0),
    "relapsed, AML": (lambda: drawn_twin("aml", 5, events=RELAPSED), 150.0),
    "treated before": (treated_before, 150.0),
    "never in remission": (never_in_remission, 150.0),
    "after the horizon": (lambda: drawn_twin("aml", 5, events=REMISSION), 2.0 * UNTIL),
}


@pytest.mark.parametrize("case", NOBODY)
def test_where_nobody_is_treated_in_time_the_contrast_is_nothing(case: str) -> None:
    build, day = NOBODY[case]
    start = Scenario.start(TRANSPLANT, day=day, states=("remission",))
    found = build().contrast(start, NEVER, UNTIL, 10, quality=QUALITY)
    for name in ("quality_adjusted_time_difference", "rmst_difference", "survival_difference"):
        for end in ("", "_lower", "_upper"):
            np.testing.assert_array_equal(found[name + end], 0.0)


def test_a_treatment_that_only_hurts_the_score_costs_no_more_than_those_treated_live() -> None:
    """The step of a transplant is charged to those in remission on its day, and to nobody else."""
    twin = drawn_twin("registry", 8)
    held = twin._held[0]
    unharmed = replace(held.ratios, effect=np.ones_like(held.ratios.effect))
    twin._held[0] = replace(held, ratios=unharmed)
    found = twin.contrast(IN_REMISSION, NEVER, UNTIL, [150.0], quality=QUALITY)
    now = twin.forecast(UNTIL, [150.0], scenario=NEVER)["state_probability"]
    treated = float(now.sel(state="remission")[0, 0])
    lost = -float(found["quality_adjusted_time_difference"][0])
    step = -float(twin.curves(0).coefficients[0, -1]) / 100.0
    assert 0.0 < lost < treated * step * (UNTIL - 150.0)
    assert float(found["rmst_difference"][0]) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("transform", ["identity", "log"])
def test_marker_curves_are_means_of_those_alive_under_the_scenario(transform: str) -> None:
    """A geometric mean where the marker is logged."""
    rng = np.random.default_rng(3)
    lines = np.array([[3.0, -0.5, 0.6, 0.8, -0.7]])
    turns = [
        Since(what="relapse"),
        Since(what="relapse", turn="bend"),
        Since(what=TRANSPLANT),
    ]
    twin = with_score(
        drawn_twin("registry", 4, events=REMISSION), lines, turns, family=Normal(),
        transform=transform,
    )  # fmt: skip
    times = np.array([100.0, 300.0, 700.0])
    found = twin.forecast(UNTIL, times, scenario=IN_REMISSION)["marker_curve"][0, 0].to_numpy()
    paths = draw_paths(twin, 0, IN_REMISSION, 800.0, 0, 20000, rng)
    curve = turned(twin, 0, SCORE, 0, paths)
    alive = ~np.isin(paths.state, twin.chart.fatal)
    for t, got in zip(times, found, strict=True):
        k = np.searchsorted(paths.times, 60.0 + t)
        mine = curve[k][alive[k]]
        error = mine.std() / np.sqrt(len(mine))
        value = np.log(got) if transform == "log" else got
        assert abs(value - mine.mean()) < 2.0 * error + 0.01


def test_measurements_scatter_over_the_paths_of_those_alive() -> None:
    copies = 4000
    one = drawn_twin("registry", 4, events=REMISSION)
    line = one.curves(0).coefficients
    twin = drawn_twin("registry", 4, events=REMISSION, draws=1)
    index = np.zeros(copies, dtype=np.int64)
    twin = replace(twin, population=twin.population.take(index))
    turns = list(one.curves(0).population.learnt.markers[0].turns)
    twin = with_score(twin, np.repeat(line, copies, axis=0), turns, error=5.0)
    found = twin.forecast(UNTIL, [1000.0], scenario=IN_REMISSION, interval=0.8)
    rng = np.random.default_rng(9)
    paths = draw_paths(one, 0, IN_REMISSION, UNTIL, 0, 20000, rng)
    k = np.searchsorted(paths.times, 1060.0)
    alive = ~np.isin(paths.state[k], one.chart.fatal)
    curve = turned(one, 0, SCORE, 0, paths)[k][alive]
    value = np.clip(curve + 5.0 * rng.standard_normal(len(curve)), 0.0, 100.0)
    assert curve.std() > 5.0
    for name, wanted in (("_lower", 0.1), ("_upper", 0.9)):
        got = float(found[f"marker_value{name}"][0, 0, 0])
        assert np.mean(value <= got) == pytest.approx(wanted, abs=0.025)
    assert float(found["marker_value"][0, 0, 0]) == pytest.approx(value.mean(), abs=1.2)


def test_events_that_the_model_takes_for_one_are_refused_where_one_turns_the_curve() -> None:
    graph = replace(
        ILLNESS_DEATH,
        transitions=(
            Transition(source="well", target="ill", event="illness|accident"),
            *ILLNESS_DEATH.transitions[1:],
        ),
    )
    none = np.zeros((0, 1))
    cohort = one_patient([(0.0, "last_contact")])
    twin = known_twin(graph, np.full((3, 3, 1), 1e-3), none[:, None], none, cohort)
    twin = with_score(twin, np.array([[50.0, 0.0, -9.0]]), [Since(what="accident")])
    with pytest.raises(TwinError, match=r"'accident'.*'well->ill'.*transition of its own"):
        twin.forecast(UNTIL)


def test_a_hazard_that_follows_a_curve_that_may_turn_is_refused() -> None:
    twin = drawn_twin("registry", 2, events=REMISSION)
    follows = Association(marker=SCORE, transitions=("remission->relapse",))
    learnt = twin.curves(0).population.learnt.markers[0]
    score = Trajectories(markers=(Trajectory(marker=SCORE, turns=learnt.turns),))
    spec = replace(twin.spec, associations=(follows,), trajectories=score)
    held = twin._held[0]
    assert held.curves is not None
    refused = replace(twin, spec=spec)
    refused._held[0] = replace(held, curves=replace(held.curves, spec=spec))
    with pytest.raises(TwinError, match="follows the curve of 'score', which turns since"):
        refused.forecast(UNTIL)
