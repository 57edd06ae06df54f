"""A flat hazard with a gamma prior: its posterior, with or without any record, is known exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import gamma

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.inference import Fit, Verdict
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import EventProcess, ModelSpec, PiecewiseConstant, StateGraph, Transition
from twinbayes.model.covariates.terms import Term
from twinbayes.names import DAYS_PER_YEAR

YEAR = DAYS_PER_YEAR
SHAPE, RATE = 2.0, 20.0  # of the gamma prior, per year
DIED, LOST, FEW = "p00", "p02", 30


def registry(n: int = FEW, *, seed: int = 4) -> Cohort:
    """Patients followed for 3 to 9 years, of whom every other one dies; `score` is a covariate."""
    rng = np.random.default_rng(seed)
    ids = [f"p{k:02d}" for k in range(n)]
    score = rng.normal(size=n)
    score[::5] = np.nan
    tables = {
        "patients": pd.DataFrame(
            {"patient_id": ids, "subgroup": "one", "centre": "one", "score": score}
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": rng.uniform(3.0, 9.0, n) * YEAR,
                "event": np.where(np.arange(n) % 2 == 0, "death", "last_contact"),
            }
        ),
        "variables": pd.DataFrame(
            [("score", "patients", "covariate", "clinical", None)],
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    tables["events"].loc[ids.index(LOST), "event"] = "last_contact"
    return cohort_from_tables("made up", tables, simulated=True)


def flat(covariates: tuple[Term, ...] = ()) -> ModelSpec:
    death = Transition(
        source="alive", target="dead", event="death", baseline=PiecewiseConstant(windows=1)
    )
    graph = StateGraph(states=("alive", "dead"), transitions=(death,))
    process = EventProcess(graph=graph, covariates=covariates)
    return ModelSpec(name="flat", title="Flat", priors="survival", events=process)


def fit_of(spec: ModelSpec, cohort: Cohort, posterior: xr.Dataset) -> Fit:
    return Fit(
        spec,
        cohort,
        tb.load_priors("survival"),
        xr.DataTree.from_dict({"posterior": posterior}),
        Verdict(True, (), pd.DataFrame(), {}),
        {"manifest_version": 1},
        spec.plan(cohort).learnt,
    )


def counted(cohort: Cohort) -> tuple[float, float]:
    """Shape and rate (years) of the gamma posterior of the hazard."""
    deaths = float((cohort.events["event"] == "death").sum())
    return SHAPE + deaths, RATE + float(cohort.events["day"].sum()) / YEAR


@pytest.fixture(scope="session")
def exact_fit() -> Fit:
    """The fit whose draws are evenly spread over its exact posterior."""
    cohort, spec, n = registry(), flat(), 8000
    shape, rate = counted(cohort)
    hazard = gamma.ppf((np.arange(n) + 0.5) / n, shape, scale=1.0 / rate)
    np.random.default_rng(1).shuffle(hazard)
    draws = sample_priors(spec, cohort, draws=n, seed=1)
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + xr.DataArray(
        np.log(hazard / YEAR)[None], dims=("chain", "draw")
    )
    return fit_of(spec, cohort, draws)


def without(cohort: Cohort, patient: str) -> Cohort:
    """Everybody but one patient."""
    return cohort.select([p for p in cohort.patient_ids if p != patient])
