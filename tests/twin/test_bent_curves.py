"""Twins whose curves are mean functions, against sums over grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit, Verdict
from twinbayes.inference.prior_draws import sample_priors
from twinbayes.model import (
    Association,
    BiexponentialDecay,
    MeanFunction,
    ModelSpec,
    PiecewiseConstant,
    Polynomial,
    SteinFojo,
    Trajectory,
)
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Ledger, Twin, replay
from twinbayes.twin.curve_population import CurvePopulation
from twinbayes.twin.population import Population

YEAR = DAYS_PER_YEAR
DEATH = "alive->dead"
COPIES = 4000
RATE, STRENGTH, NOISE = 0.3, 0.8, 0.3
MEAN, SD = np.array([3.0, 0.4, -0.7]), np.array([0.4, 0.5, 0.6])


def size(t: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Stein-Fojo at years (time,), parameters (3, ...); (time, ...)."""
    t = t.reshape(-1, *([1] * (own.ndim - 1)))
    left, grown = np.exp(-np.exp(own[1]) * t), np.exp(np.exp(own[2]) * t)
    out: np.ndarray = np.exp(own[0]) * (left + grown - 1.0)
    return out


@pytest.fixture(scope="module")
def cohort(make_tumours: Callable[..., Cohort]) -> Cohort:
    return make_tumours(12)


def spec_of(basis: MeanFunction, *associations: Association, transform: str = "log") -> ModelSpec:
    markers = (Trajectory(marker="tumour", transform=transform, basis=basis),)
    return replace(
        tb.disease("pbc", markers=markers, baseline=PiecewiseConstant(windows=2)),
        associations=associations,
    )


FOLLOWS = Association(marker="tumour", transitions=(DEATH,))


def posterior_of(spec: ModelSpec, cohort: Cohort, mean: np.ndarray, sd: np.ndarray) -> xr.Dataset:
    """One draw of known curves in the place of a posterior, copied."""
    draws = sample_priors(spec, cohort, draws=1, seed=4)
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + np.log(RATE / YEAR)
    draws["beta"] = draws["beta"] * 0.0
    draws["patient_sd"] = draws["patient_sd"] * 0.0 + sd
    draws["curve_effect"] = draws["curve_effect"] * 0.0 + mean
    draws["marker_sd"] = draws["marker_sd"] * 0.0 + NOISE
    if spec.associations:
        draws["association"] = draws["association"] * 0.0 + STRENGTH
    return draws


def twin_of(
    spec: ModelSpec, cohort: Cohort, posterior: xr.Dataset, name: str, at: float | None = None
) -> Twin:
    learnt = spec.plan(cohort).learnt
    assert learnt.curves is not None
    many = posterior.isel(draw=np.zeros(COPIES, dtype=int))
    population = Population.from_posterior(many, learnt.encoding, learnt.edges)
    curves = CurvePopulation.from_posterior(many, learnt.curves, spec)
    return Twin.at_landmark(spec, learnt, (population, curves), cohort.select([name]), at, True)


def own_of(twin: Twin) -> np.ndarray:
    """(parameter, draw) parameters of the patient's curve."""
    curves = twin.curves(0)
    learnt = curves.population.learnt
    out: np.ndarray = (curves.coefficients * learnt.natural() + learnt.natural_level()).T
    return out


def grid_around(drawn: np.ndarray, n: int = 41, width: float = 7.0) -> tuple[np.ndarray, float]:
    """(parameter, point) of a box around draws, and the volume of a point."""
    middle, sd = drawn.mean(axis=1), drawn.std(axis=1)
    axes = [np.linspace(m - width * s, m + width * s, n) for m, s in zip(middle, sd, strict=True)]
    points = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")])
    return points, float(np.prod([a[1] - a[0] for a in axes]))


def log_visits(twin: Twin, points: np.ndarray) -> np.ndarray:
    visits = twin.cohort.visits
    assert visits is not None
    mine = visits[visits["marker"] == "tumour"]
    curve = np.log(size(mine["day"].to_numpy() / YEAR, points))
    out = np.zeros(points.shape[1])
    for value, side, m in zip(mine["value"], mine["censored"], curve, strict=True):
        errors = stats.norm(m, NOISE)
        out += errors.logcdf(np.log(value)) if side == "left" else errors.logpdf(np.log(value))
    return out


def log_prior(posterior: xr.Dataset, points: np.ndarray) -> np.ndarray:
    correlation = posterior["patient_correlation"].to_numpy()[0, 0]
    normal = stats.multivariate_normal(MEAN, SD[:, None] * SD * correlation)
    out: np.ndarray = normal.logpdf(points.T)
    return out


@pytest.mark.parametrize("followed", [False, True])
def test_parameters_and_evidence_are_what_a_sum_over_a_grid_finds(
    cohort: Cohort, followed: bool
) -> None:
    """Visits, some below the limit, and a death on a hazard that follows the logged tumour."""
    spec = spec_of(SteinFojo(), *((FOLLOWS,) if followed else ()))
    posterior = posterior_of(spec, cohort, MEAN, SD)
    events, visits = cohort.events, cohort.visits
    assert visits is not None
    limited = set(visits[visits["censored"] == "left"]["patient_id"])
    dead = events[(events["event"] == "death") & events["patient_id"].isin(limited)]
    name, years = dead["patient_id"].iloc[0], float(dead["day"].iloc[0]) / YEAR
    twin = twin_of(spec, cohort, posterior, name)
    drawn, evidence = own_of(twin), twin.evidence(0)
    points, volume = grid_around(drawn)
    log_density = log_prior(posterior, points) + log_visits(twin, points)
    if followed:
        learnt = spec.plan(cohort).learnt.curves
        assert learnt is not None
        centre = learnt.get("tumour").centre
        at, weight = np.polynomial.legendre.leggauss(30)
        at, weight = 0.5 * years * (at + 1), 0.5 * years * weight
        risen = np.exp(STRENGTH * (np.log(size(at, points)) - centre))
        log_density += STRENGTH * (np.log(size(np.array([years]), points)[0]) - centre)
        log_density += np.log(RATE / YEAR) - RATE * (weight @ risen)
    else:
        log_density += np.log(RATE / YEAR) - RATE * years
    density = np.exp(log_density - log_density.max())
    total = density.sum()
    wanted = points @ density / total
    spread = np.sqrt((points - wanted[:, None]) ** 2 @ density / total)
    error = drawn.std(axis=1) / np.sqrt(COPIES)
    assert np.all(np.abs(drawn.mean(axis=1) - wanted) < 4 * error + 0.01 * spread)
    np.testing.assert_allclose(drawn.std(axis=1), spread, rtol=0.05)
    exact = np.log(total * volume) + log_density.max()
    assert np.log(np.mean(np.exp(evidence - exact))) == pytest.approx(0.0, abs=0.01)
    assert twin.curves(0).efficiency > 0.5
