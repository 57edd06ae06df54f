"""Fits of events that recur, with draws of moderate priors in place of a posterior."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.inference import Fit, Verdict
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    Effect,
    EventProcess,
    ModelSpec,
    PiecewiseConstant,
    StateGraph,
    Transition,
    Treatment,
    TreatmentStart,
)

INFECTION, DEATH = "well->well", "well->dead"
FLAT = PiecewiseConstant(windows=1)


def spec_of(*, dies: bool = True, frailty: bool = True, drug: bool = True) -> ModelSpec:
    """Infections, with or without death, a frailty, and a drug that acts on infections."""
    moves = [Transition(source="well", target="well", event="infection", baseline=FLAT)]
    if dies:
        moves.append(Transition(source="well", target="dead", event="death", baseline=FLAT))
    start = TreatmentStart(source="well", treatment="drug", baseline=FLAT)
    effect = Effect(treatment="drug", transition=INFECTION, phase="here")
    drugs = (Treatment(name="drug", starts=(start,), effects=(effect,)),) if drug else ()
    graph = StateGraph(
        states=("well", "dead") if dies else ("well",),
        transitions=tuple(moves),
        treatments=drugs,
    )
    moved = (INFECTION, DEATH) if dies else (INFECTION,)
    process = EventProcess(graph=graph, frailty=moved if frailty else ())
    return ModelSpec(name="infections", title="Infections", priors="recurrent", events=process)


def cohort_of(n: int = 60, seed: int = 5, *, dies: bool = True) -> Cohort:
    """Patients of two subgroups with infections about every 150 days, followed for 1 to 3 years."""
    rng = np.random.default_rng(seed)
    ids = [f"p{k:02d}" for k in range(n)]
    rows: list[tuple[str, float, str]] = []
    for k, who in enumerate(ids):
        last = round(float(rng.uniform(365.0, 1100.0)), 1)
        rate = np.exp(rng.normal(0.0, 0.6)) / 150.0
        days = np.unique(np.round(rng.uniform(1.0, last - 1.0, rng.poisson(rate * last)), 1))
        rows += [(who, float(d), "infection") for d in days]
        rows.append((who, last, "death" if dies and k % 5 == 0 else "last_contact"))
    starts = [(who, 100.0, "drug") for who in ids[::3]]
    groups = np.where(np.arange(n) % 2 == 0, "one", "two")
    tables = {
        "patients": pd.DataFrame({"patient_id": ids, "subgroup": groups, "centre": "c"}),
        "events": pd.DataFrame(rows, columns=["patient_id", "day", "event"]),
        "treatments": pd.DataFrame(starts, columns=["patient_id", "start_day", "treatment"]),
        "variables": pd.DataFrame(
            [("drug", "treatments", "treatment")], columns=["name", "table", "role"]
        ),
    }
    return cohort_from_tables("infections", tables, simulated=True)


def fit_of(spec: ModelSpec, cohort: Cohort, draws: int = 300) -> Fit:
    """A fit whose hazards are near those of the cohort."""
    posterior = sample_priors(spec, cohort, draws=draws, seed=2)
    level = {INFECTION: -5.0, DEATH: -8.0}
    base = posterior["log_baseline"]
    known = xr.DataArray(
        [level.get(str(x), -7.0) for x in base["transition"].to_numpy()], dims="transition"
    )
    posterior["log_baseline"] = 0.1 * (base - base.mean()) + known
    if "frailty_effect" in posterior:
        posterior["frailty_effect"] = np.clip(posterior["frailty_effect"], -0.8, 0.8)
    return Fit(
        spec,
        cohort,
        tb.load_priors("recurrent"),
        xr.DataTree.from_dict({"posterior": posterior}),
        Verdict(True, (), pd.DataFrame(), {}),
        {"manifest_version": 1, "prior_ids": ["recurrent/v1:a@1"], "versions": {"numpy": "2"}},
        spec.plan(cohort).learnt,
    )
