"""Priors of myelodysplastic syndromes: what is derived from published figures, done again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln, expit, gammaln, logit

from twinbayes.priors import PriorEntry, PriorSet, fit_mixture, load_priors

REMISSION = "response_probability.complete_remission_hypomethylating"
INDEPENDENCE = "response_probability.transfusion_independence_lenalidomide"
SURVIVAL = "survival_effect.azacitidine"
EVIDENCE = (REMISSION, INDEPENDENCE, SURVIVAL)


@pytest.fixture(scope="module")
def mds() -> PriorSet:
    return load_priors("mds")


def predictive(responders: list[int], patients: list[int], spread: float) -> np.ndarray:
    """Return 4,000 equally probable values of the response probability in a new study.

    Log odds Normal(mu, tau) between studies, mu ~ Normal(0, 2), tau ~ HalfNormal(spread).
    """
    mu = np.linspace(-5, 3, 81)[:, None, None]
    tau = ((np.arange(40) + 0.5) / 40 * 4 * spread)[None, :, None]
    at, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    log = stats.norm.logpdf(mu[..., 0], 0, 2) + stats.halfnorm.logpdf(tau[..., 0], scale=spread)
    for y, n in zip(responders, patients, strict=True):
        log = log + np.log((weight * stats.binom.pmf(y, n, expit(mu + tau * at))).sum(axis=-1))
    posterior = np.exp(log - log.max())
    posterior /= posterior.sum()
    levels = (np.arange(1000) + 0.5) / 1000
    cdf = (posterior[..., None] * stats.norm.cdf((logit(levels) - mu) / tau)).sum(axis=(0, 1))
    return np.interp((np.arange(4000) + 0.5) / 4000, cdf, levels)


def test_the_remission_prior_is_the_robust_meta_analytic_predictive_one(mds: PriorSet) -> None:
    entry = mds[REMISSION]
    counted = [row for row in entry.evidence if row.weight == 1.0]
    responders = [round(float(row.observed or 0)) for row in counted]
    draws = predictive(responders, [row.n or 0 for row in counted], 0.5)
    fitted = fit_mixture(draws, "beta", components=2).mixture
    informative = entry.mixture[:-1]
    np.testing.assert_allclose(
        [part.weight / 0.8 for part in informative], fitted.weights, atol=0.005
    )
    np.testing.assert_allclose(
        [part.arguments["alpha"] for part in informative], fitted.first, rtol=0.01
    )
    np.testing.assert_allclose(
        [part.arguments["beta"] for part in informative], fitted.second, rtol=0.01
    )
    assert fitted.mean == pytest.approx(draws.mean(), abs=0.001)


def test_the_independence_prior_counts_half_of_its_trial(mds: PriorSet) -> None:
    entry = mds[INDEPENDENCE]
    trial = entry.evidence[0]
    share, n, y = float(trial.weight or 0), float(trial.n or 0), float(trial.observed or 0)
    assert share == 0.5
    assert dict(entry.mixture[0].arguments) == {"alpha": 1 + share * y, "beta": 1 + share * (n - y)}


def test_the_survival_prior_is_the_published_interval_widened(mds: PriorSet) -> None:
    error = (math.log(0.77) - math.log(0.43)) / (2 * stats.norm.ppf(0.975))
    arguments = mds[SURVIVAL].mixture[0].arguments
    assert arguments["mu"] == pytest.approx(math.log(0.58), abs=0.001)
    assert arguments["sigma"] == pytest.approx(math.hypot(error, 0.2), abs=0.001)


def responders_among(entry: PriorEntry, n: int) -> np.ndarray:
    """Probability of each number of responders among `n`."""
    k = np.arange(n + 1)
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    parts = [(p.weight, p.arguments["alpha"], p.arguments["beta"]) for p in entry.mixture]
    each = [w * np.exp(choose + betaln(a + k, b + n - k) - betaln(a, b)) for w, a, b in parts]
    return np.sum(each, axis=0)


@pytest.mark.parametrize("name", [REMISSION, INDEPENDENCE])
def test_prior_predictive_numbers_of_responses_are_right(mds: PriorSet, name: str) -> None:
    stated = mds[name].prior_predictive
    assert stated is not None
    chance = responders_among(mds[name], 20)
    assert chance.sum() == pytest.approx(1.0)
    below = np.cumsum(chance)
    quantiles = {f"q{100 * p:02.0f}": int(np.searchsorted(below, p)) for p in (0.05, 0.5, 0.95)}
    assert {k: v for k, v in stated.numbers.items() if k.startswith("q")} == quantiles
    assert stated.numbers["probability_of_none"] == pytest.approx(chance[0], rel=0.005)


def test_prior_predictive_numbers_of_survival_are_right(mds: PriorSet) -> None:
    stated = mds[SURVIVAL].prior_predictive
    assert stated is not None
    mixture = mds[SURVIVAL].density.as_mixture()
    for key, ratio in (("hazard_ratio_below_1", 1.0), ("hazard_ratio_below_half", 0.5)):
        below = float(mixture.cdf(math.log(ratio)))
        assert stated.numbers[key] == pytest.approx(below, abs=0.0006)


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_entries_have_what_a_reviewer_needs_and_no_review(
    mds: PriorSet, name: str
) -> None:
    entry = mds[name]
    assert (entry.status, entry.review) == ("evidence", ())
    assert entry.estimand is not None
    assert entry.robustness is not None
    assert entry.derived is not None
    assert set(entry.derived.ess) == {"elir", "moment", "morita"}
    assert len(entry.alternatives) >= 2
    assert entry.derivation
    for alternative in entry.alternatives:
        assert mds.override({name: entry.alternative(alternative.label)})[name].mixture == (
            alternative.mixture
        )


def test_all_other_entries_are_honest_defaults(mds: PriorSet) -> None:
    assert {n for n, e in mds.items() if e.status != "default"} == set(EVIDENCE)
