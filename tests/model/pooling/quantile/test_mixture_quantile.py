"""Quantiles of normal mixtures: right to the last digits, and found in a few steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from twinbayes.model.pooling.quantile import op as mixture_quantile


def mixtures(n: int, sd: float) -> tuple[np.ndarray, ...]:
    """Standard normal numbers, and weights, means and standard deviations of two components."""
    generator = np.random.default_rng(8)
    return (
        generator.normal(size=n),
        generator.dirichlet([1.0, 1.0], n),
        generator.normal(size=(n, 2)),
        np.exp(sd * generator.normal(size=(n, 2))),
    )


def test_the_mixture_has_the_probability_of_z_below_its_quantile() -> None:
    z, weight, mean, sd = mixtures(5000, 1.5)
    theta = np.empty(5000)
    mixture_quantile._quantiles(z, weight, mean, sd, theta)
    below = (weight * norm.cdf((theta[:, None] - mean) / sd)).sum(axis=1)
    # A quantile between narrow components far apart is known no better than its slope allows.
    slope = (weight * norm.pdf((theta[:, None] - mean) / sd) / sd).sum(axis=1)
    assert np.all(np.abs(below - norm.cdf(z)) <= 1e-13 * (1 + slope))


def test_a_quantile_takes_a_few_steps_and_not_one_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    compiled = mixture_quantile._log_sum

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return compiled(*arguments)

    monkeypatch.setattr(mixture_quantile, "_log_sum", counted)
    steps = []
    for z, weight, mean, sd in zip(*mixtures(300, 0.5), strict=True):
        calls.clear()
        mixture_quantile._quantile.py_func(z, weight, mean, sd, np.empty(2))
        steps.append(len(calls))
    assert np.mean(steps) < 7
    assert max(steps) < 30
