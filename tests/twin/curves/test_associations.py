"""Twins whose hazards follow lagged curves, products and effects, against quadrature."""

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
from twinbayes.model import Association, ModelSpec
from twinbayes.model.covariates.terms import Term
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.curves import CurvePopulation
from twinbayes.twin.population.hazards import Population

YEAR = DAYS_PER_YEAR
DEATH = "alive->dead"
LAG = 300.0
SEX = Term(name="sex", group="clinical", transform="category")
AGE = Term(name="age_years", group="clinical")
DRAW = 7
RATE = 0.15  # baseline deaths a year


def follows(form: str = "value", **more: float | str) -> Association:
    return Association(marker="bilirubin", transitions=(DEATH,), form=form, **more)


#: What hazards follow, and the log hazard ratios.
CASES: dict[str, tuple[tuple[Association, ...], tuple[float, ...]]] = {
    "lagged value": ((follows(lag_days=LAG),), (1.1,)),
    "lagged area": ((follows("area", lag_days=LAG),), (0.4,)),
    "by sex": ((follows(), follows(by="sex=female")), (0.5, 0.6)),
    "slope by age": ((follows(), follows("slope", by="age_years")), (0.5, 0.1)),
    "effects": ((follows("effects"),), (0.9, 1.6)),
    "effects by age": (
        (follows(lag_days=LAG), follows("effects", by="age_years")),
        (0.4, 0.07, 0.1),
    ),
}


@pytest.fixture(scope="module")
def base() -> ModelSpec:
    return tb.disease("pbc", covariates=(SEX, AGE), curve_covariates=(SEX,))


@pytest.fixture(scope="module")
def posterior(base: ModelSpec, joint_fit: Fit) -> xr.Dataset:
    """One moderate draw of the prior in the place of a posterior."""
    draws = sample_priors(base, joint_fit.cohort, draws=10, seed=4).isel(draw=[DRAW])
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + np.log(RATE / YEAR)
    draws["beta"] = draws["beta"] * 0.0 + 0.2
    draws["patient_sd"] = draws["patient_sd"] * 0.0 + np.array([0.6, 0.3])
    draws["curve_effect"] = draws["curve_effect"] * 0.0 + np.array([[0.3, 0.2], [0.4, -0.15]])
    draws["marker_sd"] = draws["marker_sd"] * 0.0 + 0.4
    return draws.drop_vars(["association", "_association", "association_term"])


def twin_of(
    case: str, base: ModelSpec, posterior: xr.Dataset, fit: Fit, patient: str, at: float, n: int
) -> Twin:
    associations, ratios = CASES[case]
    spec = replace(base, associations=associations)
    learnt = spec.plan(fit.cohort).learnt
    assert learnt.curves is not None
    one = posterior.isel(draw=np.zeros(n, dtype=int))
    values = np.broadcast_to(ratios, (1, n, len(ratios)))
    one = one.assign(association=(("chain", "draw", "association_term"), values))
    population = Population.from_posterior(one, learnt.encoding, learnt.edges)
    curves = CurvePopulation.from_posterior(one, learnt.curves, spec)
    return Twin.at_landmark(
        spec, learnt, (population, curves), fit.cohort.select([patient]), at, True
    )


def by_hand(case: str, twin: Twin, fit: Fit, t: float, curve: np.ndarray) -> np.ndarray:
    """What (draw, 2) curves, level and rise a year of log bilirubin, add to the log hazard."""
    row = twin.cohort.patients.iloc[0]
    female = float(row["sex"] == "female")
    age = float(row["age_years"] - fit.cohort.patients["age_years"].mean())
    learnt = twin.learnt.curves
    assert learnt is not None
    centre = learnt.get("bilirubin").centre
    level, rise = curve.T
    before = max(t - LAG / YEAR, 0.0)
    own = curve - (np.array([0.3, 0.2]) + female * np.array([0.4, -0.15]))
    if case == "lagged value":
        return 1.1 * (level - centre + rise * before)
    if case == "lagged area":
        return 0.4 * ((level - centre) * before + rise * before**2 / 2)
    if case == "by sex":
        return (0.5 + 0.6 * female) * (level - centre + rise * t)
    if case == "slope by age":
        return 0.5 * (level - centre + rise * t) + 0.1 * age * rise
    if case == "effects":
        return own @ np.array([0.9, 1.6])
    return 0.4 * (level - centre + rise * before) + age * (own @ np.array([0.07, 0.1]))


def curves_of(twin: Twin) -> np.ndarray:
    """(draw, 2) level and rise a year of log bilirubin."""
    level, later = twin.curves(0).marker("bilirubin", np.array([0.0, YEAR]))
    return np.column_stack([level, later - level])


@pytest.mark.parametrize("case", CASES)
def test_a_twin_adds_to_the_log_hazard_what_the_formula_says(
    case: str, base: ModelSpec, posterior: xr.Dataset, joint_fit: Fit
) -> None:
    twin = twin_of(case, base, posterior, joint_fit, "p04", 1.5 * YEAR, 20)
    curves, years = curves_of(twin), np.array([0.0, 0.4, 1.5, 6.0])
    wanted = np.stack([by_hand(case, twin, joint_fit, t, curves) for t in years])
    found = twin.curves(0).trail(DEATH, years * YEAR)
    np.testing.assert_allclose(found, wanted, atol=1e-10)
    drawn_again = twin.curves(0).under(np.array([3, 3, 8])).trail(DEATH, years * YEAR)
    np.testing.assert_array_equal(drawn_again, found[:, [3, 3, 8]])


@pytest.mark.parametrize("case", CASES)
def test_coefficients_and_evidence_are_what_quadrature_finds(
    case: str, base: ModelSpec, posterior: xr.Dataset, joint_fit: Fit
) -> None:
    """A woman's visits and death; level and rise on a grid around what the visits alone say."""
    n, events = 4000, joint_fit.cohort.events
    sex = joint_fit.cohort.patients.set_index("patient_id")["sex"]
    died = next(p for p in events.query("event == 'death'")["patient_id"] if sex[p] == "female")
    years = float(events.set_index("patient_id").loc[died, "day"]) / YEAR
    twin = twin_of(case, base, posterior, joint_fit, died, years * YEAR, n)
    visits = twin.cohort.visits
    assert visits is not None
    t = visits["day"].to_numpy() / YEAR
    x, y = np.column_stack([np.ones_like(t), t]), np.log(visits["value"].to_numpy())
    sd = posterior["patient_sd"].to_numpy()[0, 0]
    spread = sd[:, None] * sd * posterior["patient_correlation"].to_numpy()[0, 0]
    mean = np.array([0.7, 0.05])
    marginal = multivariate_normal(x @ mean, x @ spread @ x.T + 0.16 * np.eye(len(y)))
    covariance = np.linalg.inv(np.linalg.inv(spread) + x.T @ x / 0.16)
    middle = covariance @ (np.linalg.solve(spread, mean) + x.T @ y / 0.16)
    root = np.linalg.cholesky(covariance)
    ratio = float(twin.ratios(0).hazard[0, 0])

    def hazard(at: float, curve: np.ndarray) -> float:
        return RATE * ratio * float(np.exp(by_hand(case, twin, joint_fit, at, curve[None])[0]))

    nodes, weights = np.polynomial.hermite_e.hermegauss(16)
    points = [middle + root @ np.array([a, b]) for a in nodes for b in nodes]
    shares = np.outer(weights, weights).ravel() / (2 * np.pi)
    density = np.array(
        [
            hazard(years, c)
            / YEAR
            * np.exp(-quad(hazard, 0.0, years, (c,), points=[LAG / YEAR])[0])
            for c in points
        ]
    )
    total = shares @ density
    wanted = (shares * density) @ np.array(points) / total
    curves, evidence = curves_of(twin), twin.record_log_marginal(0)
    error = curves.std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(curves.mean(axis=0) - wanted) < 4 * error)
    assert np.abs(wanted - middle).max() > 4 * error.max()  # the course did say something
    exact = marginal.logpdf(y) + np.log(total)
    assert np.log(np.mean(np.exp(evidence - exact))) == pytest.approx(0.0, abs=3e-3)


def test_under_effects_alone_survival_is_exponential_in_every_draw(
    base: ModelSpec, posterior: xr.Dataset, joint_fit: Fit
) -> None:
    twin = twin_of("effects", base, posterior, joint_fit, "p04", 1.5 * YEAR, 50)
    rate = RATE * twin.ratios(0).hazard[0]
    rate = rate * np.exp(by_hand("effects", twin, joint_fit, 0.0, curves_of(twin)))
    forecast = twin.forecast(4.0 * YEAR, [YEAR, 4.0 * YEAR], draws=True)
    for k, years in enumerate((1.0, 4.0)):
        survival = forecast["survival_draws"].isel(patient=0, time=k).to_numpy()
        np.testing.assert_allclose(survival, np.exp(-rate * years), atol=1e-4)
    assert rate.std() / rate.mean() > 0.1
