"""Events that are only known to lie between two days, against integrals in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, linalg

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import CohortError, ModelError
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    EventProcess,
    PiecewiseConstant,
    StateGraph,
    Term,
    TimeVarying,
    Transition,
)
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.twin import Twin
from twinbayes.twin.population.hazards import Population

Row = tuple[str, float, str, float | None]
GRAPH = StateGraph(
    states=("well", "ill", "worse", "dead"),
    transitions=(
        Transition(
            source="well", target="ill", event="progression", baseline=PiecewiseConstant(windows=1)
        ),
        Transition(
            source="well", target="dead", event="death", baseline=PiecewiseConstant(windows=1)
        ),
        Transition(
            source="ill", target="worse", event="second", clock="entry",
            baseline=PiecewiseConstant(windows=1),
        ),
        Transition(
            source="ill", target="dead", event="death", clock="entry",
            baseline=PiecewiseConstant(windows=2),
        ),
        Transition(
            source="worse", target="dead", event="death", clock="entry",
            baseline=PiecewiseConstant(windows=1),
        ),
    ),
)  # fmt: skip
RATE = np.array([[3e-3, 3e-3], [1e-3, 1e-3], [2e-3, 2e-3], [4e-3, 9e-3], [6e-3, 6e-3]])
EDGES = tuple(
    np.array([0.0, np.inf]) if k != 3 else np.array([0.0, 60.0, np.inf]) for k in range(5)
)


def cohort_of(events: Sequence[Row], **covariates: list[float]) -> Cohort:
    ids = list(dict.fromkeys(row[0] for row in events))
    patients = pd.DataFrame({"patient_id": ids, "subgroup": "all", "centre": "all", **covariates})
    table = pd.DataFrame(events, columns=["patient_id", "day", "event", "day_lower"])
    variables = pd.DataFrame(
        [(name, "patients", "covariate", "treatment") for name in covariates],
        columns=["name", "table", "role", "group"],
    )
    return cohort_from_tables(
        "by hand", {"patients": patients, "events": table, "variables": variables}, simulated=True
    )


def log_likelihood(
    cohort: Cohort, process: EventProcess | None = None, effect: np.ndarray | None = None
) -> np.ndarray:
    """(patient,) under the rates above, and (effect, subgroup) log hazard ratios."""
    process = process or EventProcess(graph=GRAPH)
    encoding = process.plan(cohort).encoding
    plan = process.plan_like(cohort, encoding, EDGES)
    zeros = np.zeros((len(plan.data.shift), 5))
    acting = np.zeros((0, 1)) if effect is None else effect
    parameters = (np.log(RATE), np.log(RATE), zeros, acting, np.zeros(0), np.zeros(0))
    out = np.empty(cohort.n_patients)
    gradients = [np.empty_like(x) for x in parameters]
    event_loglik(*parameters, np.ones(len(out)), *plan.data.pack(), *gradients, out)
    return out


def hazard_of_the_ill(days: float) -> float:
    return float(RATE[3, 0] if days <= 60.0 else RATE[3, 1])


def survival_of_the_ill(days: float) -> float:
    cumulative = (
        RATE[2, 0] * days + RATE[3, 0] * min(days, 60.0) + RATE[3, 1] * max(days - 60.0, 0.0)
    )
    return float(np.exp(-cumulative))


def survival_of_the_well(days: float) -> float:
    return float(np.exp(-(RATE[0, 0] + RATE[1, 0]) * days))


def test_a_progression_between_two_visits_has_the_probability_of_the_interval() -> None:
    cohort = cohort_of(
        [
            ("a", 200.0, "progression", 110.0), ("a", 230.0, "death", None),
            ("b", 90.0, "progression", 0.0), ("b", 120.0, "last_contact", None),
            ("c", 90.0, "progression", None), ("c", 120.0, "last_contact", None),
            ("d", 50.0, "death", None),
        ]
    )  # fmt: skip

    def dead(t: float) -> float:
        stay = 230.0 - t
        own = survival_of_the_ill(stay) * hazard_of_the_ill(stay)
        return survival_of_the_well(t) * RATE[0, 0] * own

    def alive(t: float) -> float:
        return survival_of_the_well(t) * RATE[0, 0] * survival_of_the_ill(120.0 - t)

    kink = 230.0 - 60.0
    a = integrate.quad(dead, 110.0, kink)[0] + integrate.quad(dead, kink, 200.0)[0]
    b = integrate.quad(alive, 0.0, 60.0)[0] + integrate.quad(alive, 60.0, 90.0)[0]
    found = log_likelihood(cohort)
    # The hazard of the ill jumps within the interval: the rule is as good as it is smooth.
    assert found[0] == pytest.approx(np.log(a), abs=0.03)
    assert found[1] == pytest.approx(np.log(b), abs=2e-3)
    assert found[2] == pytest.approx(np.log(alive(90.0)), abs=1e-12)
    assert found[3] == pytest.approx(np.log(survival_of_the_well(50.0) * RATE[1, 0]), abs=1e-12)


def test_courses_of_carriers_have_the_effects_of_their_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[Row] = [
        ("a", 200.0, "progression", 110.0), ("a", 230.0, "death", None),
        ("b", 200.0, "progression", 110.0), ("b", 230.0, "death", None),
        ("c", 90.0, "progression", 0.0), ("c", 120.0, "last_contact", None),
    ]  # fmt: skip
    cohort = cohort_of(rows, arm=[1.0, 0.0, 1.0])
    process = EventProcess(
        graph=GRAPH,
        covariates=(Term(name="arm", group="treatment", transform="binary"),),
        time_varying=(TimeVarying(of="arm", on="ill->dead"),),
    )
    found = log_likelihood(cohort, process, np.log([[2.0], [0.5]]))
    assert found[1] == pytest.approx(log_likelihood(cohort)[1], abs=1e-12)
    monkeypatch.setitem(globals(), "RATE", RATE * np.where(np.arange(5)[:, None] == 3, [2, 0.5], 1))
    np.testing.assert_allclose(found[[0, 2]], log_likelihood(cohort)[[0, 2]], atol=1e-12)
    assert abs(found[0] - found[1]) > 0.1


def test_two_open_events_are_integrated_over_both() -> None:
    cohort = cohort_of(
        [
            ("a", 40.0, "progression", 10.0), ("a", 60.0, "second", 45.0),
            ("a", 90.0, "death", None),
        ]
    )  # fmt: skip

    def density(second: float, first: float) -> float:
        path = survival_of_the_well(first) * RATE[0, 0]
        path *= survival_of_the_ill(second - first) * RATE[2, 0]
        return float(path * np.exp(-RATE[4, 0] * (90.0 - second)) * RATE[4, 0])

    right = integrate.dblquad(density, 10.0, 40.0, 45.0, 60.0)[0]
    assert log_likelihood(cohort)[0] == pytest.approx(np.log(right), abs=1e-9)


def test_everything_but_the_likelihood_dates_events_in_the_middle() -> None:
    rows: list[Row] = [("a", 200.0, "progression", 100.0), ("a", 230.0, "death", None)]
    cohort = cohort_of(rows)
    plan = EventProcess(graph=GRAPH).plan(cohort)
    assert [e.stop for e in plan.histories.episodes] == [150.0, 230.0]
    dated = cohort.dated()
    assert dated.events["day"].tolist() == [150.0, 230.0]
    assert not dated.has_intervals
    assert dated.dated() is dated
    # What was found on day 200 is not known the day before.
    assert cohort.until(199.0).events["event"].tolist() == ["last_contact"]


def test_intervals_survive_writing_and_reading(tmp_path: object) -> None:
    rows: list[Row] = [("a", 200.0, "progression", 100.5), ("a", 230.0, "death", None)]
    cohort = cohort_of(rows)
    again = tb.read_cohort(cohort.write(f"{tmp_path}/cohort"))
    assert again.fingerprint == cohort.fingerprint
    assert again.has_intervals
    none = cohort_of([("a", 200.0, "progression", None), ("a", 230.0, "death", None)])
    assert "day_lower" not in none.events


def test_a_twin_takes_an_event_between_two_days_and_the_record_says_the_same() -> None:
    cohort = tb.datasets.registry()
    relapse = cohort.events[cohort.events["event"] == "relapse"].iloc[0]
    who, day = str(relapse["patient_id"]), float(relapse["day"])
    spec = tb.disease("registry")
    learnt = spec.plan(cohort).learnt
    draws = sample_priors(spec, cohort, draws=10, seed=2)
    population = Population.from_posterior(draws, learnt.encoding, learnt.edges)
    before = cohort.select([who]).until(day - 1)
    twin = Twin.at_landmark(spec, learnt, (population, None), before, None, True)
    row = pd.DataFrame({"day": [day], "event": ["relapse"], "day_lower": [day - 10]})
    (present,) = twin.update(events=row).present
    assert (present.state, present.entry) == ("relapse", day - 5)
    dated = twin.update(events=row.drop(columns="day_lower"))
    assert "day_lower" not in dated.cohort.events
    assert dated.cohort.fingerprint == cohort.select([who]).until(day).fingerprint
    blank = twin.update(events=row.assign(day_lower=np.nan))
    assert blank.cohort.fingerprint == dated.cohort.fingerprint
    with pytest.raises(CohortError, match="day_lower is not before day"):
        twin.update(events=row.assign(day_lower=day + 1))


def test_more_open_events_than_the_rule_can_take_are_refused() -> None:
    graph = StateGraph(
        states=tuple("abcdef"),
        transitions=tuple(
            Transition(source=a, target=b, event=f"to_{b}")
            for a, b in zip("abcde", "bcdef", strict=True)
        ),
    )
    rows: list[Row] = [("p", 10.0 * k + 5, f"to_{s}", 10.0 * k) for k, s in enumerate("bcde")]
    with pytest.raises(ModelError, match="up to 4 events with a day_lower; at most 3"):
        EventProcess(graph=graph).plan(cohort_of([*rows, ("p", 60.0, "last_contact", None)]))


STAGES = ("mild", "moderate", "severe")


def stages(*moves: tuple[str, str]) -> StateGraph:
    return StateGraph(
        states=STAGES,
        transitions=tuple(Transition(source=a, target=b, event=f"to_{b}") for a, b in moves),
    )


CIRCLE = stages(("mild", "moderate"), ("moderate", "mild"), ("moderate", "severe"))


@pytest.mark.parametrize("moves", [2, 4])
def test_stages_that_come_and_go_between_visits_are_refused_as_panel_data(moves: int) -> None:
    kinds = ("to_moderate", "to_mild") * 2
    rows: list[Row] = [
        (p, 90.0 * (k + 1), kinds[k], 90.0 * k) for p in ("a", "b") for k in range(moves)
    ]
    rows += [(p, 500.0, "last_contact", None) for p in ("a", "b")]
    with pytest.raises(ModelError) as caught:
        EventProcess(graph=CIRCLE).plan(cohort_of(rows))
    message = str(caught.value)
    assert "mild->moderate, moderate->mild lead in a circle" in message
    assert "severe" not in message
    assert "panel data are not supported" in message
    assert "would bias the hazards" in message
    assert "exact days" in message
    # With one of the two moves dated, nobody can go round unseen.
    dated = [(p, day, kind, None if kind == "to_mild" else low) for p, day, kind, low in rows]
    EventProcess(graph=CIRCLE).plan(cohort_of(dated))


def test_what_a_circle_leaves_out_between_two_visits_is_a_seventh_of_the_probability() -> None:
    rate, days = 0.01, 100.0
    generator = np.array([[-rate, rate], [rate, -rate]])
    all_paths = linalg.expm(days * generator)[0, 1]
    recorded = integrate.quad(
        lambda t: rate * np.exp(-rate * t) * np.exp(-rate * (days - t)), 0.0, days
    )[0]
    assert all_paths == pytest.approx(0.5 * (1.0 - np.exp(-2.0 * rate * days)), abs=1e-12)
    assert recorded / all_paths == pytest.approx(0.851, abs=1e-3)


def test_more_open_events_than_can_be_integrated_over_are_refused_with_the_patients() -> None:
    line = StateGraph(
        states=tuple("abcdef"),
        transitions=tuple(
            Transition(source=s, target=t, event=f"to_{t}") for s, t in pairwise("abcdef")
        ),
    )
    rows: list[Row] = [("p", 50.0, "last_contact", None)]
    for who in "qrstuv":
        rows += [(who, 90.0 * (k + 1), f"to_{t}", 90.0 * k) for k, t in enumerate("bcdef")]
        rows.append((who, 500.0, "last_contact", None))
    with pytest.raises(ModelError) as caught:
        EventProcess(graph=line).plan(cohort_of(rows))
    message = str(caught.value)
    assert "6 patient(s) have up to 5 events with a day_lower; at most 3" in message
    assert "number in the cohort: 2, 3, 4, 5, 6, …" in message
    assert "would bias the hazards" in message
    assert "Date the others" not in message
