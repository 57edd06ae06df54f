"""Curves of one patient against closed forms and quadrature; forecasts that follow them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import Learnt, ModelSpec, TimeVarying
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.time_varying import Walks

YEAR = DAYS_PER_YEAR


@pytest.fixture(scope="module")
def cohort(joint_fit: Fit) -> Cohort:
    return joint_fit.cohort


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return tb.disease("pbc")


@pytest.fixture(scope="module")
def learnt(spec: ModelSpec, cohort: Cohort) -> Learnt:
    return spec.plan(cohort).learnt


@pytest.fixture(scope="module")
def posterior(spec: ModelSpec, cohort: Cohort) -> xr.Dataset:
    """Draws in the place of a posterior: moderate ones from the prior."""
    prior = sample_priors(spec, cohort, draws=60, seed=4)
    prior["log_baseline"] = prior["log_baseline"] * 0.0 + np.log(0.8 / YEAR)
    prior["association"] = prior["association"] * 0.0 + 1.1
    prior["beta"] = prior["beta"] * 0.0 + 0.3
    prior["patient_sd"] = np.clip(prior["patient_sd"], 0.15, 1.0)
    prior["marker_sd"] = np.clip(prior["marker_sd"], 0.2, 0.6)
    return prior


def twin_of(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort, at: float | None
) -> Twin:
    population = Population.from_posterior(posterior, learnt.encoding, learnt.edges)
    assert learnt.curves is not None
    curves = CurvePopulation.from_posterior(posterior, learnt.curves, spec)
    return Twin.at_landmark(spec, learnt, (population, curves), cohort, at, True)


def normal_posterior(twin: Twin, posterior: xr.Dataset, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of level and slope by the textbook, on the scale of log bilirubin."""
    visits = twin.cohort.visits
    assert visits is not None
    t = visits["day"].to_numpy() / YEAR
    x, y = np.column_stack([np.ones_like(t), t]), np.log(visits["value"].to_numpy())
    one = posterior.isel(chain=0, draw=d)
    sd = one["patient_sd"].to_numpy()
    spread = sd[:, None] * sd * one["patient_correlation"].to_numpy()
    mean = one["curve_effect"].to_numpy()[0]
    noise = float(one["marker_sd"].to_numpy()[0]) ** 2
    precision = np.linalg.inv(spread) + x.T @ x / noise
    covariance = np.linalg.inv(precision)
    return covariance @ (np.linalg.solve(spread, mean) + x.T @ y / noise), covariance


def test_without_associations_curves_have_the_textbook_posterior(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    alone = replace(spec, associations=())
    one = posterior.isel(draw=[7]).isel(draw=np.zeros(4000, dtype=int))
    twin = twin_of(alone, learnt, one, cohort.select(["p03"]), 2.5 * YEAR)
    curves = twin.curves(0)
    mean, covariance = normal_posterior(twin, posterior, 7)
    level = curves.marker("bilirubin", np.array([0.0]))[0]
    later = curves.marker("bilirubin", np.array([YEAR]))[0]
    found = np.stack([level, later - level])
    error = np.sqrt(np.diag(covariance) / found.shape[1])
    assert np.all(np.abs(found.mean(axis=1) - mean) < 4 * error)
    np.testing.assert_allclose(np.cov(found), covariance, rtol=0.12, atol=2e-3)
    assert curves.efficiency == pytest.approx(1.0, abs=1e-6)


def test_with_an_association_curves_have_the_posterior_that_quadrature_finds(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    """Survival speaks too: level and slope on a grid, the cumulative hazard by adaptive rule."""
    until = 3.0
    d = int(posterior["marker_sd"].isel(chain=0).sum("marker_with_error").argmax("draw"))
    one = posterior.isel(draw=[d]).isel(draw=np.zeros(6000, dtype=int))
    twin = twin_of(spec, learnt, one, cohort.select(["p03"]), until * YEAR)
    mean, covariance = normal_posterior(twin, posterior, d)
    root = np.linalg.cholesky(covariance)
    ratio = float(twin.ratios(0).hazard[0, 0])
    learnt_curve = learnt.curves
    assert learnt_curve is not None
    centre = learnt_curve.get("bilirubin").centre

    def cumulative(level: float, slope: float) -> float:
        def hazard(t: float) -> float:
            return 0.8 * ratio * float(np.exp(1.1 * (level + slope * t - centre)))

        return float(quad(hazard, 0.0, until)[0])

    at, weight = np.polynomial.hermite_e.hermegauss(24)
    total, moment = 0.0, np.zeros(2)
    for a, wa in zip(at, weight, strict=True):
        for b, wb in zip(at, weight, strict=True):
            point = mean + root @ np.array([a, b])
            share = wa * wb * np.exp(-cumulative(*point))
            total += share
            moment += share * point
    curves = twin.curves(0)
    level = curves.marker("bilirubin", np.array([0.0]))[0]
    slope = curves.marker("bilirubin", np.array([YEAR]))[0] - level
    found = np.array([level.mean(), slope.mean()])
    error = np.array([level.std(), slope.std()]) / np.sqrt(6000)
    assert np.all(np.abs(found - moment / total) < 4 * error)
    assert np.abs(moment / total - mean).max() > 8 * error.max()  # survival did say something


def test_survival_follows_the_curve(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    """Given the draws of the curve, survival has a closed form for a straight line."""
    twin = twin_of(spec, learnt, posterior, cohort.select(["p05"]), 2.0 * YEAR)
    curves = twin.curves(0)
    ratio = twin.ratios(0).hazard[0]
    assert learnt.curves is not None
    centre = learnt.curves.get("bilirubin").centre
    start = curves.marker("bilirubin", np.array([2.0 * YEAR]))[0] - centre
    rise = curves.marker("bilirubin", np.array([3.0 * YEAR]))[0] - centre - start
    for years in (1.0, 3.0):
        area = np.exp(1.1 * start) * (np.exp(1.1 * rise * years) - 1.0) / (1.1 * rise)
        wanted = np.exp(-0.8 * ratio * area).mean()
        forecast = twin.forecast(3.0 * YEAR, [years * YEAR])
        assert float(forecast["survival"][0, 0]) == pytest.approx(wanted, abs=2e-3)


def test_a_forecast_shows_markers_with_and_without_measurement_error(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    twin = twin_of(spec, learnt, posterior, cohort.select(["p05", "p01"]), 2.0 * YEAR)
    forecast = twin.forecast(2.0 * YEAR, 4)
    assert forecast["marker_curve"].dims == ("patient", "marker", "time")
    assert list(forecast["marker"].to_numpy()) == ["bilirubin"]
    curve = forecast["marker_curve_upper"] - forecast["marker_curve_lower"]
    value = forecast["marker_value_upper"] - forecast["marker_value_lower"]
    assert float((value / curve).mean()) > 1.02


@pytest.mark.requirement("R-041")
def test_a_patient_alone_and_in_a_batch_are_the_same_to_the_last_bit(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    alone = twin_of(spec, learnt, posterior, cohort.select(["p05"]), 2.0 * YEAR)
    many = twin_of(spec, learnt, posterior, cohort.select(["p01", "p05", "p02"]), 2.0 * YEAR)
    one, three = alone.forecast(YEAR, 3), many.forecast(YEAR, 3)
    for name in ("survival", "marker_curve", "marker_value_upper"):
        np.testing.assert_array_equal(one[name].values[0], three[name].values[1])


@pytest.mark.requirement("R-040")
def test_nothing_after_the_landmark_changes_anything(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    later = cohort.visits.copy()
    after = later["day"] > 2.0 * YEAR
    later.loc[after, "value"] *= 7.0
    changed = replace(cohort, visits=later)
    one = twin_of(spec, learnt, posterior, cohort, 2.0 * YEAR).forecast(YEAR, 3)
    two = twin_of(spec, learnt, posterior, changed, 2.0 * YEAR).forecast(YEAR, 3)
    xr.testing.assert_identical(one, two)


def test_a_patient_without_visits_has_the_curve_of_the_population(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    bare = replace(cohort.select(["p05"]), visits=cohort.visits.iloc[:0])
    alone = replace(spec, associations=())
    one = posterior.isel(draw=[7]).isel(draw=np.zeros(3000, dtype=int))
    level = twin_of(alone, learnt, one, bare, 0.0).curves(0).marker("bilirubin", np.zeros(1))[0]
    truth = posterior.isel(chain=0, draw=7)
    mean, sd = float(truth["curve_effect"][0, 0]), float(truth["patient_sd"][0])
    assert level.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(3000))
    assert level.std() == pytest.approx(sd, rel=0.06)


def test_effects_that_change_with_time_act_on_hazards_that_follow_curves(
    spec: ModelSpec, learnt: Learnt, posterior: xr.Dataset, cohort: Cohort
) -> None:
    (label,) = spec.graph.labels
    asked = (TimeVarying(of="d_penicillamine", on=label),)
    varied = replace(spec, events=replace(spec.events, time_varying=asked))
    (effect,) = varied.events.varying(learnt.encoding, learnt.edges)
    base = twin_of(spec, learnt, posterior, cohort, None)
    n, width = base.population.n_draws, base.population.rate.shape[1]
    walk = np.random.default_rng(5).normal(0.0, 0.7, width)
    walks = Walks((effect,), np.tile(walk[:, None, None], (1, 1, n)), np.ones((1, n)))
    twin = replace(base, spec=varied, population=replace(base.population, walks=walks))
    rate = base.population.rate * np.exp(walk)[:, None]
    scaled = replace(base, population=replace(base.population, rate=rate))
    carrier = cohort.covariates()["d_penicillamine"].to_numpy() == 1
    alive = [k for k, p in enumerate(base.present) if p.state not in spec.graph.absorbing]
    assert set(carrier[alive]) == {True, False}
    for i in range(len(carrier)):
        wanted = scaled if carrier[i] else base
        np.testing.assert_allclose(
            twin.record_log_marginal(i), wanted.record_log_marginal(i), atol=1e-6
        )
    ids = [cohort.patient_ids[k] for k in alive]
    found, by_arm = (t.forecast(3 * YEAR, [YEAR, 3 * YEAR]) for t in (twin, scaled))
    plain = base.forecast(3 * YEAR, [YEAR, 3 * YEAR])
    for k, patient in zip(alive, ids, strict=True):
        wanted = by_arm if carrier[k] else plain
        got = found["survival"].sel(patient=patient)
        np.testing.assert_allclose(got, wanted["survival"].sel(patient=patient), atol=1e-5)
