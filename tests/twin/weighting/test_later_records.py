"""What a fit has seen of a patient after the landmark is taken out again, exactly.

One flat hazard with a gamma posterior: without the later record of a patient it is another gamma
distribution, which is written out here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import quad
from scipy.stats import norm

from flat_hazard import DIED, LOST, counted, fit_of, flat, registry, without
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.inference.densities.likelihood import patient_loglik
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model.covariates.terms import Term
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin.population.ratios import fitted_ratios

YEAR = DAYS_PER_YEAR


def survival(shape: float, rate: float, years: float) -> float:
    return float((rate / (rate + years)) ** shape)


@pytest.mark.parametrize("patient", [DIED, LOST])
@pytest.mark.parametrize("at", [0.0, 1.5 * YEAR])
def test_a_landmark_has_the_posterior_without_the_later_record(
    exact_fit: Fit, patient: str, at: float
) -> None:
    twin = exact_fit.twin(patient, at=at)
    forecast = twin.forecast(5 * YEAR, [YEAR, 5 * YEAR], draws=True)
    shape, rate = counted(without(exact_fit.cohort, patient))
    rate += at / YEAR  # alive so far
    for k, years in enumerate((1.0, 5.0)):
        wanted = survival(shape, rate, years)
        assert float(forecast["survival"][0, k]) == pytest.approx(wanted, abs=1e-3)
    drawn = -np.log(forecast["survival_draws"].to_numpy()[0, 0])
    assert drawn.mean() == pytest.approx(shape / rate, rel=0.005)
    assert drawn.std() == pytest.approx(np.sqrt(shape) / rate, rel=0.02)
    row = twin.reliability().iloc[0]
    assert row["pareto_k"] < 0.7
    assert not row["needs_refit"]


def test_the_landmark_of_a_death_does_not_know_of_it(exact_fit: Fit) -> None:
    """With the death the hazard is higher; the difference is one death in the shape."""
    known = survival(*counted(exact_fit.cohort), 5.0)
    found = float(exact_fit.twin(DIED, at=0.0).forecast(5 * YEAR, 2)["survival"][0, -1])
    assert found - known > 0.007


def events_of(cohort: Cohort, patient: str, day: float, event: str) -> Cohort:
    one = cohort.select([patient])
    return one.with_rows({"events": one.events.assign(day=day, event=event)})


@pytest.mark.parametrize(("years", "event"), [(11.0, "last_contact"), (2.0, "death")])
def test_a_longer_or_a_corrected_record_takes_the_place_of_that_of_the_fit(
    exact_fit: Fit, years: float, event: str
) -> None:
    one = events_of(exact_fit.cohort, LOST, years * YEAR, event)
    twin = exact_fit.twin(one)
    index = twin.patient_draws(0).weights
    assert index is not None
    hazard = twin.population.rate[0, 0, index.index] * YEAR
    shape, rate = counted(without(exact_fit.cohort, LOST))
    shape, rate = shape + (event == "death"), rate + years
    assert hazard.mean() == pytest.approx(shape / rate, rel=0.003)
    assert hazard.std() == pytest.approx(np.sqrt(shape) / rate, rel=0.02)


def test_the_record_of_the_fit_itself_changes_nothing(exact_fit: Fit) -> None:
    last = float(exact_fit.cohort.events["day"].iloc[2])
    bare = replace(exact_fit.twin(LOST), seen=None).forecast(YEAR, 3)
    for who, at in ((LOST, None), (LOST, last), (exact_fit.cohort.select([LOST]), None)):
        twin = exact_fit.twin(who, at=at)
        assert twin.is_as_fitted
        assert twin.patient_draws(0).weights is None
        # but for the follow-up, of which a twin without its fit knows nothing
        xr.testing.assert_equal(twin.forecast(YEAR, 3).drop_vars("beyond_follow_up"), bare)
    assert exact_fit.twin(DIED, at=30 * YEAR).is_as_fitted  # dead, and nothing later
    assert not exact_fit.twin(LOST, at=0.5 * last).is_as_fitted


def test_a_patient_is_the_same_alone_and_among_all(exact_fit: Fit) -> None:
    every = exact_fit.twin(at=YEAR).forecast(YEAR, 2)
    alone = exact_fit.twin(DIED, at=YEAR).forecast(YEAR, 2)
    xr.testing.assert_identical(every.sel(patient=[DIED]), alone)


def test_updated_up_to_the_end_it_is_as_fitted_again(exact_fit: Fit) -> None:
    end = exact_fit.cohort.select([LOST]).events
    twin = exact_fit.twin(LOST, at=YEAR).update(events=end[["day", "event"]])
    assert twin.is_as_fitted
    assert twin.patient_draws(0).weights is None


def test_a_record_that_dominates_its_fit_asks_for_a_refit() -> None:
    """One death among three patients with few years each: the fit hangs on it."""
    cohort, spec = registry(3), flat()
    rng = np.random.default_rng(3)
    draws = sample_priors(spec, cohort, draws=1000, seed=1)
    hazard = rng.gamma(1.05, 1.0 / 0.3, 1000)
    draws["log_baseline"] = draws["log_baseline"] * 0.0 + xr.DataArray(
        np.log(hazard / YEAR)[None], dims=("chain", "draw")
    )
    twin = fit_of(spec, cohort, draws).twin(DIED, at=0.0)
    row = twin.reliability().iloc[0]
    assert row["pareto_k"] > 0.7 or row["ess"] < 100
    assert row["needs_refit"]
    assert twin.forecast(YEAR, 2).attrs["warning"].startswith("NEEDS REFIT")


def test_missing_covariates_count_as_the_likelihood_of_the_fit_counts_them() -> None:
    """The kernel of the fit evaluates both records; the twin's own arithmetic has to agree."""
    cohort, spec = registry(), flat((Term(name="score", group="clinical"),))
    draws = sample_priors(spec, cohort, draws=300, seed=2)
    draws["log_baseline"] = draws["log_baseline"] * 0.02 + np.log(0.1 / YEAR)
    draws["beta"] = draws["beta"] * 0.0 + xr.DataArray(
        np.random.default_rng(5).normal(0.8, 0.3, 300)[None], dims=("chain", "draw")
    )
    fit = fit_of(spec, cohort, draws)
    assert np.isnan(cohort.covariates()["score"].iloc[0])
    now = fit.twin(DIED, at=YEAR)
    whole = fit.twin(DIED)
    found = now.fitted_log_marginal(0) - whole.fitted_log_marginal(0)
    each = [
        patient_loglik(draws, spec.plan(c, fit.learnt).events, (DIED,)).to_numpy().ravel()
        for c in (now.cohort, whole.cohort)
    ]
    np.testing.assert_allclose(found, each[0] - each[1], rtol=1e-9, atol=1e-9)
    raw = np.exp(found - found.max())
    weights = now.patient_draws(0).weights
    assert weights is not None
    beta = draws["beta"].to_numpy().ravel()
    assert beta[weights.index].mean() == pytest.approx((raw * beta).sum() / raw.sum(), rel=0.02)


def test_the_variance_of_a_missing_covariate_is_what_quadrature_says_for_small_hazards() -> None:
    """Half the variance times the squared effect: exact in the mean of a log-normal ratio."""
    cohort, spec = registry(), flat((Term(name="score", group="clinical"),))
    draws = sample_priors(spec, cohort, draws=20, seed=2)
    fit = fit_of(spec, cohort, draws)
    twin = fit.twin(DIED, at=1.0)

    found = fitted_ratios(twin.population, twin.unweighted(0).ratios, twin._design, 0).hazard[0]
    beta = draws["beta"].to_numpy().ravel()
    mean, sd = twin._design.values[0, 0], np.sqrt(twin._design.variances[0, 0])
    for d in (0, 7, 19):
        wanted = quad(lambda x, b=beta[d]: np.exp(b * x) * norm.pdf(x, mean, sd), -12, 12)[0]
        assert found[d] == pytest.approx(wanted, rel=1e-6)
