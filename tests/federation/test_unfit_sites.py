"""What a fit refuses of a cohort, a site refuses in the same words, before anything leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from federation_study import SITES, secret_of
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import FederationError, ModelError
from twinbayes.federation import Disclosure, Message, Study, answer, next_step
from twinbayes.model import (
    Association,
    Binary,
    EventProcess,
    ModelSpec,
    Since,
    StateGraph,
    Trajectories,
    Trajectory,
    Transition,
    Weibull,
)

type Case = tuple[ModelSpec, Cohort]


def refusal_of_a_fit(spec: ModelSpec, cohort: Cohort) -> str:
    with pytest.raises(ModelError) as refused:
        spec.plan(cohort)
    return str(refused.value)


def refusal_of_a_site(spec: ModelSpec, cohort: Cohort, store: Path) -> str:
    study = Study(spec, SITES, draws=400)
    question = next_step(study, [], store).questions[0]
    with pytest.raises(FederationError) as refused:
        answer(question, cohort, disclosure=Disclosure(secret_of(question.receiver)))
    return str(refused.value)


def late_entries(name: str) -> Case:
    """Two patients come under observation on day 3, when nothing had happened."""
    spec = tb.disease(name)
    whole = synthetic_cohort(spec, n_patients=30, seed=1)
    first = whole.events.groupby("patient_id")["day"].min()
    some = set(first[first > 3.0].index[:2])
    late = whole.patients["patient_id"].isin(some)
    patients = whole.patients.assign(entry_day=late * 3.0)
    return spec, cohort_from_tables("late", {**whole.tables, "patients": patients})


def ill_and_dead(**of_illness: object) -> ModelSpec:
    illness = Transition(source="well", target="ill", event="illness")
    death = Transition(source="ill", target="dead", event="death", **of_illness)  # type: ignore[arg-type]
    graph = StateGraph(states=("well", "ill", "dead"), transitions=(illness, death))
    events = EventProcess(graph=graph)
    return ModelSpec(name="ill", title="Ill", priors="pbc", events=events)


def on_one_day() -> Cohort:
    """Nobody but one patient falls ill and dies on one day."""
    ids = [f"p{k}" for k in range(8)]
    first = pd.DataFrame({"patient_id": ids, "day": 20.0, "event": "illness"})
    second = pd.DataFrame({"patient_id": ids, "day": [20.0, *[90.0] * 7], "event": "death"})
    visits = pd.DataFrame({
        "patient_id": ids * 2, "day": [0.0] * 8 + [10.0] * 8, "marker": "bilirubin",
        "value": [1.0, 2.0] * 8, "censored": "none",
    })  # fmt: skip
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": "one", "centre": "here"}),
        "events": pd.concat([first, second]).sort_values(["patient_id", "day"]),
        "visits": visits,
        "variables": pd.DataFrame([
            {"name": "bilirubin", "table": "visits", "role": "marker", "group": "m", "unit": "1"}
        ]),
    }  # fmt: skip
    return cohort_from_tables("one day", tables)


def sudden_death() -> Case:
    return ill_and_dead(baseline=Weibull(), clock="entry"), on_one_day()


def sudden_death_that_follows_a_curve() -> Case:
    association = Association(marker="bilirubin", transitions=("ill->dead",))
    curves = Trajectories(markers=(Trajectory(marker="bilirubin"),))
    return replace(ill_and_dead(), trajectories=curves, associations=(association,)), on_one_day()


def values_that_are_neither_yes_nor_no() -> Case:
    curves = Trajectories(markers=(Trajectory(marker="bilirubin", family=Binary()),))
    return replace(ill_and_dead(), trajectories=curves), on_one_day()


@pytest.mark.parametrize(
    "case",
    [
        lambda: late_entries("pbc"),
        lambda: late_entries("cgd"),
        sudden_death,
        sudden_death_that_follows_a_curve,
        values_that_are_neither_yes_nor_no,
    ],
    ids=["late, with a curve", "late, with a frailty", "sudden", "sudden, with a curve", "values"],
)
def test_a_site_refuses_what_a_fit_refuses(case: Callable[[], Case], tmp_path: Path) -> None:
    spec, cohort = case()
    words = refusal_of_a_fit(spec, cohort)
    assert refusal_of_a_site(spec, cohort, tmp_path) == (
        f"The site's cohort does not fit the study: {words}"
    )


def test_events_between_two_days_beside_curves_are_refused_by_a_site(tmp_path: Path) -> None:
    open_course = replace(
        sudden_death_that_follows_a_curve()[0], associations=(), name="between days"
    )
    cohort = on_one_day()
    days = cohort.events["day"].where(cohort.events["event"] == "illness") - 5.0
    events = cohort.events.assign(day_lower=days)
    between = cohort_from_tables("between", {**cohort.tables, "events": events})
    assert "dated by visits that bracket them" in refusal_of_a_site(open_course, between, tmp_path)


@pytest.mark.parametrize("end", ["death", "last_contact"])
def test_a_curve_does_not_turn_when_the_record_ends(end: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"cannot turn since '{end}': the record ends there"):
        Since(what=end)
    curve = Trajectory(marker="bilirubin", turns=(Since(what="relapse"),))
    curves = Trajectories(markers=(curve,))
    study = Study(replace(tb.disease("pbc"), trajectories=curves), SITES, draws=400)
    question = next_step(study, [], tmp_path).questions[0]
    other = question.to_bytes().replace(b'"relapse"', f'"{end}"'.encode())
    asked = Message.from_bytes(other)
    with pytest.raises(FederationError, match=f"cannot turn since '{end}'"):
        answer(asked, on_one_day(), disclosure=Disclosure(secret_of(question.receiver)))
