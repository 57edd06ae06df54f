"""Twins whose curves are mean functions, against sums over grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit, Verdict
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    Association,
    MeanFunction,
    ModelSpec,
    OwnMean,
    PiecewiseConstant,
    Polynomial,
    SteinFojo,
    Trajectory,
    register_mean_function,
)
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Ledger, Twin, replay
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

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


@pytest.mark.parametrize("followed", ["", "value", "slope"])
def test_parameters_and_evidence_are_what_a_sum_over_a_grid_finds(
    cohort: Cohort, followed: str
) -> None:
    """Visits, some below the limit, and a death on a hazard that follows the logged tumour."""
    spec = spec_of(SteinFojo(), *((replace(FOLLOWS, form=followed),) if followed else ()))
    posterior = posterior_of(spec, cohort, MEAN, SD)
    events, visits = cohort.events, cohort.visits
    assert visits is not None
    limited = set(visits[visits["censored"] == "left"]["patient_id"])
    dead = events[(events["event"] == "death") & events["patient_id"].isin(limited)]
    name, years = dead["patient_id"].iloc[0], float(dead["day"].iloc[0]) / YEAR
    twin = twin_of(spec, cohort, posterior, name)
    drawn, evidence = own_of(twin), twin.record_log_marginal(0)
    points, volume = grid_around(drawn)
    log_density = log_prior(posterior, points) + log_visits(twin, points)
    if followed:
        learnt = spec.plan(cohort).learnt.curves
        assert learnt is not None
        centre = learnt.get("tumour").centre
        at, weight = np.polynomial.legendre.leggauss(30)
        at, weight = 0.5 * years * (at + 1), 0.5 * years * weight

        def feature(t: np.ndarray) -> np.ndarray:
            if followed == "value":
                return np.log(size(t, points)) - centre
            return (np.log(size(t + 1e-5, points)) - np.log(size(t - 1e-5, points))) / 2e-5

        risen = np.exp(STRENGTH * feature(at))
        log_density += STRENGTH * feature(np.array([years]))[0]
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


def own_function(years: np.ndarray, parameters: list[np.ndarray]) -> np.ndarray:
    start, shrinkage, growth = parameters
    left = np.exp(-np.exp(shrinkage) * years)
    return np.exp(start) * (left + np.exp(np.exp(growth) * years) - 1.0)


def test_a_function_of_ones_own_gives_what_the_same_one_of_the_package_gives(
    cohort: Cohort,
) -> None:
    register_mean_function("test: shrinks and grows")(own_function)
    shipped = spec_of(SteinFojo(), FOLLOWS)
    learnt = shipped.plan(cohort).learnt.curves
    assert learnt is not None
    basis = learnt.get("tumour").mean
    assert basis is not None
    own = spec_of(OwnMean(kind="test: shrinks and grows", standard=basis.standard), FOLLOWS)
    posterior = posterior_of(shipped, cohort, MEAN, SD)
    twins = [twin_of(spec, cohort, posterior, "p05") for spec in (shipped, own)]
    np.testing.assert_allclose(*(own_of(twin) for twin in twins), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(*(twin.record_log_marginal(0) for twin in twins), rtol=1e-5)


def test_on_the_marker_s_own_scale_and_with_a_shared_parameter_the_grid_is_found_too(
    cohort: Cohort,
) -> None:
    """Growth is the same in all patients; errors are added to the tumour itself."""
    spec = spec_of(SteinFojo(shared=("log growth",)), transform="identity")
    posterior = posterior_of(spec, cohort, MEAN, SD[:2])
    posterior["marker_sd"] = posterior["marker_sd"] * 0.0 + 4.0
    twin = twin_of(spec, cohort, posterior, "p03")
    drawn = own_of(twin)
    assert np.ptp(drawn[2]) == pytest.approx(0.0, abs=1e-12)
    points, _ = grid_around(drawn[:2], n=201)
    whole = np.vstack([points, np.full(points.shape[1], MEAN[2])])
    visits = twin.cohort.visits
    assert visits is not None
    mine = visits[visits["marker"] == "tumour"]
    correlation = posterior["patient_correlation"].to_numpy()[0, 0]
    spread = SD[:2, None] * SD[:2] * correlation
    log_density = stats.multivariate_normal(MEAN[:2], spread).logpdf(points.T)
    curve = size(mine["day"].to_numpy() / YEAR, whole)
    for value, side, m in zip(mine["value"], mine["censored"], curve, strict=True):
        errors = stats.norm(m, 4.0)
        log_density += errors.logcdf(value) if side == "left" else errors.logpdf(value)
    density = np.exp(log_density - log_density.max())
    wanted = points @ density / density.sum()
    error = drawn[:2].std(axis=1) / np.sqrt(COPIES)
    assert np.all(np.abs(drawn[:2].mean(axis=1) - wanted) < 4.5 * error)


def test_a_linear_marker_beside_a_mean_function_is_found_with_it(cohort: Cohort) -> None:
    """Without correlation between the two, the score has its textbook posterior."""
    one = Trajectory(marker="tumour", transform="log", basis=SteinFojo())
    other = Trajectory(marker="score", basis=Polynomial(degree=0))
    base = tb.disease("pbc", markers=(one, other), baseline=PiecewiseConstant(windows=2))
    spec = replace(base, associations=(FOLLOWS,))
    posterior = posterior_of(spec, cohort, np.r_[MEAN, 0.2], np.r_[SD, 0.9])
    posterior["patient_correlation"] = posterior["patient_correlation"] * 0.0 + np.eye(4)
    twin = twin_of(spec, cohort, posterior, "p05")
    visits = twin.cohort.visits
    assert visits is not None
    seen = visits[visits["marker"] == "score"]["value"].to_numpy()
    precision = 1.0 / 0.9**2 + len(seen) / NOISE**2
    wanted = (0.2 / 0.9**2 + seen.sum() / NOISE**2) / precision
    level = own_of(twin)[3]
    assert level.mean() == pytest.approx(wanted, abs=4 / np.sqrt(precision * COPIES))
    assert level.std() == pytest.approx(precision**-0.5, rel=0.06)


@pytest.fixture(scope="module")
def fit(cohort: Cohort) -> Fit:
    """Moderate draws around known curves in the place of a posterior."""
    lagged = replace(FOLLOWS, lag_days=60.0, by="sex")
    spec = spec_of(SteinFojo(), FOLLOWS, lagged, replace(FOLLOWS, form="effects"))
    draws = sample_priors(spec, cohort, draws=200, seed=4)
    rng = np.random.default_rng(1)
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + np.log(RATE / YEAR)
    draws["curve_effect"] = MEAN + 0.1 * draws["curve_effect"].copy(
        data=rng.normal(size=draws["curve_effect"].shape)
    )
    draws["patient_sd"] = draws["patient_sd"] * 0.0 + SD
    draws["marker_sd"] = np.clip(draws["marker_sd"], 0.2, 0.5)
    draws["association"] = np.clip(draws["association"], -0.3, 0.6)
    return Fit(
        spec,
        cohort,
        tb.load_priors(spec.priors),
        xr.DataTree.from_dict({"posterior": draws}),
        Verdict(True, (), pd.DataFrame(), {}),
        {"manifest_version": 1, "prior_ids": ["pbc/v1:a@1"], "versions": {"numpy": "2"}},
        spec.plan(cohort).learnt,
    )


@pytest.fixture(scope="module")
def strangers(make_tumours: Callable[..., Cohort]) -> Cohort:
    return make_tumours(4, seed=8, prefix="q")


def test_hazards_and_forecasts_follow_the_drawn_curves(fit: Fit) -> None:
    twin = fit.twin("p05", at=YEAR).as_drawn()
    own, days = own_of(twin), np.array([YEAR, 2.0 * YEAR])
    curves, learnt = twin.curves(0), fit.learnt.curves
    assert learnt is not None
    posterior = fit.datatree["posterior"].to_dataset().isel(chain=0)
    centre, female = learnt.get("tumour").centre, twin.cohort.patients["sex"].iloc[0] == "female"
    first, second, *others = posterior["association"].to_numpy().T
    curve = np.log(size(days / YEAR, own))
    before = np.log(size((days - 60.0) / YEAR, own))
    beyond = own - posterior["curve_effect"].to_numpy()[:, 0].T
    wanted = first * (curve - centre) + second * female * (before - centre)
    wanted = wanted + (np.array(others) * beyond).sum(axis=0)
    np.testing.assert_allclose(curves.trail(DEATH, days), wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(curves.natural("tumour", days), np.exp(curve), rtol=1e-10)
    forecast = twin.forecast(2 * YEAR, [YEAR])
    assert float(forecast["marker_curve"].squeeze()) == pytest.approx(np.exp(curve[1]).mean())
    at, weight = np.polynomial.legendre.leggauss(40)
    nodes = 1.0 + 0.5 * (at + 1)
    trail = curves.trail(DEATH, nodes * YEAR)
    ratio = twin.ratios(0).hazard[0]
    exact = np.exp(-RATE * ratio * (0.5 * weight @ np.exp(trail))).mean()
    assert float(forecast["survival"].squeeze()) == pytest.approx(exact, abs=3e-3)
    values = curves.measured("tumour", days)
    assert np.all(values > 0)


def test_a_patient_alone_and_in_a_batch_are_the_same_to_the_last_bit(
    fit: Fit, strangers: Cohort
) -> None:
    for some, names in ((fit.cohort, ["p02", "p05", "p07"]), (strangers, ["q03", "q01", "q02"])):
        many = fit.twin(some.select(names), at=0.8 * YEAR)
        alone = fit.twin(some.select([names[1]]), at=0.8 * YEAR)
        a, b = alone.forecast(YEAR, 3), many.forecast(YEAR, 3)
        for name in ("survival", "marker_curve", "marker_value_upper"):
            np.testing.assert_array_equal(a[name].values[0], b[name].values[1])


@pytest.mark.requirement("R-044")
def test_an_update_equals_a_twin_built_anew_and_its_ledger_is_reproduced(
    fit: Fit, strangers: Cohort, tmp_path: Path
) -> None:
    one = strangers.select(["q01"])
    assert one.visits is not None
    last = float(one.events["day"].iloc[0])
    start, day = 0.3 * last, 0.9 * last
    new = one.visits[(one.visits["day"] > start) & (one.visits["day"] <= day)]
    updated = fit.twin(one, at=start).update(new, day=day)
    anew = fit.twin(one, at=day)
    a, b = (twin.forecast(YEAR, 3) for twin in (updated, anew))
    for name in ("survival", "marker_curve", "marker_value_upper"):
        np.testing.assert_array_equal(a[name].values, b[name].values)
    assert np.isfinite(updated.reliability()["surprise"].iloc[0])
    ledger = Ledger.begin(tmp_path / "updates.jsonl")
    ledger.append(updated)
    assert replay(fit, updated.cohort, ledger.records()) == []


def test_a_patient_without_visits_has_the_curves_of_the_population(
    fit: Fit, strangers: Cohort
) -> None:
    one = strangers.select(["q02"])
    assert one.visits is not None
    bare = replace(one, visits=one.visits.iloc[:0])
    twin = fit.twin(bare, at=0.0)
    assert twin.curves(0).efficiency == pytest.approx(1.0, abs=1e-9)
    own = own_of(twin)
    error = SD / np.sqrt(own.shape[1])
    assert np.all(np.abs(own.mean(axis=1) - MEAN) < 4.5 * error)


def test_a_visit_that_contradicts_all_others_leaves_finite_curves(fit: Fit) -> None:
    """Forty times the tumour of the visits before: far out, and said so."""
    twin = fit.twin("p05", at=YEAR)
    value = 40.0 * float(np.median(twin.curves(0).natural("tumour", np.array([YEAR]))))
    visit = pd.DataFrame([{"day": YEAR + 20.0, "marker": "tumour", "value": value}])
    updated = twin.update(visit)
    assert np.isfinite(updated.curves(0).coefficients).all()
    assert bool(updated.reliability()["needs_refit"].iloc[0])
