"""Power-scaling sensitivity against published figures and conjugate models, with exact draws."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from twinbayes.checks.sensitivity.power_scaling import (
    ALL_PRIORS,
    CONFLICT,
    NO_SIGN,
    STRONG,
    UNRELIABLE,
    as_quantities,
    power_scaling,
)
from twinbayes.errors import FitError, OptionError

Reference = Callable[[str], dict[str, Any]]
Arrays = dict[str, np.ndarray]
SHAPE = (4, 2000)


def by_draw(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("chain", "draw"))


def draw_scale(log_density: Callable[[np.ndarray], np.ndarray], most: float) -> np.ndarray:
    """Exact draws of a positive parameter, by the inverse of its distribution on a fine grid."""
    grid = np.linspace(most / 20_000, most, 20_000)
    log = log_density(grid)
    total = np.cumsum(np.exp(log - log.max()))
    u = np.random.default_rng(5).random(SHAPE)
    return np.interp(u * total[-1], total, grid)


def sensitivities(quantities: Arrays, log_prior: np.ndarray, log_lik: np.ndarray) -> Any:
    found = power_scaling(
        as_quantities(quantities), {ALL_PRIORS: by_draw(log_prior)}, by_draw(log_lik)
    )
    return found, found.table.set_index("quantity")


def test_the_regression_of_ozone_on_temperature_has_the_published_sensitivities(
    reference: Reference, shared: Path
) -> None:
    with (shared / "reference/data/airquality_complete111.csv").open() as file:
        rows = list(csv.DictReader(file))
    y, temp = (np.array([float(r[c]) for r in rows]) for c in ("Ozone", "Temp"))
    x = temp - temp.mean()
    design, prior_sd = np.stack([np.ones_like(x), x], axis=1), np.array([100.0, 5.0])

    def log_sigma(sigma: np.ndarray) -> np.ndarray:
        # Intercept and slope integrated out; columns of the design are orthogonal.
        gain = prior_sd**2 * (design**2).sum(axis=0)
        fit = (design.T @ y) ** 2 * prior_sd**2
        s2 = sigma[:, None] ** 2
        quadratic = (y @ y) / s2[:, 0] - (fit / (s2 * (s2 + gain))).sum(axis=1)
        log_det = (len(y) - 2) * np.log(s2[:, 0]) + np.log(s2 + gain).sum(axis=1)
        return -0.5 * (quadratic + log_det) + stats.halfnorm.logpdf(sigma, scale=10.0)

    sigma = draw_scale(log_sigma, 60.0)
    precision = (design**2).sum(axis=0) / sigma[..., None] ** 2 + prior_sd**-2.0
    mean = (design.T @ y) / sigma[..., None] ** 2 / precision
    drawn = mean + np.random.default_rng(6).standard_normal(mean.shape) / np.sqrt(precision)
    intercept, slope = drawn[..., 0], drawn[..., 1]
    fitted = intercept[..., None] + slope[..., None] * x
    log_lik = stats.norm.logpdf(y, fitted, sigma[..., None]).sum(axis=-1)
    log_prior = (
        stats.norm.logpdf(intercept, 0, 100)
        + stats.norm.logpdf(slope, 0, 5)
        + stats.halfnorm.logpdf(sigma, scale=10)
    )
    explained, left = fitted.var(axis=-1), (y - fitted).var(axis=-1)
    quantities = {
        "b_Temp": slope,
        "sigma": sigma,
        "Intercept (centred)": intercept,
        "b_Intercept": intercept - slope * temp.mean(),
        "R2": explained / (explained + left),
        "joint log likelihood": log_lik,
        **{
            f"prediction at {name} Temp": intercept + slope * (at - temp.mean())
            for name, at in (("minimum", 57), ("median", 79), ("maximum", 97))
        },
    }
    found, table = sensitivities(quantities, log_prior, log_lik)
    expected = reference("power_scaling_airquality")["expected"]
    held = 0
    for entry in expected:
        name, _, which = entry["quantity"].partition(": ")
        if which and name in table.index:
            column = which.removesuffix(" sensitivity")
            tolerance = entry["tolerance"]["value"]
            assert table.loc[name, column] == pytest.approx(entry["value"], abs=tolerance), entry
            held += 1
    assert held == 18
    flagged = [e for e in expected if e["quantity"] == "variables flagged as prior-data conflict"]
    assert table.index[table["diagnosis"] == CONFLICT].tolist() == flagged[0]["value"]
    assert (table["diagnosis"] == NO_SIGN).sum() == 8
    assert found.verdict == "warn"
    assert "sigma" in found.text
    assert table[["prior_k", "likelihood_k"]].to_numpy().max() < 0.5
    # R² by the model's own residual variance: the older rendering of the same article.
    older = {"R2": explained / (explained + sigma**2)}
    _, table = sensitivities(older, log_prior, log_lik)
    assert table.loc["R2", "prior"] == pytest.approx(0.032, abs=0.02)
    assert table.loc["R2", "likelihood"] == pytest.approx(0.093, abs=0.02)


def test_a_normal_sample_far_from_its_prior_is_in_conflict_as_published(
    reference: Reference,
) -> None:
    # The 25 values of the published example have this mean and standard deviation.
    n, mean, sd = 25, 9.844, 0.7698
    total = (n - 1) * sd**2

    def log_sigma(sigma: np.ndarray) -> np.ndarray:
        spread = np.sqrt(1.0 + sigma**2 / n)
        return (
            stats.norm.logpdf(mean, 0.0, spread)
            - (n - 1) * np.log(sigma)
            - 0.5 * total / sigma**2
            + stats.halfnorm.logpdf(sigma, scale=2.5)
        )

    sigma = draw_scale(log_sigma, 8.0)
    precision = 1.0 + n / sigma**2
    noise = np.random.default_rng(7).standard_normal(SHAPE)
    mu = n * mean / sigma**2 / precision + noise / np.sqrt(precision)
    log_prior = stats.norm.logpdf(mu) + stats.halfnorm.logpdf(sigma, scale=2.5)
    log_lik = -n * np.log(sigma) - 0.5 * (total + n * (mean - mu) ** 2) / sigma**2
    _, table = sensitivities({"mu": mu, "sigma": sigma}, log_prior, log_lik)
    expected = {e["quantity"]: e for e in reference("power_scaling_airquality")["expected"]}
    for name in ("mu", "sigma"):
        entry = expected[f"model 2 {name}: prior / likelihood sensitivity"]
        tolerance = entry["tolerance"]["value"]
        for k, column in enumerate(("prior", "likelihood")):
            near = [entry["value"][k], entry["alternative"][k]]
            assert min(near) - tolerance <= table.loc[name, column] <= max(near) + tolerance
    flagged = table.index[table["diagnosis"] == CONFLICT].tolist()
    assert flagged == expected["model 2 variables flagged"]["value"]


def conjugate(prior_sd: float, data_sd: float, at: float) -> tuple[Arrays, np.ndarray, np.ndarray]:
    """Normal mean: prior N(0, prior_sd), one observation `at` with its standard error."""
    precision = prior_sd**-2 + data_sd**-2
    noise = np.random.default_rng(8).standard_normal(SHAPE)
    mean = at * data_sd**-2 / precision + noise / precision**0.5
    return (
        {"mean": mean},
        stats.norm.logpdf(mean, 0, prior_sd),
        stats.norm.logpdf(at, mean, data_sd),
    )


@pytest.mark.parametrize(
    ("prior_sd", "data_sd", "at", "diagnosis"),
    [(100.0, 1.0, 1.0, NO_SIGN), (1.0, 1.0, 6.0, CONFLICT), (0.2, 5.0, 0.0, STRONG)],
)
def test_each_diagnosis_has_its_case(
    prior_sd: float, data_sd: float, at: float, diagnosis: str
) -> None:
    found, table = sensitivities(*conjugate(prior_sd, data_sd, at))
    assert table.loc["mean", "diagnosis"] == diagnosis
    assert found.verdict == ("pass" if diagnosis == NO_SIGN else "warn")


def test_sensitivity_is_the_distance_between_the_exact_posteriors() -> None:
    quantities, log_prior, log_lik = conjugate(1.0, 1.0, 3.0)
    _, table = sensitivities(quantities, log_prior, log_lik)

    def distance(alpha: float) -> float:
        x = np.linspace(quantities["mean"].min(), quantities["mean"].max(), 40_001)
        p, precision = stats.norm.cdf(x, 1.5, 0.5**0.5), alpha + 1.0
        q = stats.norm.cdf(x, 3.0 / precision, precision**-0.5)
        out = []
        for a, b in ((p, q), (1 - p, 1 - q)):
            a, b = np.clip(a, 1e-300, None), np.clip(b, 1e-300, None)
            middle = 0.5 * (a + b)
            divergence = np.trapezoid(a * np.log2(a / middle) + b * np.log2(b / middle), x)
            out.append(np.sqrt(divergence / np.trapezoid(a + b, x)))
        return max(out)

    wanted = np.mean([distance(a) / abs(np.log2(a)) for a in (0.99, 1.01)])
    assert table.loc["mean", "prior"] == pytest.approx(wanted, rel=0.05)


def test_heavy_weights_are_flagged_and_not_diagnosed() -> None:
    mean = np.random.default_rng(9).standard_normal(SHAPE)
    heavy = 300.0 * np.random.default_rng(10).standard_exponential(SHAPE)
    found, table = sensitivities({"mean": mean}, heavy, -0.5 * mean**2)
    assert table.loc["mean", "prior_k"] > 0.7
    assert table.loc["mean", "diagnosis"] == UNRELIABLE
    assert found.verdict == "warn"
    assert "too heavy" in found.text


def test_what_does_not_vary_is_not_sensitive() -> None:
    quantities, log_prior, log_lik = conjugate(1.0, 1.0, 1.0)
    _, table = sensitivities(quantities | {"fixed": np.ones(SHAPE)}, log_prior, log_lik)
    assert table.loc["fixed", "prior"] == 0.0
    _, table = sensitivities(quantities, np.zeros(SHAPE), log_lik)
    assert table.loc["mean", "prior"] == pytest.approx(0.0, abs=1e-6)


def test_a_chain_that_stands_still_is_refused_with_a_reason() -> None:
    """Half the draws are one number, and the tail of the weights with them."""
    values = np.random.default_rng(2).normal(-5.0, 1.0, (2, 400))
    values[0] = 0.0
    density = xr.DataArray(values, dims=("chain", "draw"), name="log_prior")
    quantity = xr.Dataset(
        {"x": (("chain", "draw"), np.random.default_rng(3).normal(size=(2, 400)))}
    )
    with pytest.raises(FitError, match="'log_prior' cannot be scaled"):
        power_scaling(quantity, {"prior": density}, density)


def test_every_entry_of_a_quantity_is_judged_by_its_place() -> None:
    quantities, log_prior, log_lik = conjugate(1.0, 1.0, 1.0)
    both = np.stack([quantities["mean"], 2 * quantities["mean"]], axis=-1)
    data = xr.Dataset(
        {"effect": (("chain", "draw", "subgroup"), both)}, coords={"subgroup": ["a", "b"]}
    )
    parts = {"all priors": by_draw(log_prior), "half of it": by_draw(0.5 * log_prior)}
    table = power_scaling(data, parts, by_draw(log_lik)).table
    assert table["entry"].tolist() == ["a", "a", "b", "b"]
    assert table["scaled"].tolist() == ["all priors", "half of it"] * 2
    np.testing.assert_allclose(table["prior"].iloc[:2], table["prior"].iloc[2:], rtol=1e-9)
    assert table["prior"].iloc[1] == pytest.approx(0.5 * table["prior"].iloc[0], rel=0.05)


def test_the_sentence_names_the_most_sensitive_and_counts_the_others() -> None:
    quantities, log_prior, log_lik = conjugate(1.0, 1.0, 4.0)
    theta = next(iter(quantities.values()))
    rng = np.random.default_rng(1)
    several = {
        f"q{k}": np.stack([theta, theta + k * rng.standard_normal(SHAPE)], axis=-1)
        for k in range(7)
    }
    found, table = sensitivities(several, log_prior, log_lik)
    flagged = table[table["diagnosis"] != NO_SIGN].groupby("quantity")["prior"]
    order = list(flagged.max().sort_values(ascending=False).index)
    assert len(order) == 7
    said = found.text[found.text.index("most first: ") :]
    assert [q for q in order if f"{q} (" in said] == order[:5]
    assert said.index(order[0]) < said.index(order[1])
    assert "and 2 more, see the table" in said


def test_bad_input_is_refused_with_a_reason() -> None:
    quantities, log_prior, log_lik = conjugate(1.0, 1.0, 1.0)
    data, prior, lik = as_quantities(quantities), by_draw(log_prior), by_draw(log_lik)
    with pytest.raises(OptionError, match="above 1"):
        power_scaling(data, {"p": prior}, lik, alphas=(0.9, 0.99))
    with pytest.raises(OptionError, match="threshold"):
        power_scaling(data, {"p": prior}, lik, threshold=0.0)
    with pytest.raises(FitError, match="at least one"):
        power_scaling(data, {}, lik)
    with pytest.raises(FitError, match="same draws"):
        power_scaling(data, {"p": prior[:, :500]}, lik)
    with pytest.raises(FitError, match="not finite"):
        power_scaling(data, {"p": prior * np.inf}, lik)
    with pytest.raises(FitError, match="dims"):
        power_scaling(data, {"p": prior.rename(chain="other")}, lik)
    few = {"draw": slice(0, 20)}
    with pytest.raises(FitError, match="too few"):
        power_scaling(data.isel(few), {"p": prior.isel(few)}, lik.isel(few))
