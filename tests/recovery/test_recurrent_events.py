"""Recurrent events with a frailty that death shares, simulated from known truth and fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from chance import drawn_seed
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.model import EventProcess, ModelSpec, PiecewiseConstant, StateGraph, Term, Transition
from twinbayes.names import POSTERIOR

RATE, DEATH, FRAILTY, EFFECT = 0.006, 0.0012, (0.8, 0.5), np.log(0.5)
INFECTION, DYING = "well->well", "well->dead"


def simulated(n: int, seed: int) -> Cohort:
    """A randomised treatment halves the infections; who has many dies sooner."""
    rng = np.random.default_rng(seed)
    ids = [f"p{k:04d}" for k in range(n)]
    drug, b = rng.integers(0, 2, n), rng.normal(size=n)
    rows: list[tuple[str, float, str]] = []
    for who, treated, own in zip(ids, drug, b, strict=True):
        infection = RATE * np.exp(EFFECT * treated + FRAILTY[0] * own)
        end = rng.uniform(200.0, 700.0)
        death = rng.exponential(1.0 / (DEATH * np.exp(FRAILTY[1] * own)))
        last = round(min(end, death), 3)
        days = np.sort(rng.uniform(0.0, last, rng.poisson(infection * last)))
        rows += [(who, round(float(d), 3), "infection") for d in days if 0.0 < round(d, 3) < last]
        rows.append((who, last, "death" if death < end else "last_contact"))
    patients = pd.DataFrame({"patient_id": ids, "subgroup": "a", "centre": "c", "drug": drug})
    events = pd.DataFrame(rows, columns=["patient_id", "day", "event"])
    variables = pd.DataFrame(
        [("drug", "patients", "covariate", "treatment")],
        columns=["name", "table", "role", "group"],
    )
    tables = {"patients": patients, "events": events, "variables": variables}
    return cohort_from_tables("simulated", tables, simulated=True)


def spec() -> ModelSpec:
    flat = PiecewiseConstant(windows=1)
    moves = (
        Transition(source="well", target="well", event="infection", baseline=flat),
        Transition(source="well", target="dead", event="death", baseline=flat),
    )
    process = EventProcess(
        graph=StateGraph(states=("well", "dead"), transitions=moves),
        covariates=(Term(name="drug", group="treatment", transform="binary"),),
        unshrunk=("treatment",),
        frailty=(INFECTION, DYING),
    )
    return ModelSpec(name="two", title="Two", priors="recurrent", events=process)


@pytest.mark.slow
def test_intervals_of_effect_and_frailty_hold_the_truth_as_often_as_they_say() -> None:
    """Twenty fits of 250 patients: 90 % intervals of four numbers, 80 in all."""
    start = drawn_seed()
    inside, usable = [], 0
    for k in range(20):
        fit = tb.fit(spec(), simulated(250, start + k), seed=start + k, progressbar=False)
        usable += fit.verdict.usable
        posterior = fit.datatree[POSTERIOR].to_dataset()
        drug = posterior["beta"].sel(covariate="drug", transition=INFECTION)
        moved = posterior["frailty_effect"]
        level = posterior["log_baseline"].sel(transition=DYING).isel(window=0)
        found = {
            EFFECT: drug,
            FRAILTY[0]: moved.sel(transition=INFECTION),
            FRAILTY[1]: moved.sel(transition=DYING),
            np.log(DEATH): level,
        }
        for truth, draws in found.items():
            low, high = draws.quantile([0.05, 0.95], ("chain", "draw")).to_numpy()
            inside.append(low <= truth <= high)
    assert usable == 20
    assert 0.80 <= np.mean(inside) <= 0.99  # of 80, which hang together by fours
