"""Aggregate models against published results, and what they cost; print one JSON object.

    python benchmarks/borrowing.py [--write] [--only NAME ...]

Every case of borrowing that has published or quadrature results is fitted through the public API.
With `--write` the figures go to docs/evidence/borrowing.json, from which
tests/reference/test_borrowing.py compares them with the references; cases that were not run keep
their figures. Speed is that of the second run in a process, all threads counted. Needs the
published files; set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import digamma, polygamma

import basket_simulation
import operating_characteristics as two_arms
import twinbayes as tb
from twinbayes.cohort.aggregate import RESPONSE
from twinbayes.inference import AggregateFit, compile_fit
from twinbayes.model import (
    Commensurate,
    Exchangeable,
    ExNex,
    LatentExchangeability,
    PowerPrior,
    RobustMap,
)
from twinbayes.model.aggregate.power_limit import NormalSource
from twinbayes.model.pooling.protocol import Pooling
from twinbayes.priors import effective_sample_size

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "borrowing.json"
SHARED: Final = Path(os.environ.get("TWINBAYES_SHARED", Path(__file__).parents[2] / "shared"))
REGIMEN: Final = ("age", "race", "treatment", "cd4")
SOURCE: Final = "historical"
DRAWS: Final = 5000  # of a chain, at least


def table_of(case: str) -> pd.DataFrame:
    """The small table that a reference holds."""
    path = SHARED / "reference" / f"{case}.json"
    table = json.loads(path.read_text(encoding="utf-8"))["data"]["table"]
    return pd.DataFrame(table["rows"], columns=table["columns"])


def sampled(
    name: str, data: tb.Aggregate, priors: Mapping[str, Any], **options: Any
) -> AggregateFit:
    """Fit a model of aggregate data under overridden priors, by a drawn seed.

    Draws are as many as published figures of two to four digits need; all else is by default.
    """
    found: AggregateFit = tb.fit(
        tb.disease(name, outcome=data.outcome, covariates=data.covariates, **options),
        data,
        priors=tb.load_priors(name).override(priors),
        draws=DRAWS,
        seed=secrets.randbelow(2**31),
        progressbar=False,
    )
    return found


def told(values: xr.DataArray, unit: float = 1.0) -> dict[str, float]:
    """Mean, sd and quantiles of draws, and the Monte Carlo error of the mean."""
    x = unit * values.transpose("chain", "draw").to_numpy()
    chains, n = x.shape
    pieces = x[:, : n - n % 20].reshape(chains * 20, -1).mean(axis=1)
    low, middle, high = np.quantile(x, [0.025, 0.5, 0.975])
    return {
        "value": float(x.mean()),
        "sd": float(x.std()),
        "q2_5": float(low),
        "q50": float(middle),
        "q97_5": float(high),
        "mcse": float(pieces.std(ddof=1) / np.sqrt(len(pieces))),
    }


def normal(mu: float, sigma: float) -> dict[str, Any]:
    """Arguments of a normal prior."""
    return {"arguments": {"mu": mu, "sigma": sigma}}


def spread(sigma: float) -> dict[str, Any]:
    """Arguments of a half-normal prior."""
    return {"arguments": {"sigma": sigma}}


def exnex_imatinib() -> tuple[dict[str, Any], list[AggregateFit]]:
    """Ten sarcomas under imatinib."""
    table = table_of("exnex_imatinib").rename(columns={"subtype": "subgroup"})
    fit = sampled(
        "basket",
        tb.read_aggregate(table),
        {"effect_mean": normal(-1.735, 0.146**-0.5)},
        pooling=ExNex(own_mean=-1.734, own_sd=0.128**-0.5),
    )
    rate = fit.datatree["posterior"]["subgroup_value"]
    return {
        f"response rate {j + 1} {label}": told(rate.sel(subgroup=label))
        for j, label in enumerate(table["subgroup"])
    }, [fit]


def map_as_binomial() -> tuple[dict[str, Any], list[AggregateFit]]:
    """Eight placebo arms in ankylosing spondylitis."""
    table = table_of("map_as_binomial").rename(columns={"study": "subgroup", "r": "responders"})
    data = tb.read_aggregate(table.astype({"subgroup": str}))
    wide, narrow = (
        sampled("historical", data, {"effect_heterogeneity": spread(s)}) for s in (1.0, 0.5)
    )
    posterior = wide.datatree["posterior"]
    found = {
        "tau": told(posterior["effect_heterogeneity"][..., 0]),
        "mu (logit)": told(posterior["effect_mean"][..., 0]),
        "p* (MAP prior)": told(wide.new_subgroup()),
        "tau, half-Normal(0.5)": told(narrow.datatree["posterior"]["effect_heterogeneity"][..., 0]),
        "p*, half-Normal(0.5)": told(narrow.new_subgroup()),
    }
    rate = posterior["subgroup_value"]
    found |= {f"p_{j + 1}": told(rate[..., j]) for j in range(rate.sizes["subgroup"])}
    return found, [wide, narrow]


def map_log_variance() -> tuple[dict[str, Any], list[AggregateFit]]:
    """Log variances of six studies."""
    table = table_of("map_log_variance")
    half = table["df"] / 2
    data = pd.DataFrame(
        {
            "subgroup": [f"{int(s)}" for s in table["study"]],
            "mean": np.log(table["sd"] ** 2 * half) - digamma(half),
            "se": np.sqrt(polygamma(1, half)),
        }
    )
    fit = sampled(
        "historical",
        tb.read_aggregate(data, outcome="mean"),
        {"effect_mean": normal(4.8, 100.0), "effect_heterogeneity": spread(np.sqrt(2) / 2)},
    )
    return {
        "tau": told(fit.datatree["posterior"]["effect_heterogeneity"][..., 0]),
        "theta* (log variance)": told(fit.new_subgroup()),
    }, [fit]


def map_crohn_normal() -> tuple[dict[str, Any], list[AggregateFit]]:
    """Six placebo arms in Crohn's disease; one unit is the sd of a patient, 88 points."""
    table = table_of("map_crohn_normal").rename(columns={"study": "subgroup", "y": "mean"})
    table["se"] = 88.0 / np.sqrt(table["n"])
    fit = sampled(
        "historical",
        tb.read_aggregate(table, outcome="mean"),
        {"effect_mean": normal(0.0, 1.0), "effect_heterogeneity": spread(0.5)},
        unit=88.0,
    )
    posterior = fit.datatree["posterior"]
    found = {
        "tau": told(posterior["effect_heterogeneity"][..., 0], 88.0),
        "mu": told(posterior["effect_mean"][..., 0], 88.0),
        "theta*": told(fit.new_subgroup()),
    }
    value = posterior["subgroup_value"]
    found |= {f"theta_{j + 1}": told(value[..., j]) for j in range(value.sizes["subgroup"])}
    return found, [fit]


def power_prior_logistic() -> tuple[dict[str, Any], list[AggregateFit]]:
    """External controls at five fixed powers."""
    table, terms = table_of("power_prior_logistic"), ("trt", "cov1", "cov2")
    table["subgroup"] = np.where(table["external"] == 1, SOURCE, "current")
    data = tb.read_aggregate(table, covariates=terms)
    vague = {"effect_mean": normal(0.0, 100.0), "effect_mean.intercept": normal(0.0, 1000.0)}
    found, fits = {}, []
    for power in (0.0, 0.25, 0.5, 0.75, 1.0):
        pooling = PowerPrior(source=SOURCE, power=power)
        fits.append(sampled("historical", data, vague, pooling=pooling))
        mean = fits[-1].datatree["posterior"]["effect_mean"]
        found |= {
            f"a0={power:g}: {term}, posterior mean": told(mean[..., k])
            for k, term in enumerate(("intercept", *terms))
        }
    return found, fits


def historical_actg() -> tuple[dict[str, Any], list[AggregateFit]]:
    """A historical trial beside the present one, patient by patient."""
    folder = SHARED / "data" / "historical_controls"
    current, past = (pd.read_csv(folder / f"actg{n}.csv") for n in ("036", "019"))
    for name in ("age", "cd4"):
        mean, sd = current[name].mean(), current[name].std()
        for trial in (current, past):
            trial[name] = (trial[name] - mean) / sd
    both = pd.concat([current.assign(subgroup="current"), past.assign(subgroup=SOURCE)])
    table = both.assign(responders=both["outcome"], n=1)
    rows = table.groupby(["subgroup", *REGIMEN], sort=False)[["responders", "n"]].sum()
    data = tb.read_aggregate(rows.reset_index(), covariates=REGIMEN)
    share = 0.5 * len(current) / len(past)
    shapes = {"uniform": (1.0, 1.0), "beta*": (0.7774, 6.2065)}
    cases: dict[str, tuple[Pooling, float, float]] = {
        "BHM": (Exchangeable(), 0.5, 10.0),
        "commensurate": (Commensurate(source=SOURCE, centred=True), 0.5, 10.0),
        **{
            f"robust MAP w={w:g}": (
                RobustMap(target="current", weight=w, own_sd=10.0, centred=True),
                1.0,
                10.0,
            )
            for w in (0.1, 0.5, 0.9)
        },
        "power prior a0=0.5": (PowerPrior(source=SOURCE, power=0.5), 1.0, 10.0),
        "power prior a0=0.1113": (PowerPrior(source=SOURCE, power=share), 1.0, 10.0),
        **{
            f"normalised power prior, {name}": (
                PowerPrior(source=SOURCE, power=None, shape=shape),
                1.0,
                10.0,
            )
            for name, shape in shapes.items()
        },
        # the published one has no prior beside the source's likelihood
        **{
            f"asymptotic power prior, {name}": (
                PowerPrior(source=SOURCE, power=None, shape=shape, asymptotic=True),
                1.0,
                1000.0,
            )
            for name, shape in shapes.items()
        },
        "LEAP": (LatentExchangeability(source=SOURCE), 1.0, 10.0),
    }
    found = {}
    for name, trial in (("historical (ACTG 019)", past), ("current (ACTG 036)", current)):
        found |= _most_likely(name, trial)
    fits = []
    for case, (pooling, heterogeneity, vague) in cases.items():
        priors = {
            "effect_mean": normal(0.0, vague),
            "effect_heterogeneity": spread(heterogeneity),
        }
        fits.append(sampled("historical", data, priors, pooling=pooling))
        effect = fits[-1].datatree["posterior"]["effect"].sel(subgroup="current")
        found |= {
            f"{case}: {term}": told(effect[..., k])
            for k, term in enumerate(("(Intercept)", *REGIMEN))
        }
    return found, fits


def _most_likely(name: str, trial: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Estimates of maximum likelihood, as the asymptotic power prior takes them."""
    design = np.column_stack([np.ones(len(trial)), trial[list(REGIMEN)]])
    outcome = trial["outcome"].to_numpy(float)
    normal_source = NormalSource.of(RESPONSE, design, outcome, np.ones(len(trial)), unit=1.0)
    errors = np.sqrt(np.diag(np.linalg.inv(normal_source.information)))
    return {
        f"{name} {term}, maximum likelihood": {
            "value": float(value),
            "sd": float(error),
            "mcse": 0.0,
        }
        for term, value, error in zip(
            ("(Intercept)", *REGIMEN), normal_source.estimate, errors, strict=True
        )
    }


CASES: Final[dict[str, Callable[[], tuple[dict[str, Any], list[AggregateFit]]]]] = {
    "exnex_imatinib": exnex_imatinib,
    "map_as_binomial": map_as_binomial,
    "map_log_variance": map_log_variance,
    "map_crohn_normal": map_crohn_normal,
    "power_prior_logistic": power_prior_logistic,
    "historical_actg": historical_actg,
}


def speed() -> dict[str, float]:
    """CPU seconds of a prior with mixture and size, and of sampling and judging a basket trial.

    Each the second time in a process. Beside them, from the scripts that have more of each: CPU
    seconds of exact operating characteristics of two arms of 100, by outcome, and minutes that
    1,000 simulated basket trials take on two idle cores, from the CPU time of 100.
    """
    table = table_of("map_as_binomial").rename(columns={"study": "subgroup", "r": "responders"})
    studies = tb.read_aggregate(table.astype({"subgroup": str}))
    baskets = tb.read_aggregate(table_of("exnex_imatinib").rename(columns={"subtype": "subgroup"}))

    def prior() -> None:
        fit = tb.fit(tb.disease("historical"), studies, seed=1, progressbar=False)
        mixture = fit.prior_for_new_subgroup().mixture
        effective_sample_size(mixture)

    ready = compile_fit(tb.disease("basket"), baskets)

    def basket() -> None:
        ready.sample(seed=1, progressbar=False)

    out = {}
    for name, work in (("map_prior", prior), ("exnex_10_baskets", basket)):
        work()
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        out[f"{name}_cpu_s"] = round(time.process_time() - cpu, 2)
        out[f"{name}_s"] = round(time.perf_counter() - wall, 2)
    two_arms.measure("responders", 10)  # imports of SciPy that are made on first use
    exact = {
        f"two_arms_exact_{outcome}_cpu_s": two_arms.measure(outcome, 100)["cpu_seconds"]
        for outcome in two_arms.FLAT
    }
    minutes = "minutes_for_1000_trials_on_two_idle_cores"
    simulated = float(basket_simulation.measure(100, 1)[minutes])
    return out | exact | {f"basket_{minutes}": simulated}


def run(case: Callable[[], tuple[dict[str, Any], list[AggregateFit]]]) -> dict[str, Any]:
    """Fit one case, and say what was found by which models."""
    found, fits = case()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "models": [fit.spec.content_hash for fit in fits],
        "usable": [fit.verdict.usable for fit in fits],
        "divergences": [int(fit.verdict.summary["divergences"]) for fit in fits],
        "found": {
            quantity: {k: round(v, 6) for k, v in numbers.items()}
            for quantity, numbers in found.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", nargs="*", choices=[*CASES, "speed"], default=[*CASES, "speed"])
    options = parser.parse_args()
    stored = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.is_file() else {}
    for name in options.only:
        stored[name] = speed() if name == "speed" else run(CASES[name])
        if options.write:
            TARGET.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(stored))


if __name__ == "__main__":
    main()
