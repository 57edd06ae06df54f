"""Samplers and gate on published reference posteriors (posteriordb), as plain PyMC models.

Rule: |ours − published| ≤ tolerance + 4 Monte Carlo standard errors, for the mean, the standard
deviation and the 5, 50 and 95 % quantiles of every quantity; and the gate must find the fit usable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr

from twinbayes.inference import judge, sample

Case = dict[str, Any]


def table_of(case: Case, shared: Path) -> pd.DataFrame:
    """Return the data of a case, given inline or as a file."""
    if "table" in case["data"]:
        return pd.DataFrame(case["data"]["table"]["rows"], columns=case["data"]["table"]["columns"])
    return pd.read_csv(shared / case["data"]["files"][0])


def eight_schools(data: pd.DataFrame) -> pm.Model:
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        eta = pm.Normal("eta", size=len(data))
        theta = pm.Deterministic("theta", mu + tau * eta)
        pm.Normal("y", theta, data["sigma"].to_numpy(float), observed=data["y"].to_numpy(float))
    return model


def kilpisjarvi(data: pd.DataFrame) -> pm.Model:
    year = data["x_year"].to_numpy(float)
    with pm.Model() as model:
        alpha = pm.Normal("alpha", 9.31290322580645, 100)
        beta = pm.Normal("beta", 0, 0.0333333333333333)
        sigma = pm.HalfFlat("sigma")
        pm.Normal("y", alpha + beta * year, sigma, observed=data["y_temperature"].to_numpy())
    return model


def low_dim_gauss_mix(data: pd.DataFrame) -> pm.Model:
    ordered = pm.distributions.transforms.ordered
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2, size=2, transform=ordered, initval=np.array([-1.0, 1.0]))
        sigma = pm.HalfNormal("sigma", 2, size=2)
        theta = pm.Beta("theta", 5, 5)
        weights = pt.stack([theta, 1 - theta])
        pm.NormalMixture("y", w=weights, mu=mu, sigma=sigma, observed=data["y"].to_numpy())
    return model


def gp_pois_regr(data: pd.DataFrame) -> pm.Model:
    x = data["x"].to_numpy(float)
    squared_distance = (x[:, None] - x[None, :]) ** 2
    with pm.Model() as model:
        rho = pm.Gamma("rho", alpha=25, beta=4)
        alpha = pm.HalfNormal("alpha", 2)
        covariance = alpha**2 * pt.exp(-squared_distance / (2 * rho**2)) + 1e-10 * np.eye(x.size)
        f_tilde = pm.Normal("f_tilde", size=x.size)
        f = pm.Deterministic("f", pt.linalg.cholesky(covariance) @ f_tilde)
        pm.Poisson("k", pt.exp(f), observed=data["k"].to_numpy())
    return model


CASES: dict[str, tuple[Callable[[pd.DataFrame], pm.Model], dict[str, object]]] = {
    "eight_schools_noncentered": (eight_schools, {"target_accept": 0.99}),
    # Intercept and slope correlate at -0.9999: what the low-rank mass matrix is for.
    "kilpisjarvi": (kilpisjarvi, {"adaptation": "low_rank"}),
    "low_dim_gauss_mix": (low_dim_gauss_mix, {}),
    "gp_pois_regr": (gp_pois_regr, {"target_accept": 0.95}),
}


SLOW = ("low_dim_gauss_mix", "gp_pois_regr")  # a Cholesky factor and a mixture compile for long


def draws_of(quantity: str, posterior: xr.Dataset) -> xr.DataArray:
    """Find `theta[3]`, counted from one, in the posterior."""
    name, _, index = re.fullmatch(r"(\w+)(\[(\d+)\])?", quantity).groups()  # type: ignore[union-attr]
    array = posterior[name]
    return array if index is None else array.isel({array.dims[-1]: int(index) - 1})


def deviations(entry: Case, draws: xr.DataArray) -> dict[str, float]:
    """Return how far each summary is from the published one, as a fraction of what is allowed."""
    tolerance = entry["tolerance"]
    found = {
        "mean": (draws.mean(), entry["value"], tolerance["value"], az.mcse(draws, method="mean")),
        "sd": (draws.std(ddof=1), entry["sd"], tolerance["sd"], az.mcse(draws, method="sd")),
    }
    for percent in (5, 50, 95):
        probability = percent / 100
        found[f"q{percent}"] = (
            draws.quantile(probability),
            entry[f"q{percent}"],
            tolerance["quantiles"],
            az.mcse(draws, method="quantile", prob=probability),
        )
    # posteriordb adds: the mean within four standard errors of the two runs together, where that of
    # the reference is a hundredth of its standard deviation.
    both = float(np.hypot(az.mcse(draws, method="mean"), entry["sd"] / 100))
    within = abs(float(draws.mean()) - entry["value"]) / (4 * both)
    return {f"{entry['quantity']} mean of both": within} | {
        f"{entry['quantity']} {what}": abs(float(ours) - theirs) / (allowed + 4 * float(error))
        for what, (ours, theirs, allowed, error) in found.items()
    }


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in CASES]
)
def test_the_published_posterior_is_found_and_judged_usable(
    name: str, reference: Callable[[str], Case], shared: Path
) -> None:
    case = reference(f"posteriordb_{name}")
    build, options = CASES[name]
    tree = sample(build(table_of(case, shared)), seed=1, progressbar=False, **options)
    verdict = judge(tree)
    assert verdict.usable, verdict
    posterior = tree["posterior"].to_dataset()
    found: dict[str, float] = {}
    for entry in case["expected"]:
        found |= deviations(entry, draws_of(entry["quantity"], posterior))
    worst = max(found, key=lambda quantity: found[quantity])
    assert found[worst] <= 1, f"{worst}: {found[worst]:.2f} of what is allowed"
