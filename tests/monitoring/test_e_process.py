"""E-values are ratios of marginal likelihoods, and a true fit rarely alarms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from chance import drawn_seed
from twinbayes.errors import OptionError
from twinbayes.monitoring import log_e_value
from twinbayes.monitoring.e_process import ALTERNATIVES

SEED = drawn_seed(__name__)


def by_quadrature(n: float, mean: float, v: float) -> float:
    """The formula as it is written, integrated by another routine."""

    def marginal(centre: float) -> float:
        def log_f(u: float) -> float:
            return n * u - mean * np.exp(u) + float(norm.logpdf(u, centre, np.sqrt(v)))

        grid = np.linspace(centre - 8 * np.sqrt(v) - 3, centre + 8 * np.sqrt(v) + 3, 801)
        heights = [log_f(u) for u in grid]
        top, at = max(heights), grid[int(np.argmax(heights))]
        width = 1.0 / np.sqrt(mean * np.exp(at) + 1.0 / v)
        area, _ = quad(
            lambda u: np.exp(log_f(u) - top), at - 12 * width, at + 12 * width, limit=400,
            epsabs=1e-13, epsrel=1e-11,
        )  # fmt: skip
        return top + float(np.log(area))

    parts = [np.log(w) + marginal(float(np.log(r))) for r, w in ALTERNATIVES.items()]
    return float(np.logaddexp.reduce(parts)) - marginal(0.0)


def test_e_values_are_the_integrals_that_they_are_said_to_be() -> None:
    rng = np.random.default_rng(SEED)
    for _ in range(6):
        mean, v = float(rng.uniform(0.5, 300.0)), float(10.0 ** rng.uniform(-4, 0))
        n = float(rng.poisson(mean * rng.uniform(0.5, 2.0)))
        found = log_e_value(np.array(n), np.array(mean), np.array(v))
        assert float(found) == pytest.approx(by_quadrature(n, mean, v), abs=1e-5), SEED


def test_where_the_fit_is_certain_it_is_a_ratio_of_poisson_probabilities() -> None:
    n, mean = np.array([0.0, 3.0, 60.0]), np.array([2.0, 3.0, 40.0])
    wanted = np.log(sum(w * r**n * np.exp(-(r - 1.0) * mean) for r, w in ALTERNATIVES.items()))
    np.testing.assert_allclose(log_e_value(n, mean, np.zeros(3)), wanted, rtol=1e-12)
    tiny = log_e_value(n, mean, np.full(3, 1e-9))
    np.testing.assert_allclose(tiny, wanted, atol=1e-4)


def test_prior_probabilities_of_the_alternatives_add_up() -> None:
    assert sum(ALTERNATIVES.values()) == pytest.approx(1.0)


def test_its_mean_is_one_where_nothing_has_changed() -> None:
    """Summed over all counts, under the hazard and its uncertainty."""
    for mean, v in ((3.0, 0.0), (12.0, 0.05)):
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        counts = np.arange(0.0, 120.0)
        log_factorial = np.cumsum(np.log(np.maximum(counts, 1.0)))
        probability = np.zeros(len(counts))
        for u, w in zip(nodes * np.sqrt(v), weights / weights.sum(), strict=True):
            rate = mean * np.exp(u)
            probability += w * np.exp(counts * np.log(rate) - rate - log_factorial)
        e = np.exp(log_e_value(counts, np.full(len(counts), mean), np.full(len(counts), v)))
        assert float(probability @ e) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.requirement("R-061")
def test_processes_of_a_true_fit_alarm_at_most_as_often_as_is_said() -> None:
    """Looked at after each of 150 events; a change of the first hour would be found in most."""
    rng = np.random.default_rng(SEED)
    ever = {1.0: 0, 1.5: 0}
    runs = 800
    for ratio in ever:
        for _ in range(runs):
            rate = ratio * np.exp(rng.normal(0.0, 0.05))
            expected = np.cumsum(rng.exponential(1.0, 150)) / rate
            log_e = log_e_value(np.arange(1.0, 151.0), expected, np.full(150, 0.05**2))
            ever[ratio] += bool(np.any(log_e >= np.log(20.0)))
    # 0.05 and four binomial standard errors; the bound is an inequality.
    assert ever[1.0] / runs < 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs), SEED
    assert ever[1.5] / runs > 0.8, SEED


def test_what_is_no_count_is_refused() -> None:
    one = np.ones(1)
    for bad in ((-one, one, one), (one, np.array([np.nan]), one), (one, one, -one)):
        with pytest.raises(OptionError, match="finite numbers from 0 on"):
            log_e_value(*bad)
    with pytest.raises(OptionError, match="nobody was at risk"):
        log_e_value(one, 0.0 * one, one)
    assert log_e_value(0 * one, 0 * one, one).tolist() == [0.0]
