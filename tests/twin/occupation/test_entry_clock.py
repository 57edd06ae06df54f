"""Curves that move a hazard on the entry clock: its baseline ages, the curve keeps its own time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.stats import multivariate_normal

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    Association,
    EventProcess,
    ModelSpec,
    PiecewiseConstant,
    StateGraph,
    Transition,
)
from twinbayes.names import CLOCK_ENTRY, DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

YEAR = DAYS_PER_YEAR
LABEL = "ill->dead_ill"
ALPHA = 0.9
FALLS_ILL, DIES_WELL = 0.5, 0.1  # a year
EARLY, LATE, TURN = 0.7, 0.2, 0.6  # deaths a year in illness, until so many years after entry


def spec_of() -> ModelSpec:
    two, one = PiecewiseConstant(windows=2), PiecewiseConstant(windows=1)
    graph = StateGraph(
        states=("well", "ill", "dead_well", "dead_ill"),
        transitions=(
            Transition(source="well", target="ill", event="illness", baseline=one),
            Transition(source="well", target="dead_well", event="death", baseline=one),
            Transition(
                source="ill", target="dead_ill", event="death", clock=CLOCK_ENTRY, baseline=two
            ),
        ),
    )
    return replace(
        tb.disease("pbc"),
        events=EventProcess(graph=graph),
        associations=(Association(marker="bilirubin", transitions=(LABEL,)),),
    )


@pytest.fixture(scope="module")
def cohort(joint_fit: Fit) -> Cohort:
    """Every other patient falls ill after 0.4 of the follow-up."""
    events = joint_fit.cohort.events
    ill = events.iloc[::2].assign(day=events["day"].iloc[::2] * 0.4, event="illness")
    both = pd.concat([ill, events]).sort_values(["patient_id", "day"], ignore_index=True)
    return replace(joint_fit.cohort, events=both)


@pytest.fixture(scope="module")
def posterior(cohort: Cohort) -> xr.Dataset:
    """Moderate draws of the prior in the place of a posterior."""
    draws = sample_priors(spec_of(), cohort, draws=8, seed=4)
    rates = np.array([[FALLS_ILL] * 2, [DIES_WELL] * 2, [EARLY, LATE]]) / YEAR
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + np.log(rates)
    draws["association"] = draws["association"] * 0.0 + ALPHA
    draws["patient_sd"] = draws["patient_sd"] * 0.0 + np.array([0.6, 0.3])
    draws["curve_effect"] = draws["curve_effect"] * 0.0 + np.array([0.6, 0.25])
    draws["marker_sd"] = draws["marker_sd"] * 0.0 + 0.4
    return draws


def twin_of(cohort: Cohort, posterior: xr.Dataset, patient: str, at: float) -> Twin:
    spec = spec_of()
    learnt = spec.plan(cohort).learnt
    edges = (*learnt.edges[:2], np.array([0.0, TURN * YEAR, np.inf]))
    learnt = replace(learnt, edges=edges)
    assert learnt.curves is not None
    population = Population.from_posterior(posterior, learnt.encoding, edges)
    curves = CurvePopulation.from_posterior(posterior, learnt.curves, spec)
    return Twin.at_landmark(spec, learnt, (population, curves), cohort.select([patient]), at, True)


def baseline(age: float) -> float:
    return EARLY if age < TURN else LATE


def centre_of(twin: Twin) -> float:
    assert twin.learnt.curves is not None
    return twin.learnt.curves.get("bilirubin").centre


def lines(twin: Twin) -> np.ndarray:
    """(draw, 2) log hazard ratio in illness at the origin, and its rise a year."""
    level, later = twin.curves(0).marker("bilirubin", np.array([0.0, YEAR]))
    return ALPHA * np.column_stack([level - centre_of(twin), later - level])


def test_coefficients_and_evidence_are_what_quadrature_finds(
    cohort: Cohort, posterior: xr.Dataset
) -> None:
    ends = cohort.events.query("event == 'death'")["patient_id"]
    ill = cohort.events.query("event == 'illness'").set_index("patient_id")["day"] / YEAR
    patient = next(p for p in ends if p in ill.index)
    n, entry = 4000, float(ill[patient])
    end = float(cohort.events.query("patient_id == @patient")["day"].max()) / YEAR
    one = posterior.isel(draw=[3]).isel(draw=np.zeros(n, dtype=int))
    twin = twin_of(cohort, one, patient, end * YEAR)
    visits = twin.cohort.visits
    assert visits is not None
    assert entry + TURN < end
    t = visits["day"].to_numpy() / YEAR
    x, y = np.column_stack([np.ones_like(t), t]), np.log(visits["value"].to_numpy())
    sd, mean = np.array([0.6, 0.3]), np.array([0.6, 0.25])
    spread = sd[:, None] * sd * posterior["patient_correlation"].to_numpy()[0, 3]
    marginal = multivariate_normal(x @ mean, x @ spread @ x.T + 0.16 * np.eye(len(y)))
    covariance = np.linalg.inv(np.linalg.inv(spread) + x.T @ x / 0.16)
    middle = covariance @ (np.linalg.solve(spread, mean) + x.T @ y / 0.16)
    root, centre = np.linalg.cholesky(covariance), centre_of(twin)

    def hazard(t: float, level: float, rise: float) -> float:
        return baseline(t - entry) * float(np.exp(ALPHA * (level + rise * t - centre)))

    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    points = np.array([middle + root @ np.array([a, b]) for a in nodes for b in nodes])
    shares = np.outer(weights, weights).ravel() / (2 * np.pi)
    kink = [entry + TURN]
    density = np.array(
        [
            hazard(end, *c) / YEAR * np.exp(-quad(hazard, entry, end, tuple(c), points=kink)[0])
            for c in points
        ]
    )
    total = shares @ density
    level, later = twin.curves(0).marker("bilirubin", np.array([0.0, YEAR]))
    found = np.column_stack([level, later - level])
    error = found.std(axis=0) / np.sqrt(n)
    wanted = (shares * density) @ points / total
    assert np.all(np.abs(found.mean(axis=0) - wanted) < 4 * error)
    assert np.abs(wanted - middle).max() > 4 * error.max()  # the course did say something
    well = np.log(FALLS_ILL / YEAR) - (FALLS_ILL + DIES_WELL) * entry
    exact = marginal.logpdf(y) + well + np.log(total)
    assert np.log(np.mean(np.exp(twin.record_log_marginal(0) - exact))) == pytest.approx(
        0.0, abs=3e-3
    )


def test_somebody_ill_dies_at_the_age_of_the_illness_and_the_time_of_the_curve(
    cohort: Cohort, posterior: xr.Dataset
) -> None:
    ill = cohort.events.query("event == 'illness'").set_index("patient_id")["day"] / YEAR
    patient, entry = str(ill.index[0]), float(ill.iloc[0])
    now = entry + 0.4
    twin = twin_of(cohort, posterior, patient, now * YEAR)
    forecast = twin.forecast(3.0 * YEAR, [YEAR, 3.0 * YEAR], draws=True)
    found = forecast["survival_draws"].isel(patient=0).to_numpy()
    for d, (level, rise) in enumerate(lines(twin)):
        for k, years in enumerate((1.0, 3.0)):
            area = quad(
                lambda t, level=level, rise=rise: baseline(t - entry) * np.exp(level + rise * t),
                now,
                now + years,
                points=[entry + TURN],
            )[0]
            assert found[k, d] == pytest.approx(np.exp(-area), abs=2e-3)
    assert found[0].std() > 0.02


def test_somebody_well_falls_ill_and_dies_as_the_convolution_says(
    cohort: Cohort, posterior: xr.Dataset
) -> None:
    twin = twin_of(cohort, posterior, "p05", 1.5 * YEAR)
    assert twin.present[0].state == "well"
    forecast = twin.forecast(3.0 * YEAR, [YEAR, 3.0 * YEAR], draws=True)
    found = forecast["state_probability_draws"].sel(state="ill").isel(patient=0).to_numpy()
    step = 0.005
    for d, (level, rise) in enumerate(lines(twin)):
        for k, years in enumerate((1.0, 3.0)):
            at = np.arange(step / 2, years, step)
            ratio = np.exp(level + rise * (1.5 + at))
            falls = FALLS_ILL * np.exp(-(FALLS_ILL + DIES_WELL) * at)
            age = at[None] - at[:, None]
            rate = np.where(age < TURN, EARLY, LATE) * (age > 0) + 0.5 * EARLY * (age == 0)
            stays = np.exp(-step * (rate * ratio).sum(axis=1))
            assert found[k, d] == pytest.approx(step * falls @ stays, abs=3e-3)


def test_a_curve_that_says_nothing_leaves_the_forecast_as_it_was(
    cohort: Cohort, posterior: xr.Dataset
) -> None:
    silent = posterior.assign(association=posterior["association"] * 0.0)
    twin = twin_of(cohort, silent, "p05", 1.5 * YEAR)
    alone = replace(twin, spec=replace(twin.spec, associations=()))
    one, two = (t.forecast(3.0 * YEAR, 6)["state_probability"] for t in (twin, alone))
    np.testing.assert_allclose(one, two, atol=1e-6)
