"""Levels of a new place: evidence and distribution against quadrature of another kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from scipy.stats import norm

from chance import drawn_seed
from twinbayes.monitoring.transport.levels import LevelPosterior, modes

SEED = drawn_seed(__name__)
COUNTS = (0.0, 3.0, 40.0, 3000.0)
PRIORS = ((0.2, 1.0, 0.8), (0.02, 3.0, 0.99), (1.0, 5.0, 0.0), (0.3, 0.7, 1.0))


def by_quadrature(n: float, expected: float, sd: float) -> tuple[float, float, float]:
    """Log integral, mean and sd of a component, by Gauss-Legendre in panels of what matters."""

    def log_density(level: np.ndarray) -> np.ndarray:
        return n * level - expected * np.exp(level) + norm.logpdf(level, 0.0, sd)

    fine = np.linspace(-12.0 * sd, max(12.0 * sd, 12.0), 100_001)
    values = log_density(fine)
    peak = values.max()
    inside = fine[values > peak - 45.0]
    edges = np.linspace(inside[0] - fine[1] + fine[0], inside[-1] + fine[1] - fine[0], 41)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    half = 0.5 * np.diff(edges)[:, None]
    at = edges[:-1, None] + half * (1.0 + nodes)
    mass = half * weights * np.exp(log_density(at) - peak)
    mean = (mass * at).sum() / mass.sum()
    spread = np.sqrt((mass * (at - mean) ** 2).sum() / mass.sum())
    return float(peak + np.log(mass.sum())), float(mean), float(spread)


def component(
    n: float, expected: float, prior: tuple[float, float, float], size: int = 1
) -> LevelPosterior:
    like, unlike, agreement = prior
    one = np.ones(size)
    return LevelPosterior.of(n * one, expected * one, (like * one, unlike * one), agreement)


@pytest.mark.parametrize("n", COUNTS)
@pytest.mark.parametrize("expected", [0.4, 5.0, 10.0, 30.0])
@pytest.mark.parametrize("sd", [0.02, 0.2, 1.0, 5.0])
def test_evidence_and_quantiles_are_those_of_quadrature(
    n: float, expected: float, sd: float
) -> None:
    log_mass, mean, spread = by_quadrature(n, expected, sd)
    part = component(n, expected, (sd, sd, 0.5)).like
    assert part.log_evidence()[0] == pytest.approx(log_mass, abs=1e-7 * max(1.0, abs(log_mass)))
    share = (np.arange(2000) + 0.5) / 2000
    levels = component(n, expected, (sd, sd, 0.5), len(share)).like.quantile(share)
    assert levels.mean() == pytest.approx(mean, abs=0.003 * spread)
    assert levels.std() == pytest.approx(spread, rel=0.003)


@pytest.mark.parametrize("prior", PRIORS)
def test_levels_far_in_the_tail_of_the_prior_are_reached(
    prior: tuple[float, float, float],
) -> None:
    """Six on the log scale: 4,034 events where ten were expected."""
    n, expected = np.round(10.0 * np.exp(6.0)), 10.0
    levels = component(n, expected, prior).draw(np.random.default_rng(SEED))
    parts = [by_quadrature(n, expected, sd) for sd in prior[:2]]
    weights = np.array([prior[2], 1.0 - prior[2]])
    with np.errstate(divide="ignore"):
        log = np.log(weights) + [p[0] for p in parts]
    best = parts[int(np.argmax(log))]
    assert abs(levels[0] - best[1]) < 8.0 * best[2] + 1e-6


def test_the_mode_is_where_the_derivative_is_nought() -> None:
    rng = np.random.default_rng(SEED)
    n = rng.integers(0, 5000, 400).astype(float)
    expected, sd = np.exp(rng.uniform(-3, 8, 400)), np.exp(rng.uniform(-4, 1.6, 400))
    at = modes(n, expected, sd)
    assert np.abs(n - expected * np.exp(at) - at / sd**2).max() < 1e-5 * 5000


@seed(SEED)
@settings(max_examples=40, deadline=None, database=None)
@given(
    n=st.integers(0, 4000),
    expected=st.floats(0.1, 60.0),
    like=st.floats(0.02, 1.0),
    unlike=st.floats(0.2, 4.0),
    agreement=st.floats(0.0, 1.0),
)
def test_evidence_and_agreement_of_any_mixture_are_those_of_quadrature(
    n: int, expected: float, like: float, unlike: float, agreement: float
) -> None:
    found = component(float(n), expected, (like, unlike, agreement))
    with np.errstate(divide="ignore"):
        parts = np.log([agreement, 1.0 - agreement])
    parts = parts + [by_quadrature(float(n), expected, sd)[0] for sd in (like, unlike)]
    together = np.logaddexp(*parts)
    assert found.log_evidence()[0] == pytest.approx(together, abs=1e-7 * max(1.0, abs(together)))
    assert found.agreement[0] == pytest.approx(np.exp(parts[0] - together), abs=1e-6)


@pytest.mark.requirement("R-075")
@pytest.mark.parametrize("n", COUNTS)
def test_draws_of_levels_are_distributed_as_their_posterior(n: float) -> None:
    """Of 4,000 draws under a mixture: share below five points, within five standard errors."""
    like, unlike, agreement, expected, size = 0.2, 1.0, 0.8, 10.0, 4000
    ones = np.ones(size)
    drawn = LevelPosterior.of(
        n * ones, expected * ones, (like * ones, unlike * ones), agreement
    ).draw(np.random.default_rng(SEED))
    grid = np.linspace(-8.0, 9.0, 400_001)
    log = (
        n * grid
        - expected * np.exp(grid)
        + np.logaddexp(
            np.log(agreement) + norm.logpdf(grid, 0.0, like),
            np.log1p(-agreement) + norm.logpdf(grid, 0.0, unlike),
        )
    )
    density = np.exp(log - log.max())
    below = np.cumsum(density) / density.sum()
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        cut = grid[np.searchsorted(below, share)]
        error = np.sqrt(share * (1.0 - share) / size)
        assert abs((drawn < cut).mean() - share) < 5.0 * error + 1e-3, (n, share)
