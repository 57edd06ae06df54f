"""Events to be expected given the past under a frailty, against integrals by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.model import EventProcess, PiecewiseConstant, StateGraph, Transition
from twinbayes.model.courses.graph import Treatment
from twinbayes.model.courses.intensities import TreatmentStart
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import mean_compensators

FLAT = PiecewiseConstant(windows=1)
RATE = np.array([1 / 500, 1 / 4000, 1e-9])
FRAILTY = np.array([1.0, 0.7, 0.0])


def cohort_of(events: list[tuple[float, str]], start: float | None = None) -> Cohort:
    rows = [("p", day, event) for day, event in events]
    tables = {
        "patients": pd.DataFrame({"patient_id": ["p"], "subgroup": "a", "centre": "c"}),
        "events": pd.DataFrame(rows, columns=["patient_id", "day", "event"]),
        "treatments": pd.DataFrame(
            [("p", start, "drug")] if start is not None else [],
            columns=["patient_id", "start_day", "treatment"],
        ),
        "variables": pd.DataFrame(
            [("drug", "treatments", "treatment")], columns=["name", "table", "role"]
        ),
    }
    return cohort_from_tables("one", tables, simulated=True)


def found(cohort: Cohort, clock: str) -> np.ndarray:
    """(intensity,) expected events of the one patient at the rates above."""
    moves = (
        Transition(source="w", target="w", event="infection|flu", clock=clock, baseline=FLAT),
        Transition(source="w", target="dead", event="death", baseline=FLAT),
    )
    start = TreatmentStart(source="w", treatment="drug", baseline=FLAT)
    graph = StateGraph(
        states=("w", "dead"),
        transitions=moves,
        treatments=(Treatment(name="drug", starts=(start,), effects=()),),
    )
    process = EventProcess(graph=graph, frailty=("w->w", "w->dead"))
    learnt = process.plan(cohort)
    plan = process.plan_like(cohort, learnt.encoding, learnt.edges)
    base = np.log(RATE)[None, :, None]
    draws = EventDraws(
        base, base, np.zeros((1, 2, 3)), np.zeros((1, 0, 1)), np.zeros((1, 0)), np.zeros((1, 0)),
        np.zeros((1, 0)), None, None, FRAILTY[None], 0, 0, 0,
    )  # fmt: skip
    each = mean_compensators(draws, plan.data, plan.rows)
    return np.bincount(plan.data.intensity, each, minlength=3)


def by_hand(days: list[float], last: float) -> np.ndarray:
    """Infections on these days: the mean intensity integrated from one to the next."""
    hazard = RATE * np.exp(0.0)

    def mean(e: int, count: int, t: float) -> float:
        def density(b: float) -> float:
            lost = sum(hazard[k] * t * np.exp(FRAILTY[k] * b) for k in range(2))
            return float(stats.norm.pdf(b) * np.exp(count * FRAILTY[0] * b - lost))

        top = integrate.quad(lambda b: np.exp(FRAILTY[e] * b) * density(b), -8, 8)[0]
        return float(hazard[e] * top / integrate.quad(density, -8, 8)[0])

    ends = [0.0, *days, last]
    out = np.zeros(2)
    for e in range(2):
        for count, (a, b) in enumerate(pairwise(ends)):
            if b > a:
                out[e] += integrate.quad(lambda t, e=e, n=count: mean(e, n, t), a, b)[0]
    return out


@pytest.mark.parametrize("clock", ["origin", "entry"])
def test_two_events_of_one_day_are_both_in_the_past(clock: str) -> None:
    cohort = cohort_of([(10.0, "infection"), (10.0, "flu"), (800.0, "last_contact")])
    np.testing.assert_allclose(found(cohort, clock)[:2], by_hand([10.0, 10.0], 800.0), rtol=2e-3)


def test_days_that_clocks_have_rounded_are_one_day() -> None:
    events = [(10.1, "infection"), (190.2, "infection"), (300.0, "last_contact")]
    cohort = cohort_of(events, start=30.2)
    np.testing.assert_allclose(found(cohort, "entry")[:2], by_hand([10.1, 190.2], 300.0), rtol=2e-3)
