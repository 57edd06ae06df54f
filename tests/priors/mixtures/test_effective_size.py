"""Effective sample sizes against closed forms, quadrature by SciPy, and RBesT's printed figures."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import betaln

from twinbayes.errors import PriorError
from twinbayes.priors import Density, Mixture, derive, effective_sample_size

BETA = Mixture.of("beta", [(0.6, 5.0, 15.0), (0.4, 20.0, 40.0)])
NORMAL = Mixture.of("normal", [(0.7, 0.0, 1.0), (0.3, 3.0, 0.5)], reference_sd=5.0)
GAMMA = Mixture.of("gamma", [(0.5, 4.0, 10.0), (0.5, 30.0, 20.0)])
HALF_AND_HALF = Mixture.of("normal", [(0.5, 0.0, 2.0), (0.5, 3.0, 4.0)], reference_sd=10.0)


def log_weighted(prior: Mixture, x: float) -> np.ndarray:
    a, b = prior.first, prior.second
    if prior.kind == "beta":
        return np.log(prior.weights) + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - betaln(a, b)
    return np.log(prior.weights / b / np.sqrt(2 * np.pi)) - 0.5 * ((x - a) / b) ** 2


def squared_slope(prior: Mixture, pieces: np.ndarray) -> float:
    """Another form of ELIR, by adaptive quadrature: only first derivatives, and no cancellation.

    Integrating by parts, of a beta mixture 2 plus the mean of (log p)'(x)² x (1 - x); of a normal
    one the mean of (log p)'(x)², in patients.
    """

    a, b = prior.first, prior.second

    def integrand(x: float) -> float:
        each = np.exp(log_weighted(prior, x))
        if prior.kind == "beta":
            slope = (a - 1) / x - (b - 1) / (1 - x)
            return float(x * (1 - x) * (each @ slope) ** 2 / each.sum())
        return float(((each @ ((a - x) / b**2)) ** 2) / each.sum() * float(prior.reference_sd) ** 2)

    total = sum(
        integrate.quad(integrand, low, high, limit=400, epsabs=1e-12, epsrel=1e-10)[0]
        for low, high in itertools.pairwise(pieces)
    )
    return total + {"beta": 2.0, "normal": 0.0}[prior.kind]


def about(prior: Mixture) -> np.ndarray:
    """Ends of pieces that are narrow about every component."""
    shares = np.array([1e-13, 1e-9, 1e-5, 0.01, 0.1, 0.3, 0.5])
    each = [c.ppf(np.append(shares, 1 - shares)) for c in prior.components]
    ends = [0.0, 1.0] if prior.kind == "beta" else []
    return np.unique(np.append(np.concatenate(each), ends))


@pytest.mark.parametrize(
    ("prior", "method", "printed"),
    [
        (HALF_AND_HALF, "elir", 10.82796),
        (HALF_AND_HALF, "moment", 8.163265),
        (Mixture.of("gamma", [(0.3, 20.0, 4.0), (0.7, 50.0, 10.0)]), "elir", 7.159378),
    ],
)
def test_examples_of_rbest_have_the_sizes_that_its_manual_prints(
    prior: Mixture, method: str, printed: float
) -> None:
    assert effective_sample_size(prior, method) == pytest.approx(printed, rel=1e-6)


def test_a_uniform_component_counts_the_ends_that_rbest_leaves_out() -> None:
    """Its manual prints 7.65152 for 0.2 Beta(1, 1) + 0.8 Beta(10, 2), on the scale of the rate.

    There the steps of the density at 0 and 1, each 0.2 high, have no derivative; without them a
    uniform prior would be worth nobody, and not the two patients of Beta(1, 1).
    """
    prior = Mixture.of("beta", [(0.2, 1.0, 1.0), (0.8, 10.0, 2.0)])
    assert effective_sample_size(prior) == pytest.approx(7.65152 + 0.2 + 0.2, abs=1e-5)
    nearly = Mixture.of("beta", [(0.2, 1.0 + 1e-7, 1.0 + 1e-7), (0.8, 10.0, 2.0)])
    assert effective_sample_size(nearly) == pytest.approx(effective_sample_size(prior), abs=1e-5)


@pytest.mark.parametrize(
    "prior",
    [
        BETA, NORMAL, HALF_AND_HALF,
        Mixture.of("beta", [(0.8, 11.0, 32.0), (0.2, 1.0, 1.0)]),
        Mixture.of("beta", [(0.3, 1.0, 1.0), (0.7, 1.2, 5.0)]),
        Mixture.of("beta", [(0.5, 2000.0, 3000.0), (0.5, 1.0, 1.0)]),
        Mixture.of("beta", [(1.0 - 1e-12, 11.0, 32.0), (1e-12, 1.0, 1.0)]),
        Mixture.of("beta", [(0.2, 3.0, 7.0), (0.3, 3.0 + 1e-7, 7.0), (0.5, 60.0, 2.0)]),
        Mixture.of("normal", [(0.5, 0.0, 1.0), (0.5, 0.0, 20.0)], reference_sd=10.0),
        Mixture.of("normal", [(0.5, 0.0, 1.0), (0.5, 0.0, 100.0)], reference_sd=10.0),
        Mixture.of("normal", [(0.1, 300.0, 0.1), (0.9, 280.0, 10.0)], reference_sd=10.0),
        Mixture.of("normal", [(1e-12, 0.0, 1.0), (1.0 - 1e-12, 1.0, 50.0)], reference_sd=10.0),
    ],
    ids=str,
)  # fmt: skip
def test_elir_is_what_quadrature_of_first_derivatives_finds(prior: Mixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = effective_sample_size(prior)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", integrate.IntegrationWarning)
        wanted = squared_slope(prior, about(prior))
    assert found == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("mixture", [BETA, NORMAL, GAMMA], ids=lambda m: m.kind)
def test_elir_is_what_quadrature_with_numerical_derivatives_finds(mixture: Mixture) -> None:
    # Evenly spaced in the logarithm, or logit, of the parameter: its ends are far away then.
    low, high = mixture.quantile([1e-9, 1 - 1e-9])
    if mixture.kind == "beta":
        x = 1 / (
            1 + np.exp(-np.linspace(np.log(low / (1 - low)), np.log(high / (1 - high)), 20_001))
        )
    else:
        x = np.geomspace(low, high, 20_001) if low > 0 else np.linspace(low, high, 20_001)
    h = 1e-4 * mixture.sd * np.minimum(1.0, x / mixture.mean if low > 0 else 1.0)
    bend = (mixture.logpdf(x + h) - 2 * mixture.logpdf(x) + mixture.logpdf(x - h)) / h**2
    per_patient = {"beta": 1 / (x * (1 - x)), "normal": 1 / 25.0 + 0 * x, "gamma": 1 / x}
    wanted = np.trapezoid(-bend / per_patient[mixture.kind] * np.exp(mixture.logpdf(x)), x)
    assert effective_sample_size(mixture, "elir") == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize(
    ("prior", "outcomes", "chances"),
    [
        (
            Mixture.of("beta", [(0.8, 11.0, 32.0), (0.2, 1.0, 1.0)]),
            np.arange(13), lambda p, n: np.exp(p.log_marginals(np.arange(13), n)),
        ),
        (
            Mixture.of("beta", [(0.5, 0.4, 2.0), (0.5, 4.0, 2.5)]),
            np.arange(13), lambda p, n: np.exp(p.log_marginals(np.arange(13), n)),
        ),
        (
            Mixture.of("gamma", [(0.6, 1.0, 2.0), (0.4, 6.0, 3.0)]),
            np.arange(200), lambda p, n: np.exp(p.log_marginals(np.arange(200), n)),
        ),
    ],
    ids=["robust", "unbounded at 0", "gamma"],
)  # fmt: skip
def test_after_n_patients_elir_is_n_more_on_average(
    prior: Mixture, outcomes: np.ndarray, chances: Callable[[Mixture, float], np.ndarray]
) -> None:
    chance = chances(prior, 12)
    kept = chance > 1e-12
    after = [effective_sample_size(prior.after(float(y), 12)) for y in outcomes[kept]]
    expected = float(chance[kept] @ after)
    assert expected - 12 == pytest.approx(effective_sample_size(prior), abs=1e-6)


@pytest.mark.parametrize(
    "parameters", [(1.0, 1.0), (0.5, 0.5), (1.2, 7.0), (1e-3, 4.0), (11.0, 32.0), (1e6, 3.0)]
)
def test_one_distribution_has_one_size_however_it_is_written(
    parameters: tuple[float, float],
) -> None:
    for kind, size in (("beta", sum(parameters)), ("gamma", parameters[1])):
        for parts in (
            [(1.0, *parameters)],
            [(0.3, *parameters), (0.7, *parameters)],
            [(1.0, *parameters), (0.0, 0.3, 9.0)],
        ):
            written = Mixture.of(kind, parts)
            assert effective_sample_size(written) == pytest.approx(size, rel=1e-9), (kind, parts)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["beta", "normal", "gamma"]),
    st.lists(
        st.tuples(st.floats(1e-12, 1.0), st.floats(1e-3, 1e4), st.floats(1e-3, 1e4)),
        min_size=1, max_size=5,
    ),
)  # fmt: skip
def test_a_size_is_never_negative_or_there_is_a_reason(
    kind: str, parts: list[tuple[float, float, float]]
) -> None:
    total = sum(weight for weight, *_ in parts)
    prior = Mixture.of(kind, [(w / total, a, b) for w, a, b in parts], reference_sd=10.0)
    for method in ("elir", "moment", "morita"):
        try:
            size = effective_sample_size(prior, method)
        except PriorError:
            continue
        assert 0 <= size < np.inf


@pytest.mark.parametrize(
    ("prior", "method", "message"),
    [
        (Mixture.of("beta", [(0.5, 0.6, 0.6), (0.5, 0.9, 15.0)]), "elir", "near 0 two components"),
        (Mixture.of("beta", [(0.5, 6.0, 0.6), (0.5, 9.0, 1.0)]), "elir", "near 1 two components"),
        (Mixture.of("gamma", [(0.5, 0.6, 6.0), (0.5, 0.9, 15.0)]), "elir", "near 0 two components"),
        (Mixture.of("beta", [(0.3, 0.6, 1.0), (0.7, 1.0001, 5.0)]), "elir", "would be -5595.57"),
        (Mixture.of("beta", [(1.0, 1.0, 1.0)]), "morita", "highest at an end"),
        (Mixture.of("gamma", [(1.0, 0.5, 1.0)]), "morita", "highest at an end"),
        (Mixture.of("beta", [(1.0, 1e308, 1e308)]), "moment", "too large or too small"),
        (Mixture.of("beta", [(0.5, 1e308, 1e308), (0.5, 2.0, 2.0)]), "elir", "too large"),
        (Mixture.of("normal", [(1.0, 0.0, 1e-200)], reference_sd=1.0), "elir", "too large"),
    ],
)
def test_where_there_is_no_size_the_reason_and_the_remedy_are_told(
    prior: Mixture, method: str, message: str
) -> None:
    with pytest.raises(PriorError, match=message):
        effective_sample_size(prior, method)


def test_a_size_that_does_not_exist_cannot_be_stated() -> None:
    density = Density(
        distribution="Beta", arguments={},
        mixture=[{"weight": 0.5, "alpha": a, "beta": 3.0} for a in (0.6, 0.9)],
    )  # fmt: skip
    assert set(derive(density).ess) == {"moment"}


def test_the_mode_is_found_in_a_spike_that_the_quantiles_do_not_see() -> None:
    """At its mean the slab's part is less than 1e-4 of the spike's."""
    prior = Mixture.of("normal", [(1e-4, 3.3, 1e-9), (1 - 1e-4, 0.0, 1.0)], reference_sd=1.0)
    height = np.array([1e-4 / 1e-9, (1 - 1e-4) * np.sqrt(2 * np.pi) * stats.norm.pdf(3.3)])
    share = height / height.sum()
    curvature = share[0] / 1e-18 + share[1] * (1 - 3.3**2) + (share[1] * 3.3) ** 2
    assert effective_sample_size(prior, "morita") == pytest.approx(curvature, rel=1e-6)


def test_a_conjugate_prior_is_worth_the_patients_it_stands_for() -> None:
    beta = Mixture.of("beta", [(1.0, 11.0, 32.0)])
    assert effective_sample_size(beta, "elir") == pytest.approx(43.0, abs=1e-9)
    assert effective_sample_size(beta, "moment") == pytest.approx(43.0, abs=1e-9)
    assert effective_sample_size(beta, "morita") == pytest.approx(41.0, abs=1e-4)  # at the mode
    normal = Mixture.of("normal", [(1.0, 2.0, 0.5)], reference_sd=5.0)
    gamma = Mixture.of("gamma", [(1.0, 5.0, 10.0)])
    for method in ("elir", "moment"):
        assert effective_sample_size(normal, method) == pytest.approx(100.0)
        assert effective_sample_size(gamma, method) == pytest.approx(10.0)
