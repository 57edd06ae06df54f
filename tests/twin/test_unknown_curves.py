"""What is unknown of a patient widens the patient's curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.errors import TwinError
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import Exchangeable, ModelSpec, NoPooling, Term
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

YEAR = DAYS_PER_YEAR
DAYS = np.array([0.0, 4.0 * YEAR])


def cohort_of(subgroups: list[str], age: list[float | None]) -> Cohort:
    """One visit each, at year 1."""
    ids = [f"p{k:02d}" for k in range(len(subgroups))]
    patients = pd.DataFrame(
        {"patient_id": ids, "subgroup": subgroups, "centre": "one", "age_years": age}
    )
    events = pd.DataFrame({"patient_id": ids, "day": 2 * YEAR, "event": "last_contact"})
    value = np.exp(np.random.default_rng(1).normal(0.5, 1.0, len(ids)))
    visits = pd.DataFrame(
        {
            "patient_id": ids,
            "day": YEAR,
            "marker": "bilirubin",
            "value": value,
            "censored": "none",
        }
    )
    variables = pd.DataFrame(
        [
            ("age_years", "patients", "covariate", "clinical", None),
            ("bilirubin", "visits", "marker", "laboratory", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {"patients": patients, "events": events, "visits": visits, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


KNOWN = cohort_of(["a", "b", "c"] * 8, [float(40 + k) for k in range(24)])
AGE = Term(name="age_years", group="clinical")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    one = tb.disease("pbc", covariates=(AGE,), curve_covariates=(AGE,))
    return replace(one, associations=())


@pytest.fixture(scope="module")
def posterior(spec: ModelSpec) -> xr.Dataset:
    """One draw, many times: what is drawn of a patient then shows its distribution."""
    one = sample_priors(spec, KNOWN, draws=20, seed=4).isel(draw=[3])
    one["marker_sd"] = one["marker_sd"] * 0.0 + 0.4
    one["patient_sd"] = one["patient_sd"] * 0.0 + 0.5
    one["curve_subgroup_scale"] = one["curve_subgroup_scale"] * 0.0 + np.array([0.7, 0.2])
    return one.isel(draw=np.zeros(20_000, dtype=int))


def twin_of(spec: ModelSpec, posterior: xr.Dataset, cohort: Cohort) -> Twin:
    learnt = spec.plan(KNOWN).learnt
    assert learnt.curves is not None
    population = Population.from_posterior(posterior, learnt.encoding, learnt.edges)
    curves = CurvePopulation.from_posterior(posterior, learnt.curves, spec)
    return Twin.at_landmark(spec, learnt, (population, curves), cohort, None, True)


def by_the_textbook(
    twin: Twin, posterior: xr.Dataset, extra: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the curve on `DAYS` given the visit; the prior widened by `extra`."""
    curves = twin.learnt.curves
    assert curves is not None
    assert twin.cohort.visits is not None
    (scale,) = curves.markers
    natural = scale.natural()
    one = posterior.isel(chain=0, draw=0)
    sd = one["patient_sd"].to_numpy()
    spread = sd[:, None] * sd * one["patient_correlation"].to_numpy()
    spread = spread + extra * natural[:, None] * natural
    mean = one["curve_effect"].to_numpy()[0].copy()
    age = twin.cohort.patients["age_years"].to_numpy(dtype=float)
    known = KNOWN.patients["age_years"].to_numpy(dtype=float)
    age = np.where(np.isnan(age), known.mean(), age)
    mean += one["curve_effect"].to_numpy()[1] * age[0]
    x, at = np.array([[1.0, 1.0]]), np.column_stack([np.ones(2), DAYS / YEAR])
    y = np.log(twin.cohort.visits["value"].to_numpy())
    gain = spread @ x.T / (x @ spread @ x.T + 0.4**2)
    return at @ (mean + gain @ (y - x @ mean)), at @ (spread - gain @ x @ spread) @ at.T


def assert_as_by_the_textbook(twin: Twin, posterior: xr.Dataset, extra: np.ndarray) -> None:
    found = twin.curves(0).marker("bilirubin", DAYS)
    mean, covariance = by_the_textbook(twin, posterior, extra)
    error = np.sqrt(np.diag(covariance) / found.shape[1])
    assert np.all(np.abs(found.mean(axis=1) - mean) < 4.5 * error)
    np.testing.assert_allclose(np.cov(found), covariance, rtol=0.06)


def test_a_subgroup_that_the_fit_has_not_seen_may_lie_anywhere_between_subgroups(
    spec: ModelSpec, posterior: xr.Dataset
) -> None:
    twin = twin_of(spec, posterior, cohort_of(["new"], [50.0]))
    assert_as_by_the_textbook(twin, posterior, np.diag([0.7, 0.2]) ** 2)


@pytest.mark.parametrize(
    ("pooling", "ratio"),
    [(Exchangeable(nu=4.0), 2.0), (Exchangeable(centred=("bilirubin: 1",)), 1.0)],
    ids=["Student's t", "centred"],
)
def test_a_new_subgroup_has_the_variance_that_subgroups_have(
    spec: ModelSpec, posterior: xr.Dataset, pooling: Exchangeable, ratio: float
) -> None:
    """Of Student's t with 4 degrees of freedom, it is 4 / (4 - 2) times the squared scale."""
    assert spec.trajectories is not None
    other = replace(spec, trajectories=replace(spec.trajectories, subgroup=pooling))
    twin = twin_of(other, posterior, cohort_of(["new"], [50.0]))
    assert_as_by_the_textbook(twin, posterior, ratio * np.diag([0.7, 0.2]) ** 2)


def test_subgroups_without_a_variance_say_nothing_about_a_new_one(
    spec: ModelSpec, posterior: xr.Dataset
) -> None:
    assert spec.trajectories is not None
    wild = replace(spec, trajectories=replace(spec.trajectories, subgroup=Exchangeable(nu=2.0)))
    with pytest.raises(TwinError, match="pooling of its curves says nothing"):
        twin_of(wild, posterior, cohort_of(["new"], [50.0])).curves(0)


def test_a_missing_covariate_of_a_curve_is_integrated_out(
    spec: ModelSpec, posterior: xr.Dataset
) -> None:
    blank = posterior.copy()
    blank["curve_subgroup_effect"] = blank["curve_subgroup_effect"] * 0.0
    twin = twin_of(spec, blank, cohort_of(["a"], [None]))
    design = twin.spec.plan(twin.cohort, twin.learnt).curves
    assert design is not None
    variance = design.design.variances[0, 0]
    assert variance > 0.5  # in units of the cohort's standard deviation
    population = CurvePopulation.from_posterior(blank, design.learnt, spec)
    step = population.effect[0, :, 0]
    assert_as_by_the_textbook(twin, blank, variance * np.outer(step, step))


def test_subgroups_that_are_not_pooled_say_nothing_about_a_new_one(spec: ModelSpec) -> None:
    assert spec.trajectories is not None
    alone = replace(spec, trajectories=replace(spec.trajectories, subgroup=NoPooling()))
    posterior = sample_priors(alone, KNOWN, draws=20, seed=4)
    with pytest.raises(TwinError, match="pooling of its curves says nothing"):
        twin_of(alone, posterior, cohort_of(["new"], [50.0])).curves(0)
