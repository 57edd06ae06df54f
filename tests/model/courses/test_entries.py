"""Late entry: time at risk begins there, in the state of the record; the rest is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import twinbayes as tb
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import CohortError, ModelError, TwinError
from twinbayes.estimators import aalen_johansen
from twinbayes.inference.fitting import compile_fit
from twinbayes.model import (
    Association,
    Complete,
    EventProcess,
    ModelSpec,
    PiecewiseConstant,
    StateGraph,
    Trajectories,
    Trajectory,
    Transition,
)
from twinbayes.model.courses.history import trace_histories

ONE = PiecewiseConstant(windows=1)
type Row = tuple[str, float, str]


def graph(clock: str = "origin") -> StateGraph:
    return StateGraph(
        states=("early", "late", "dead"),
        transitions=(
            Transition(source="early", target="late", event="progression", baseline=ONE),
            Transition(source="early", target="dead", event="death", baseline=ONE),
            Transition(source="late", target="dead", event="death", clock=clock, baseline=ONE),
        ),
    )


def spec_of(clock: str = "origin") -> ModelSpec:
    events = EventProcess(graph=graph(clock), subgroup=Complete(), centre=Complete())
    return ModelSpec(name="stages", title="Stages", priors="registry", events=events)


def cohort_of(
    events: list[Row], entry: dict[str, float] | None = None, state: dict[str, str] | None = None,
    **tables: pd.DataFrame,
) -> Cohort:  # fmt: skip
    ids = list(dict.fromkeys(p for p, _, _ in events))
    patients = pd.DataFrame({"patient_id": ids, "subgroup": "one", "centre": "one"})
    if entry is not None:
        patients["entry_day"] = patients["patient_id"].map(entry)
    if state is not None:
        patients["entry_state"] = patients["patient_id"].map(state)
    every = {
        "patients": patients,
        "events": pd.DataFrame(events, columns=["patient_id", "day", "event"]),
        "variables": pd.DataFrame(columns=["name", "table", "role", "group"]),
        **tables,
    }
    return cohort_from_tables("stages", every, simulated=True)


@pytest.mark.requirement("R-025")
def test_time_at_risk_begins_at_the_entry() -> None:
    cohort = cohort_of(
        [("a", 300, "progression"), ("a", 500, "death"), ("b", 100, "progression"),
         ("b", 400, "death"), ("c", 250, "last_contact")],
        entry={"a": 120, "b": 200},
    )  # fmt: skip
    found = trace_histories(graph(), cohort)
    assert [(e.patient, e.state, e.start, e.stop, e.exit) for e in found.episodes] == [
        (0, "early", 120, 300, 0), (0, "late", 300, 500, 2),
        (1, "late", 200, 400, 2),
        (2, "early", 0, 250, -1),
    ]  # fmt: skip
    assert found.set_aside.empty
    assert [e.entry for e in found.episodes] == [0, 300, 100, 0]


def test_a_state_of_entry_is_where_the_patient_starts() -> None:
    cohort = cohort_of(
        [("a", 300, "death"), ("b", 90, "progression"), ("b", 400, "last_contact")],
        entry={"a": 50}, state={"a": "late"},
    )  # fmt: skip
    found = trace_histories(graph(), cohort)
    assert [(e.patient, e.state, e.start, e.stop, e.entry) for e in found.episodes] == [
        (0, "late", 50, 300, 50), (1, "early", 0, 90, 0), (1, "late", 90, 400, 90),
    ]  # fmt: skip


def simulated(n: int, seed: int) -> tuple[list[Row], dict[str, float], np.ndarray]:
    """Exponential deaths, seen by who lives until a day of entry of the patient's own."""
    rng = np.random.default_rng(seed)
    death, entry = rng.exponential(400.0, 6 * n), rng.uniform(0.0, 500.0, 6 * n)
    seen = np.flatnonzero(death > entry)[:n]
    end = np.minimum(death, 900.0)
    rows = [(f"p{k}", float(end[k]), "death" if death[k] < 900 else "last_contact") for k in seen]
    return rows, {f"p{k}": float(entry[k]) for k in seen}, np.column_stack([entry, end])[seen]


def test_the_likelihood_is_that_of_left_truncated_times() -> None:
    rows, entry, times = simulated(60, 4)
    spec = tb.disease("survival", baseline=ONE).without_covariates("age_years", "sex")
    events = replace(spec.events, subgroup=Complete(), centre=Complete())
    spec = replace(spec, events=events)
    cohort = cohort_of(rows, entry)
    model = tb.assemble(spec, cohort)
    rate = 0.004
    logp = model.compile_logp(vars=model.potentials + model.observed_RVs, sum=True)
    point = model.initial_point()
    (name,) = point
    order = [next(r for r in rows if r[0] == p) for p in cohort.patient_ids]
    died = np.array([event == "death" for _, _, event in order])
    since = np.array([entry[p] for p in cohort.patient_ids])
    end = np.array([day for _, day, _ in order])

    def likelihood(log_rate: float) -> float:
        return float(logp({name: np.full_like(point[name], log_rate)}))

    density = stats.expon(scale=1 / rate)
    exact = np.where(died, density.logpdf(end), density.logsf(end)) - density.logsf(since)
    other = stats.expon(scale=1 / 0.002)
    second = np.where(died, other.logpdf(end), other.logsf(end)) - other.logsf(since)
    difference = likelihood(np.log(rate)) - likelihood(np.log(0.002))
    assert difference == pytest.approx(exact.sum() - second.sum(), rel=1e-6)
    assert len(times) == len(order)


def test_occupation_of_who_comes_late_is_that_of_everybody() -> None:
    rows, entry, _ = simulated(4000, 5)
    spec = tb.disease("survival", baseline=ONE).without_covariates("age_years", "sex")
    process = counting_process(compile_fit(spec, cohort_of(rows, entry)))
    days = np.array([100.0, 300.0, 600.0])
    found = aalen_johansen(process, origin=20.0).at(days)[:, 0]
    wanted = np.exp(-(days - 20.0) / 400.0)
    np.testing.assert_allclose(found, wanted, atol=0.04)


def test_rates_are_those_of_the_truth_and_not_of_the_survivors() -> None:
    """Deaths over days at risk: 1/400 a day with entry, far less if days before count."""
    rows, entry, _ = simulated(3000, 6)
    with_entry = trace_histories(tb.disease("survival").graph, cohort_of(rows, entry)).episodes
    without = trace_histories(tb.disease("survival").graph, cohort_of(rows)).episodes
    deaths = sum(e.exit >= 0 for e in with_entry)
    rate = deaths / sum(e.stop - e.start for e in with_entry)
    assert rate == pytest.approx(1 / 400, rel=4 / np.sqrt(deaths))
    assert deaths / sum(e.stop - e.start for e in without) < 0.75 / 400


@pytest.mark.parametrize(
    ("events", "entry", "state", "said"),
    [
        ([("a", 9, "death")], {}, {"a": "lat"}, "meant for 'late'"),
        ([("a", 9, "death")], {}, {"a": "dead"}, "never left: 'dead'"),
        ([("a", 9, "death")], {}, {"a": "somewhere"}, "not known to this disease"),
        (
            [("a", 5, "progression"), ("a", 90, "death")], {"a": 20}, {"a": "late"},
            "up to the entry: one of the two",
        ),
        (
            [("a", 20, "progression"), ("a", 90, "death")], {"a": 20}, {"a": "early"},
            "up to the entry: one of the two",
        ),
    ],
)  # fmt: skip
def test_entries_that_cannot_be_are_refused(
    events: list[Row], entry: dict[str, float], state: dict[str, str], said: str
) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        trace_histories(graph(), cohort_of(events, entry, state))
    assert "'a'" not in str(refused.value)


def test_a_state_whose_clock_nobody_knows_is_refused() -> None:
    rows = [("a", 90.0, "death")]
    with pytest.raises(ModelError, match="which nobody knows"):
        trace_histories(graph("entry"), cohort_of(rows, {"a": 20}, {"a": "late"}))
    trace_histories(graph("entry"), cohort_of(rows, {}, {"a": "late"}))  # from its first day on
    earlier = [("a", 5.0, "progression"), *rows]
    (episode,) = trace_histories(graph("entry"), cohort_of(earlier, {"a": 20})).episodes
    assert (episode.start, episode.entry) == (20, 5)


@pytest.mark.parametrize("day", [100.0, 120.0])
def test_a_record_that_ends_before_the_entry_is_refused(day: float) -> None:
    with pytest.raises(CohortError, match="entry-after-end 1"):
        cohort_of([("a", 100, "death"), ("b", 50, "last_contact")], {"a": day})
    cohort_of([("a", 100, "last_contact")], {"a": 100.0})
    with pytest.raises(CohortError, match="before-origin"):
        cohort_of([("a", 100, "death")], {"a": -1.0})


@pytest.mark.requirement("R-025")
def test_an_event_that_may_lie_before_the_entry_is_refused() -> None:
    cohort = cohort_of([("a", 60, "progression"), ("a", 90, "death")], {"a": 20})
    events = cohort.events.assign(day_lower=[10.0, np.nan])
    open_one = cohort.with_rows({"events": events})
    with pytest.raises(ModelError, match="one before the entry and one after it"):
        spec_of().plan(open_one)


def test_curves_that_move_hazards_are_refused_with_late_entry() -> None:
    visits = pd.DataFrame(
        {"patient_id": ["a", "b"], "day": [30.0, 0.0], "marker": "load", "value": [1.0, 2.0],
         "censored": "none"}
    )  # fmt: skip
    variables = pd.DataFrame([{"name": "load", "table": "visits", "role": "marker"}])
    rows = [("a", 90.0, "death"), ("b", 95.0, "death")]
    cohort = cohort_of(rows, {"a": 20}, visits=visits, variables=variables)
    curves = Trajectories(markers=(Trajectory(marker="load"),))
    moved = (Association(marker="load", transitions=("early->dead",)),)
    with pytest.raises(ModelError, match="which this likelihood does not count"):
        replace(spec_of(), trajectories=curves, associations=moved).plan(cohort)
    replace(spec_of(), trajectories=curves).plan(cohort)


def test_columns_of_entry_that_are_blank_change_nothing() -> None:
    rows = [("a", 90.0, "death"), ("b", 95.0, "death")]
    plain, blank = cohort_of(rows), cohort_of(rows, {}, {})
    assert plain.fingerprint == blank.fingerprint
    assert list(plain.patients.columns) == list(blank.patients.columns)
    assert cohort_of(rows, {"a": 20}).fingerprint != plain.fingerprint


def test_entries_are_written_and_read_back(tmp_path: object) -> None:
    rows = [("a", 90.0, "death"), ("b", 95.0, "death")]
    cohort = cohort_of(rows, {"a": 20}, {"b": "late"})
    again = tb.read_cohort(cohort.write(tmp_path / "cohort"))  # type: ignore[operator]
    assert again.fingerprint == cohort.fingerprint
    assert again.entries[0].tolist() == [20.0, 0.0]
    assert again.entries[1] == (None, "late")


@pytest.fixture(scope="module")
def late_fit() -> tb.Fit:
    rng = np.random.default_rng(8)
    rows: list[Row] = []
    entry, state = {}, {}
    for k in range(80):
        who, first = f"p{k}", float(rng.exponential(300.0)) + 1
        rows += [
            (who, first, "progression"),
            (who, first + float(rng.exponential(200.0)) + 1, "death"),
        ]
        if k % 4 == 0:
            entry[who] = first / 2
    for k in range(80, 90):
        rows.append((f"p{k}", float(rng.exponential(200.0)) + 60, "death"))
        entry[f"p{k}"], state[f"p{k}"] = 50.0, "late"
    return tb.fit(
        spec_of(), cohort_of(rows, entry, state), seed=1, draws=60, tune=100, chains=2,
        until=None, progressbar=False,
    )  # fmt: skip


def test_twins_stand_where_they_came_in(late_fit: tb.Fit) -> None:
    assert late_fit.twin("p80", at=50.0).present[0].state == "late"
    with pytest.raises(TwinError, match="not yet under observation on day 10"):
        late_fit.twin("p80", at=10.0)
    assert late_fit.twin("p0", at=0.0).present[0].state == "early"
    forecast = late_fit.twin("p81", at=60.0).forecast(365.25)
    assert float(forecast["state_probability"].sel(state="early").max()) == 0.0


def test_a_review_of_late_entries_is_whole(late_fit: tb.Fit, tmp_path: object) -> None:
    page = tb.review(late_fit, tmp_path / "review.html")  # type: ignore[operator]
    text = page.read_text(encoding="utf-8")
    assert "NOT FOR USE" in text
    assert "failed: " not in text
