"""Densities: moments and quantiles of single distributions and mixtures, in closed form."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from scipy import integrate

from twinbayes.errors import PriorError
from twinbayes.priors import FAMILIES, Component, Density, Mixture

ARGUMENTS = {
    "Normal": {"mu": 0.3, "sigma": 2.0},
    "HalfNormal": {"sigma": 0.7},
    "StudentT": {"nu": 4.0, "mu": -1.0, "sigma": 2.0},
    "HalfStudentT": {"nu": 5.0, "sigma": 0.5},
    "Laplace": {"mu": 1.0, "b": 0.3},
    "LogNormal": {"mu": 0.2, "sigma": 0.5},
    "Gamma": {"alpha": 2.0, "beta": 3.0},
    "InverseGamma": {"alpha": 4.0, "beta": 2.0},
    "Exponential": {"lam": 2.5},
    "Beta": {"alpha": 2.0, "beta": 5.0},
    "LKJCorr": {"eta": 2.0},
}


def mixture(distribution: str, *parts: tuple[float, dict[str, float]]) -> Density:
    components = tuple(Component(weight=w, arguments=a) for w, a in parts)
    return Density(distribution=distribution, arguments={}, mixture=components)


TWO = mixture("Beta", (0.75, {"alpha": 3.0, "beta": 9.0}), (0.25, {"alpha": 1.0, "beta": 1.0}))


@pytest.mark.parametrize("distribution", ARGUMENTS)
def test_mean_and_sd_are_the_integrals_of_the_quantile_function(distribution: str) -> None:
    density = Density(distribution=distribution, arguments=ARGUMENTS[distribution])
    at = np.array([density.quantile(p) for p in (0.0005, 0.9995)])
    mean, _ = integrate.quad(density.quantile, 0, 1, limit=400, epsabs=1e-7)
    square, _ = integrate.quad(lambda p: density.quantile(p) ** 2, 0, 1, limit=400, epsabs=1e-6)
    assert at[0] < density.mean < at[1]
    assert density.mean == pytest.approx(mean, abs=1e-4)
    assert density.sd == pytest.approx(math.sqrt(square - mean**2), rel=5e-3)


def test_moments_that_do_not_exist_are_not_finite() -> None:
    cauchy = Density(distribution="Cauchy", arguments={"alpha": 0.0, "beta": 1.0})
    heavy = Density(distribution="HalfStudentT", arguments={"nu": 1.0, "sigma": 1.0})
    assert not np.isfinite([cauchy.mean, cauchy.sd, heavy.mean, heavy.sd]).any()


def test_a_mixture_has_the_moments_quantiles_and_formula_of_its_components() -> None:
    assert TWO.text() == "0.75 Beta(alpha=3, beta=9) + 0.25 Beta(alpha=1, beta=1)"
    assert TWO.mean == pytest.approx(0.75 * 0.25 + 0.25 * 0.5)
    second = 0.75 * (3 * 9 / (144 * 13) + 1 / 16) + 0.25 / 3
    assert TWO.sd == pytest.approx(math.sqrt(second - TWO.mean**2))
    same = Mixture.of("beta", [(0.75, 3, 9), (0.25, 1, 1)])
    assert TWO.quantile(0.3) == pytest.approx(float(same.quantile(0.3)))
    assert (TWO.quantile(0.0), TWO.quantile(1.0)) == (0.0, 1.0)
    assert pickle.loads(pickle.dumps(TWO.mixture)) == TWO.mixture  # noqa: S301


def test_a_single_distribution_is_a_mixture_of_one() -> None:
    one = Density(distribution="Gamma", arguments={"alpha": 2.0, "beta": 4.0}).as_mixture()
    assert (one.kind, one.mean) == ("gamma", 0.5)
    with pytest.raises(PriorError, match=r"HalfNormal has no conjugate mixture. Known: 'Beta'"):
        Density(distribution="HalfNormal", arguments={"sigma": 1.0}).as_mixture()


@pytest.mark.parametrize(
    ("distribution", "parts", "said"),
    [
        ("Beta", [(0.5, {"alpha": 1, "beta": 1})], "sum to 0.5, but must sum to 1"),
        ("Beta", [(1.2, {"alpha": 1, "beta": 1})], "weight is 1.2, but must lie from 0 to 1"),
        ("Beta", [(1.0, {"alpha": 1, "beta": 0})], "component 1 of key 'mixture': argument 'beta'"),
        ("Normal", [(1.0, {"alpha": 1, "beta": 1})], "argument 'alpha' is unknown"),
        ("Cauchy", [(1.0, {"alpha": 1, "beta": 1})], "there is no mixture of Cauchy. Known:"),
    ],
)
def test_a_malformed_mixture_is_refused_and_the_component_named(
    distribution: str, parts: list[tuple[float, dict[str, float]]], said: str
) -> None:
    with pytest.raises(PriorError) as caught:
        mixture(distribution, *parts)
    assert said in str(caught.value)


def test_every_family_is_covered() -> None:
    assert set(FAMILIES) - set(ARGUMENTS) == {"Cauchy", "HalfCauchy"}
