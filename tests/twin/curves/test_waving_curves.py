"""Twins whose curves have a Gaussian process in common, against formulae and quadrature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.stats import multivariate_normal

import twinbayes as tb
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import HSGP, Association, ModelSpec, Trajectory
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

YEAR = DAYS_PER_YEAR
DEATH = "alive->dead"
RATE = 0.15  # baseline deaths a year
STRENGTH = {"value": 0.8, "slope": 0.5, "area": 0.1}
LINE = np.array([0.3, 0.2])
WEIGHTS = 0.7 * np.array([1.0, -2.0, 1.5, 1.0, -1.0, 0.5])
SD, NOISE = np.array([0.6, 0.3]), 0.4


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    basis = HSGP(m=len(WEIGHTS), lengthscale=0.4)
    base = tb.disease(
        "pbc", markers=(Trajectory(marker="bilirubin", transform="log", basis=basis),)
    )
    return replace(
        base,
        associations=tuple(
            Association(marker="bilirubin", transitions=(DEATH,), form=form) for form in STRENGTH
        ),
    )


@pytest.fixture(scope="module")
def posterior(spec: ModelSpec, joint_fit: Fit) -> xr.Dataset:
    """One draw of known curves in the place of a posterior."""
    draws = sample_priors(spec, joint_fit.cohort, draws=1, seed=4)
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + np.log(RATE / YEAR)
    draws["beta"] = draws["beta"] * 0.0 + 0.2
    draws["patient_sd"] = draws["patient_sd"] * 0.0 + SD
    draws["curve_effect"] = draws["curve_effect"] * 0.0 + np.r_[LINE, WEIGHTS]
    draws["marker_sd"] = draws["marker_sd"] * 0.0 + NOISE
    draws["association"] = draws["association"] * 0.0 + np.array(list(STRENGTH.values()))
    return draws


def twin_of(spec: ModelSpec, posterior: xr.Dataset, fit: Fit, name: str, at: float, n: int) -> Twin:
    learnt = spec.plan(fit.cohort).learnt
    assert learnt.curves is not None
    many = posterior.isel(draw=np.zeros(n, dtype=int))
    population = Population.from_posterior(many, learnt.encoding, learnt.edges)
    curves = CurvePopulation.from_posterior(many, learnt.curves, spec)
    return Twin.at_landmark(spec, learnt, (population, curves), fit.cohort.select([name]), at, True)


class Departure:
    """The process as the model page has it, from the cohort alone."""

    def __init__(self, fit: Fit) -> None:
        visits = fit.cohort.visits
        assert visits is not None
        t = visits["day"].to_numpy() / YEAR
        self.end = t.max()
        self.half = 1.5 * self.end / 2
        self.line = np.polynomial.polynomial.polyfit(t, self.waves(t), 1)
        self.centre = float(np.log(visits["value"]).mean())

    def waves(self, t: np.ndarray) -> np.ndarray:
        omega = np.arange(1, len(WEIGHTS) + 1) * np.pi / (2 * self.half)
        inside = np.asarray(t)[..., None] - self.end / 2 + self.half
        out: np.ndarray = np.sin(omega * inside) / np.sqrt(self.half)
        return out

    def __call__(self, t: np.ndarray) -> np.ndarray:
        t = np.minimum(t, self.end)
        level, slope = self.line @ WEIGHTS
        out: np.ndarray = self.waves(t) @ WEIGHTS - level - slope * t
        return out

    def slope(self, t: float) -> float:
        h = 1e-6
        return 0.0 if t > self.end else float(self(np.array(t)) - self(np.array(t - h))) / h

    def area(self, t: float) -> float:
        return float(quad(self, 0.0, t, points=[min(self.end, t)], limit=100)[0])

    def adds(self, t: float, level: np.ndarray, rise: np.ndarray) -> np.ndarray:
        """What (draw,) lines and the process add to the log hazard."""
        value = level - self.centre + rise * t + self(np.array(t))
        slope = rise + self.slope(t)
        area = (level - self.centre) * t + rise * t**2 / 2 + self.area(t)
        out: np.ndarray = value * STRENGTH["value"] + slope * STRENGTH["slope"]
        return out + area * STRENGTH["area"]


def lines_of(twin: Twin, departure: Departure) -> np.ndarray:
    """(2, draw) level and rise a year of the patient's line."""
    t = np.array([0.0, 1.0])
    level, later = twin.curves(0).marker("bilirubin", t * YEAR) - departure(t)[:, None]
    return np.stack([level, later - level])


def test_hazards_follow_value_slope_and_area_of_the_process_and_of_the_line_beyond_it(
    spec: ModelSpec, posterior: xr.Dataset, joint_fit: Fit
) -> None:
    twin = twin_of(spec, posterior, joint_fit, "p04", 1.5 * YEAR, 20)
    departure = Departure(joint_fit)
    level, rise = lines_of(twin, departure)
    years = np.array([0.1, 0.4, 1.5, 5.0, departure.end + 2.0])
    wanted = np.stack([departure.adds(t, level, rise) for t in years])
    np.testing.assert_allclose(twin.curves(0).trail(DEATH, years * YEAR), wanted, atol=1e-6)
    assert np.abs(departure(years)).max() > 0.3


def test_coefficients_and_evidence_are_what_quadrature_finds(
    spec: ModelSpec, posterior: xr.Dataset, joint_fit: Fit
) -> None:
    """Visits and death of one patient; level and rise on a grid around what visits alone say."""
    n, events = 4000, joint_fit.cohort.events
    died = events.query("event == 'death'")["patient_id"].iloc[0]
    years = float(events.set_index("patient_id").loc[died, "day"]) / YEAR
    twin = twin_of(spec, posterior, joint_fit, died, years * YEAR, n)
    departure, visits = Departure(joint_fit), twin.cohort.visits
    assert visits is not None
    t = visits["day"].to_numpy() / YEAR
    x, y = np.column_stack([np.ones_like(t), t]), np.log(visits["value"].to_numpy())
    y = y - departure(t)
    spread = SD[:, None] * SD * posterior["patient_correlation"].to_numpy()[0, 0]
    marginal = multivariate_normal(x @ LINE, x @ spread @ x.T + NOISE**2 * np.eye(len(y)))
    covariance = np.linalg.inv(np.linalg.inv(spread) + x.T @ x / NOISE**2)
    middle = covariance @ (np.linalg.solve(spread, LINE) + x.T @ y / NOISE**2)
    root = np.linalg.cholesky(covariance)
    at, weight = np.polynomial.legendre.leggauss(30)
    at, weight = 0.5 * years * (at + 1), 0.5 * years * weight
    nodes, shares = np.polynomial.hermite_e.hermegauss(16)
    points = np.array([middle + root @ np.array([a, b]) for a in nodes for b in nodes]).T
    share = np.outer(shares, shares).ravel() / (2 * np.pi)
    rate = RATE * float(twin.ratios(0).hazard[0, 0])
    risen = sum(w * np.exp(departure.adds(u, *points)) for u, w in zip(at, weight, strict=True))
    density = rate / YEAR * np.exp(departure.adds(years, *points) - rate * risen)
    total = share @ density
    wanted = points @ (share * density) / total
    lines, evidence = lines_of(twin, departure), twin.record_log_marginal(0)
    error = lines.std(axis=1) / np.sqrt(n)
    assert np.all(np.abs(lines.mean(axis=1) - wanted) < 4 * error)
    assert np.abs(wanted - middle).max() > 4 * error.max()  # the course did say something
    exact = marginal.logpdf(y) + np.log(total)
    assert np.log(np.mean(np.exp(evidence - exact))) == pytest.approx(0.0, abs=3e-3)


def test_a_forecast_goes_on_beyond_the_last_visit_of_the_cohort(
    spec: ModelSpec, posterior: xr.Dataset, joint_fit: Fit
) -> None:
    twin = twin_of(spec, posterior, joint_fit, "p04", 1.5 * YEAR, 50)
    departure = Departure(joint_fit)
    level, rise = lines_of(twin, departure)
    until = departure.end + 3.0
    forecast = twin.forecast((until - 1.5) * YEAR, [(until - 1.5) * YEAR])
    wanted = level + rise * until + departure(np.array(departure.end))
    assert float(forecast["marker_curve"].squeeze()) == pytest.approx(
        np.exp(wanted).mean(), rel=0.05
    )
    at, weight = np.polynomial.legendre.leggauss(60)
    half = 0.5 * (until - 1.5)
    nodes = 1.5 + half * (at + 1)
    rate = RATE * float(twin.ratios(0).hazard[0, 0])
    risen = sum(
        half * w * np.exp(departure.adds(u, level, rise))
        for u, w in zip(nodes, weight, strict=True)
    )
    survival = float(forecast["survival"].squeeze())
    assert survival == pytest.approx(np.exp(-rate * risen).mean(), abs=5e-3)
