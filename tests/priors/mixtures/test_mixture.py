"""Mixtures against closed forms, quadrature and the published figures of RBesT."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from twinbayes.errors import OptionError, PriorError
from twinbayes.priors import Mixture, effective_sample_size, fit_mixture
from twinbayes.priors.mixtures.exchange import read_mixture, write_mixture

BETA = Mixture.of("beta", [(0.6, 5.0, 15.0), (0.4, 20.0, 40.0)])
NORMAL = Mixture.of("normal", [(0.7, 0.0, 1.0), (0.3, 3.0, 0.5)], reference_sd=5.0)
GAMMA = Mixture.of("gamma", [(0.5, 4.0, 10.0), (0.5, 30.0, 20.0)])
CROHN = Mixture.of(
    "normal",
    [
        (0.50104846, -51.42408665, 19.04525409),
        (0.41871594, -47.25917128, 7.85193726),
        (0.08023561, -55.07086416, 44.57325),
    ],
    reference_sd=88.0,
)
Reference = Callable[[str], dict[str, Any]]


def density(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    return np.exp(mixture.logpdf(x))


@pytest.mark.parametrize("mixture", [BETA, NORMAL, GAMMA], ids=lambda m: m.kind)
def test_moments_and_probabilities_are_those_of_the_density(mixture: Mixture) -> None:
    low, high = (x if np.isfinite(x) else np.sign(x) * 60.0 for x in mixture.support)
    cuts = mixture.quantile([0.01, 0.5, 0.99])
    at, weight = np.polynomial.legendre.leggauss(400)
    edges = np.array([low, *cuts, high])
    half = 0.5 * np.diff(edges)[:, None]
    x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * at
    mass = half * weight * density(mixture, x)
    assert mass.sum() == pytest.approx(1.0, abs=1e-9)
    mean = (mass * x).sum()
    assert mixture.mean == pytest.approx(mean, abs=1e-9)
    assert mixture.sd == pytest.approx(np.sqrt((mass * (x - mean) ** 2).sum()), abs=1e-8)
    np.testing.assert_allclose(mixture.cdf(cuts), [0.01, 0.5, 0.99], atol=1e-12)
    drawn = mixture.draw(40_000, seed=1)
    assert drawn.mean() == pytest.approx(mean, abs=5 * mixture.sd / 200)


@pytest.mark.parametrize(
    ("mixture", "data", "likelihood"),
    [
        (BETA, (3, 17), lambda x: stats.binom.pmf(3, 17, x)),
        (NORMAL, (1.2, 0.8), lambda x: stats.norm.pdf(1.2, x, 0.8)),
        (GAMMA, (5, 7.5), lambda x: stats.poisson.pmf(5, 7.5 * x)),
    ],
    ids=["beta", "normal", "gamma"],
)
def test_the_posterior_is_prior_times_likelihood(
    mixture: Mixture, data: tuple[float, float], likelihood: Callable[[np.ndarray], np.ndarray]
) -> None:
    after = mixture.after(*data)
    assert after.weights.sum() == pytest.approx(1.0, abs=1e-12)
    total = np.exp(mixture.log_marginal(*data))
    x = mixture.quantile([0.05, 0.3, 0.6, 0.9])
    wanted = density(mixture, x) * likelihood(x) / total
    np.testing.assert_allclose(density(after, x), wanted, rtol=1e-9)


def test_the_crohn_trial_is_the_published_one_to_its_last_digit(reference: Reference) -> None:
    case = {e["quantity"]: e for e in reference("map_crohn_normal")["expected"]}
    robust = CROHN.robust(0.2, (-50.0, 88.0))
    placebo = robust.after(-63.1, 13.9)
    active = Mixture.of("normal", [(1.0, -50.0, 88.0)]).after(-29.2, 14.0)

    def below(c: float) -> float:
        mean, spread = active.first[0] - placebo.first, np.hypot(active.second[0], placebo.second)
        return float(placebo.weights @ stats.norm.cdf((c - mean) / spread))

    np.testing.assert_allclose(
        placebo.weights,
        case["posterior weights of the placebo mixture"]["value"],
        atol=1e-5,
    )
    assert placebo.mean == pytest.approx(case["posterior placebo mean"]["value"], abs=1e-3)
    assert below(0.0) == pytest.approx(case["p1"]["value"], abs=1e-6)
    assert below(-50.0) == pytest.approx(case["p2"]["value"], rel=1e-6)
    for prior, method, quantity in (
        (CROHN, "elir", "ESS of the informative mixture: ELIR"),
        (CROHN, "morita", "ESS: Morita"),
        (CROHN, "moment", "ESS: moment"),
        (robust, "elir", "ESS of the robust prior: ELIR"),
    ):
        entry = case[quantity]
        found = effective_sample_size(prior, method)
        assert found == pytest.approx(entry["value"], abs=entry["tolerance"]["value"]), quantity


@settings(max_examples=15, deadline=None)
@given(
    st.floats(0.5, 40.0), st.floats(0.5, 40.0), st.integers(0, 30), st.integers(1, 30),
    st.floats(0.01, 0.99),
)  # fmt: skip
def test_data_move_the_mean_towards_them(
    a: float, b: float, r: int, more: int, weight: float
) -> None:
    prior = Mixture.of("beta", [(1.0, a, b)]).robust(weight)
    n = r + more
    after = prior.after(r, n)
    assert after.weights.sum() == pytest.approx(1.0)
    each = (prior.first / (prior.first + prior.second), after.first / (after.first + after.second))
    rate = r / n
    between = (each[1] - np.minimum(each[0], rate) > -1e-12) & (
        each[1] - np.maximum(each[0], rate) < 1e-12
    )
    assert between.all()


@pytest.mark.parametrize("mixture", [BETA, NORMAL, GAMMA], ids=lambda m: m.kind)
def test_draws_are_fitted_by_what_they_come_from(mixture: Mixture) -> None:
    drawn = mixture.draw(20_000, seed=2)
    found = fit_mixture(drawn, mixture.kind, reference_sd=mixture.reference_sd)
    assert found.converged
    x = mixture.quantile(np.linspace(0.02, 0.98, 25))
    np.testing.assert_allclose(found.mixture.cdf(x), mixture.cdf(x), atol=0.012)
    assert found.mixture.mean == pytest.approx(drawn.mean(), abs=1e-3 * mixture.sd + 1e-6)
    one = fit_mixture(drawn, mixture.kind, components=1)
    assert found.aic < one.aic
    truth = mixture.logpdf(drawn).sum()
    assert found.log_likelihood > truth - 3  # what maximises is no worse than the truth


def test_a_single_component_is_the_maximum_likelihood_of_scipy() -> None:
    drawn = Mixture.of("gamma", [(1.0, 3.0, 2.0)]).draw(500, seed=3)
    found = fit_mixture(drawn, "gamma", components=1).mixture
    shape, _, scale = stats.gamma.fit(drawn, floc=0)
    assert found.first[0] == pytest.approx(shape, rel=1e-3)
    assert found.second[0] == pytest.approx(1 / scale, rel=1e-3)
    drawn = Mixture.of("beta", [(1.0, 2.0, 7.0)]).draw(500, seed=3)
    found = fit_mixture(drawn, "beta", components=1).mixture
    a, b, *_ = stats.beta.fit(drawn, floc=0, fscale=1)
    np.testing.assert_allclose([found.first[0], found.second[0]], [a, b], rtol=1e-3)


@pytest.mark.parametrize("mixture", [BETA, CROHN, GAMMA], ids=lambda m: m.kind)
def test_mixtures_go_to_json_and_back_to_the_last_bit(mixture: Mixture, tmp_path: Path) -> None:
    back = read_mixture(write_mixture(mixture, tmp_path / "prior.json"))
    assert back.kind == mixture.kind
    assert back.reference_sd == mixture.reference_sd
    for name in ("first", "second"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mixture, name))
    np.testing.assert_allclose(back.weights, mixture.weights, rtol=1e-7)


def test_json_as_r_writes_it_is_read(tmp_path: Path) -> None:
    """`toJSON` writes every attribute as a vector, and a matrix as a list of its rows."""
    text = {
        "meta": {
            "dim": [3, 2],
            "dimnames": [["w", "m", "s"], ["rob", "inf"]],
            "class": ["normMix", "mix"],
            "sigma": [5],
            "likelihood": ["normal"],
            "link": ["identity"],
        },
        "comp": [[0.2, 0.8], [0, 2], [2, 2]],
    }
    path = tmp_path / "r.json"
    path.write_text(json.dumps(text))
    found = read_mixture(path)
    assert found.reference_sd == 5.0
    assert found.mean == pytest.approx(1.6)
    for change, message in (
        ({"class": ["mvnormMix", "mix"]}, "of class mvnormMix"),
        ({"likelihood": ["binomial"]}, "of a binomial likelihood"),
        ({"link": ["logit"]}, "link logit"),
    ):
        path.write_text(json.dumps(text | {"meta": text["meta"] | change}))
        with pytest.raises(PriorError, match=message):
            read_mixture(path)
    for broken in (
        "{", "3", "[" * 100_000, '{"meta": 1, "comp": 2}',
        json.dumps(text).replace("0.2", "9" * 400), json.dumps(text).replace("0.2", "9" * 5000),
        json.dumps(text | {"meta": text["meta"] | {"sigma": [[]]}}),
        json.dumps(text | {"meta": text["meta"] | {"sigma": {"a": 1}}}),
        json.dumps(text | {"meta": text["meta"] | {"class": None}}),
    ):  # fmt: skip
        path.write_text(broken)
        with pytest.raises(PriorError, match=r"r\.json holds no mixture that can be read"):
            read_mixture(path)
    for infinite in ("Infinity", "NaN", "1e400"):
        path.write_text(json.dumps(text).replace("0.2", infinite))
        with pytest.raises(PriorError, match="must be finite numbers"):
            read_mixture(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture.of("beta", [(0.5, 1.0, 1.0)]), "sum to 1, not 0.5"),
        (lambda: Mixture.of("beta", [(1.0, 0.0, 1.0)]), "must be positive"),
        (lambda: Mixture.of("normal", [(1.0, 0.0, -1.0)]), "must be positive"),
        (lambda: Mixture.of("beta", [(1.0, np.nan, 1.0)]), "finite"),
        (lambda: Mixture.of("beta", []), "as many weights"),
        (lambda: Mixture.of("beta", [(1.0, "a", 1.0)]), "finite numbers"),  # type: ignore[list-item]
        (lambda: Mixture.of("beta", [(1.0, 10**400, 1.0)]), "finite numbers"),
        (lambda: Mixture.of("beta", [(1.0, 1.0)]), "three numbers"),  # type: ignore[list-item]
        (lambda: NORMAL.after(np.inf, 1.0), "finite numbers"),
        (lambda: BETA.after(3, np.inf), "finite numbers"),
        (lambda: fit_mixture([], "beta"), "0 draws are too few"),
        (lambda: fit_mixture(["a"] * 50, "beta"), "Draws must be finite numbers"),
        (lambda: fit_mixture([0.0, 1.0] * 50, "beta"), "100 draws lie outside"),
        (lambda: BETA.after(5, 3), "5 responders among 3 patients"),
        (lambda: NORMAL.after(0.0, 0.0), "standard error of a mean must be positive"),
        (lambda: GAMMA.after(-1, 3), "-1 events"),
        (lambda: NORMAL.robust(0.1), "Give the vague component"),
        (lambda: BETA.robust(1.5), "not in \\[0, 1\\]"),
        (lambda: BETA.quantile(0.0), "between 0 and 1"),
        (lambda: effective_sample_size(Mixture.of("normal", [(1.0, 0.0, 1.0)])), "reference_sd"),
        (lambda: fit_mixture([0.1] * 100, "beta"), "All draws are the same"),
        (lambda: fit_mixture(np.linspace(0.1, 1.2, 100), "beta"), "18 draws lie outside"),
        (lambda: fit_mixture([0.1, 0.2], "beta"), "2 draws are too few"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(PriorError, match=message):
        make()


def test_unknown_kinds_and_methods_are_named_with_the_known() -> None:
    with pytest.raises(OptionError, match="beta"):
        Mixture.of("cauchy", [(1.0, 0.0, 1.0)])
    with pytest.raises(OptionError, match="elir"):
        effective_sample_size(BETA, "best")


@pytest.mark.parametrize("shapes", [(0.5, 4.0), (4.0, 0.5), (0.6, 0.8), (0.8, 0.6), (3.0, 2.0)])
def test_a_bounded_component_is_the_likeliest_whose_shapes_are_at_least_one(
    shapes: tuple[float, float],
) -> None:
    drawn = Mixture.of("beta", [(1.0, *shapes)]).draw(500, seed=4)
    found = fit_mixture(drawn, "beta", components=1, bounded=True)
    starts = [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0)]
    best = min(
        (
            optimize.minimize(
                lambda p: -stats.beta.logpdf(drawn, *p).sum(), start, bounds=[(1.0, None)] * 2
            )
            for start in starts
        ),
        key=lambda result: result.fun,
    )
    assert found.log_likelihood == pytest.approx(-best.fun, abs=1e-4)
    [a], [b] = found.mixture.first, found.mixture.second
    np.testing.assert_allclose([a, b], best.x, rtol=1e-3)


def test_a_bounded_gamma_component_has_a_shape_of_at_least_one() -> None:
    drawn = Mixture.of("gamma", [(1.0, 0.5, 2.0)]).draw(500, seed=4)
    found = fit_mixture(drawn, "gamma", components=1, bounded=True).mixture
    assert (found.first[0], found.second[0]) == (1.0, pytest.approx(1 / drawn.mean()))


def test_a_history_of_responders_alone_gives_a_prior_that_counts_patients() -> None:
    """Logit of the rate in a new study after 30 of 30 in one: by weights of a grid, then draws."""
    rng = np.random.default_rng(5)
    mean, spread = rng.normal(0.0, 2.0, 400_000), np.abs(rng.normal(0.0, 1.0, 400_000))
    seen, new = mean + spread * rng.standard_normal((2, 400_000))
    weight = (1 + np.exp(-seen)) ** -30.0
    logits = rng.choice(new, 8000, p=weight / weight.sum())
    rates = 1 / (1 + np.exp(-4.0 * logits))  # so far out that some are rounded to 1
    assert 0.0 < np.mean(rates == 1.0) < 0.05
    for bounded, off in ((False, 0.005), (True, 0.03)):
        found = fit_mixture(rates, "beta", bounded=bounded).mixture
        assert found.mean == pytest.approx(rates.mean(), abs=off)
        assert effective_sample_size(found, "moment") >= 0
    assert min(found.first.min(), found.second.min()) >= 1.0
    assert effective_sample_size(found.robust(0.2)) > 0


@pytest.mark.parametrize("n", [-1, 1.5, "x", None, [2], [[1]], np.nan, np.inf, True, 10**400])
def test_a_number_of_draws_is_whole_and_not_negative(n: Any) -> None:
    mixture = Mixture.of("beta", [(1.0, 1.0, 1.0)])
    with pytest.raises(PriorError, match="n must be a whole number of draws, 0 or more"):
        mixture.draw(n)
    assert mixture.draw(0).shape == (0,)
    assert mixture.draw(np.int64(3)).tolist() == mixture.draw(3).tolist()


@pytest.mark.parametrize("kind", ["beta", "normal", "gamma"])
@pytest.mark.parametrize("value", ["x", [[1], [1, 2]], {}, 1j, 10**400])
def test_what_is_no_number_is_refused_by_every_question(kind: str, value: Any) -> None:
    mixture = Mixture.of(kind, [(1.0, 1.0, 1.0)])
    for ask in (
        mixture.cdf,
        mixture.logpdf,
        mixture.quantile,
        mixture.robust,
        lambda x: mixture.robust(0.1, x),
        lambda x: mixture.after(x, 5),
        lambda x: mixture.after(1, x),
        lambda x: mixture.log_marginal(1, x),
        lambda x: Mixture.of(kind, [(1.0, 1.0, 1.0)], reference_sd=x),
        lambda x: Mixture.of(kind, x),
    ):
        with pytest.raises(PriorError):
            ask(value)


def test_one_outcome_is_one_number_and_finite() -> None:
    mixture = Mixture.of("gamma", [(1.0, 1.0, 1.0)])
    for observed in ([1, 2], []):
        with pytest.raises(PriorError, match="Observations must be one number"):
            mixture.after(observed, 5)  # type: ignore[arg-type]
    with pytest.raises(PriorError, match="inf events in a time at risk of 5 cannot be"):
        mixture.posteriors([1.0, np.inf], 5)
