"""Twins of one hand-written patient under known hazards: no model is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.inference import Fit, Verdict
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import Encoding, EventProcess, Learnt, ModelSpec, StateGraph
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.hazards import Population

Steps = tuple[Sequence[float], Sequence[float]]
Days = Sequence[tuple[float, str]]


def one_patient(events: Days, treatments: Days = ()) -> Cohort:
    """Return a cohort of one patient without covariates."""
    tables = {
        "patients": pd.DataFrame({"patient_id": ["P1"], "subgroup": ["all"], "centre": ["only"]}),
        "events": pd.DataFrame(
            [("P1", day, event) for day, event in events], columns=["patient_id", "day", "event"]
        ),
        "variables": pd.DataFrame(
            {
                "name": sorted({name for _, name in treatments}) or [],
                "table": "treatments",
                "role": "treatment",
                "group": None,
                "levels": None,
            },
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    if treatments:
        tables["treatments"] = pd.DataFrame(
            [("P1", day, None, name, None, None) for day, name in treatments],
            columns=["patient_id", "start_day", "stop_day", "treatment", "dose", "line"],
        )
    return cohort_from_tables("one", tables, simulated=True)


def known_population(
    graph: StateGraph,
    rates: Mapping[str, float | Steps],
    effects: Mapping[str, float],
    scatter: np.ndarray,
    frailty: Mapping[str, float] | None = None,
) -> Population:
    """Hazards per day of every intensity: a number, or ``(inner edges, rates)``.

    Draw d has every hazard multiplied by ``scatter[d]``, and all have the same `frailty`.
    """
    steps = [
        ((), (rate,)) if isinstance(rate, float) else rate
        for rate in (rates[label] for label in graph.labels)
    ]
    width = max(len(values) for _, values in steps)
    edges = np.full((len(steps), width + 1), np.inf)
    rate = np.zeros((len(steps), width, len(scatter)))
    for k, (inner, values) in enumerate(steps):
        edges[k, : len(inner) + 1] = [0.0, *inner]
        padded = [*values, *[values[-1]] * (width - len(values))]
        rate[k] = np.asarray(padded)[:, None] * scatter
    log_ratios = np.array([effects.get(e.label, 0.0) for e in graph.effects]).reshape(-1, 1, 1)
    era_ratios = np.array([effects.get(e.label, 0.0) for e in graph.entry_eras])
    n_effects, n = len(graph.effects), len(scatter)
    return Population(
        rate=rate,
        edges=edges,
        coef=np.zeros((2, len(steps), n)),
        at_stored_zero=np.zeros((len(steps), n)),
        effect=log_ratios * np.ones((n_effects, 1, n)),
        era_effect=era_ratios[:, None] * np.ones(n),
        subgroup_scale=None,
        centre_scale=None,
        effect_mean=np.zeros((n_effects, n)),
        effect_scale=np.zeros((n_effects, n)),
        frailty=np.array([[frailty.get(x, 0.0)] * n for x in graph.labels])
        if frailty
        else np.zeros((0, n)),
    )


@pytest.fixture(scope="session")
def twin_of() -> Callable[..., Twin]:
    """Build the twin of one patient under known hazards."""

    def build(
        graph: StateGraph,
        rates: Mapping[str, float | Steps],
        *,
        effects: Mapping[str, float] | None = None,
        events: Days = ((0.0, "last_contact"),),
        treatments: Days = (),
        scatter: Sequence[float] = (1.0,),
        frailty: Mapping[str, float] | None = None,
    ) -> Twin:
        cohort = one_patient(events, treatments)
        spec = ModelSpec(name="known", title="Known", priors="x", events=EventProcess(graph=graph))
        population = known_population(graph, rates, effects or {}, np.asarray(scatter), frailty)
        learnt = Learnt(Encoding.learn((), cohort), tuple(population.edges))
        return Twin(spec, learnt, population, None, cohort, usable=True)

    return build


def registry_of(n: int, seed: int = 3, prefix: str = "p") -> Cohort:
    """Patients with straight log-bilirubin curves, seen once a year; half of them die."""
    rng = np.random.default_rng(seed)
    ids = [f"{prefix}{k:02d}" for k in range(n)]
    follow = rng.uniform(2.0, 9.0, n)
    dies = rng.random(n) < 0.5
    patients = pd.DataFrame(
        {
            "patient_id": ids,
            "subgroup": "one",
            "centre": "one",
            "age_years": rng.uniform(30.0, 70.0, n),
            "sex": np.where(np.arange(n) % 3 == 0, "male", "female"),
            "d_penicillamine": (np.arange(n) % 2).astype(float),
        }
    )
    events = pd.DataFrame(
        {
            "patient_id": ids,
            "day": follow * DAYS_PER_YEAR,
            "event": np.where(dies, "death", "last_contact"),
        }
    )
    rows = []
    for k, name in enumerate(ids):
        level, slope = rng.normal(0.5, 1.0), rng.normal(0.2, 0.2)
        for t in np.arange(0.0, follow[k], 1.0):
            value = np.exp(level + slope * t + rng.normal(0, 0.3))
            rows.append((name, t * DAYS_PER_YEAR, "bilirubin", value, "none"))
    visits = pd.DataFrame(rows, columns=["patient_id", "day", "marker", "value", "censored"])
    variables = pd.DataFrame(
        [
            ("age_years", "patients", "covariate", "clinical", None),
            ("sex", "patients", "covariate", "clinical", "male|female"),
            ("d_penicillamine", "patients", "covariate", "treatment", None),
            ("bilirubin", "visits", "marker", "laboratory", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {"patients": patients, "events": events, "visits": visits, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


@pytest.fixture(scope="session")
def joint_fit() -> Fit:
    """A joint model of 12 patients, with moderate draws of the prior in place of a posterior."""
    cohort, spec = registry_of(12), tb.disease("pbc")
    draws = sample_priors(spec, cohort, draws=400, seed=4)
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + np.log(0.1 / DAYS_PER_YEAR)
    draws["association"] = np.clip(draws["association"], 0.2, 1.2)
    draws["patient_sd"] = np.clip(draws["patient_sd"], 0.15, 1.0)
    draws["marker_sd"] = np.clip(draws["marker_sd"], 0.2, 0.6)
    return Fit(
        spec,
        cohort,
        tb.load_priors(spec.priors),
        xr.DataTree.from_dict({"posterior": draws}),
        Verdict(True, (), pd.DataFrame(), {}),
        {"manifest_version": 1, "prior_ids": ["pbc/v1:a@1"], "versions": {"numpy": "2"}},
        spec.plan(cohort).learnt,
    )


@pytest.fixture(scope="session")
def strangers() -> Cohort:
    """Patients whom the joint model has not seen."""
    return registry_of(5, seed=8, prefix="q")
