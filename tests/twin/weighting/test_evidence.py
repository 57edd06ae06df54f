"""The evidence of one patient's record against closed forms, quadrature and the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal

import twinbayes as tb
from twinbayes.inference import Fit
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import (
    EventProcess,
    ModelSpec,
    StateGraph,
    Transition,
    Weibull,
)
from twinbayes.model.covariates.terms import Term
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin
from twinbayes.twin.population.hazards import Population

YEAR = DAYS_PER_YEAR
SOME = (3, 170, 399)  # draws that are looked at


def unassociated(twin: Twin) -> Twin:
    return replace(twin, spec=replace(twin.spec, associations=()))


def curve_of(fit: Fit, d: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and covariance of level and slope of log bilirubin, and the error, in draw d."""
    one = fit.datatree["posterior"].to_dataset().isel(chain=0, draw=d)
    sd = one["patient_sd"].to_numpy()
    spread = sd[:, None] * sd * one["patient_correlation"].to_numpy()
    return one["curve_effect"].to_numpy()[0], spread, float(one["marker_sd"].to_numpy()[0])


def visits_of(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
    visits = twin.cohort.visits
    assert visits is not None
    t = visits["day"].to_numpy() / YEAR
    return np.column_stack([np.ones_like(t), t]), np.log(visits["value"].to_numpy())


def exponential(twin: Twin, d: int) -> float:
    """Log likelihood of a constant hazard of 0.1 a year times the patient's hazard ratio."""
    present, ratio = twin.present[0], float(twin.unweighted(0).ratios.hazard[0, d])
    died = float(present.state == "dead")
    return died * np.log(0.1 / YEAR * ratio) - 0.1 * ratio * present.day / YEAR


@pytest.mark.parametrize("at", [2.5 * YEAR, None])
def test_without_association_the_evidence_is_normal_times_exponential(
    joint_fit: Fit, at: float | None
) -> None:
    dead = joint_fit.cohort.events.query("event == 'death'")["patient_id"].iloc[0]
    twin = unassociated(joint_fit.twin(dead, at=at))
    found = twin.record_log_marginal(0)
    x, y = visits_of(twin)
    for d in SOME:
        mean, spread, sigma = curve_of(joint_fit, d)
        marginal = multivariate_normal(x @ mean, x @ spread @ x.T + sigma**2 * np.eye(len(y)))
        assert found[d] == pytest.approx(marginal.logpdf(y) + exponential(twin, d), abs=1e-8)


def test_a_patient_without_visits_has_the_evidence_of_the_course_alone(joint_fit: Fit) -> None:
    cohort = joint_fit.cohort.select(["p04"])
    assert cohort.visits is not None
    bare = replace(cohort, visits=cohort.visits.iloc[:0])
    twin = unassociated(replace(joint_fit.twin("p04"), cohort=bare, seen=None))
    for d in SOME:
        assert twin.record_log_marginal(0)[d] == pytest.approx(exponential(twin, d), abs=1e-10)


@pytest.mark.parametrize("event", ["death", "last_contact"])
def test_with_an_association_the_evidence_is_what_quadrature_finds(
    joint_fit: Fit, event: str
) -> None:
    """Level and slope on a grid around their posterior; cumulative hazards by adaptive rule.

    The kernel's own estimate is by eight proposals a draw, whose mean over equal draws is exact.
    """
    patient = joint_fit.cohort.events.query("event == @event")["patient_id"].iloc[1]
    curves = joint_fit.learnt.curves
    assert curves is not None
    centre = curves.get("bilirubin").centre
    d = 170
    thin = joint_fit.twin(patient)
    same = np.full(3000, d)
    assert thin.curve_population is not None
    twin = replace(
        thin,
        population=thin.population.take(same),
        curve_population=thin.curve_population.take(same),
        seen=None,
    )
    mean, spread, sigma = curve_of(joint_fit, d)
    x, y = visits_of(twin)
    marginal = multivariate_normal(x @ mean, x @ spread @ x.T + sigma**2 * np.eye(len(y)))
    covariance = np.linalg.inv(np.linalg.inv(spread) + x.T @ x / sigma**2)
    middle = covariance @ (np.linalg.solve(spread, mean) + x.T @ y / sigma**2)
    root = np.linalg.cholesky(covariance)
    alpha = float(joint_fit.datatree["posterior"]["association"][0, d, 0])
    ratio = float(thin.ratios(0).hazard[0, d])
    years = twin.present[0].day / YEAR

    def hazard(t: float, level: float, slope: float) -> float:
        return 0.1 * ratio * float(np.exp(alpha * (level + slope * t - centre)))

    at, weight = np.polynomial.hermite_e.hermegauss(30)
    total = 0.0
    for a, wa in zip(at, weight, strict=True):
        for b, wb in zip(at, weight, strict=True):
            level, slope = middle + root @ np.array([a, b])
            density = np.exp(-quad(hazard, 0.0, years, (level, slope))[0])
            if event == "death":
                density *= hazard(years, level, slope) / YEAR
            total += wa * wb / (2 * np.pi) * density
    wanted = marginal.logpdf(y) + np.log(total)
    found = twin.record_log_marginal(0)
    assert np.log(np.mean(np.exp(found - found.max()))) + found.max() == pytest.approx(
        wanted, abs=2e-3
    )
    assert found.std() < 0.1


def test_evidence_without_trajectories_is_the_log_likelihood_of_the_fit(joint_fit: Fit) -> None:
    """Weibull hazards have another rate at an event than over its window."""
    cohort = joint_fit.cohort
    graph = StateGraph(
        states=("alive", "dead"),
        transitions=(Transition(source="alive", target="dead", event="death", baseline=Weibull()),),
    )
    sex = Term(name="sex", group="clinical", transform="category")
    process = EventProcess(graph=graph, covariates=(sex,))
    spec = ModelSpec(name="x", title="X", priors="survival", events=process)
    bare = replace(cohort, visits=None, variables=cohort.variables.iloc[:3])
    plan = spec.plan(bare)
    draws = sample_priors(spec, bare, draws=30, seed=2)
    population = Population.from_posterior(draws, plan.learnt.encoding, plan.learnt.edges)
    twin = Twin(spec, plan.learnt, population, None, bare, True)
    wanted = patient_loglik(draws, plan.events, bare.patient_ids)
    for i in range(bare.n_patients):
        np.testing.assert_allclose(
            twin.record_log_marginal(i), wanted[0, :, i], rtol=1e-9, atol=1e-9
        )


def test_the_log_likelihood_of_a_joint_model_is_the_evidence_of_every_patient(
    joint_fit: Fit,
) -> None:
    found = joint_fit.log_likelihood()
    twin = joint_fit.twin()
    posterior = joint_fit.datatree["posterior"]
    assert found.dims == ("chain", "draw", "patient")
    assert found.sizes["draw"] == posterior.sizes["draw"]
    for i in (0, 3):
        np.testing.assert_array_equal(
            found.isel(patient=i).to_numpy().ravel(), twin.record_log_marginal(i)
        )


def test_treatments_competing_ends_and_clocks_have_the_log_likelihood_of_the_fit() -> None:
    cohort = tb.datasets.registry()
    few = cohort.select(cohort.patient_ids[:40])
    spec = tb.disease("registry")
    plan = spec.plan(few)
    draws = sample_priors(spec, few, draws=10, seed=2)
    population = Population.from_posterior(draws, plan.learnt.encoding, plan.learnt.edges)
    twin = Twin(spec, plan.learnt, population, None, few, True)
    wanted = patient_loglik(draws, plan.events, few.patient_ids)
    moments = np.diff(plan.events.data.moment_start)
    complete = np.flatnonzero(moments == 0)
    assert len(complete) > 5
    for i in complete:
        np.testing.assert_allclose(
            twin.record_log_marginal(i), wanted[0, :, i], rtol=1e-8, atol=1e-8
        )
