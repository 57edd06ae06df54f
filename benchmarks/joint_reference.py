"""Fit the joint models of published analyses of PBC and print what comes out as one JSON object.

    python benchmarks/joint_reference.py [--seed N] [--write] [--only NAME ...]

Cases: `pbc312` and `pbc2` (one marker, death; death or transplantation), `pbc40` (40 patients),
`competing` (two markers; death and transplantation compete) and `contrast` (non-linear curves; what
the treatment label of one patient changes). Each gives mean, standard deviation, 95 % interval and
Monte Carlo error of the published quantities. With `--write` they go to
docs/evidence/joint_reference.json, from which tests/reference/test_joint_models.py compares them
with the published ones. Needs the published files; set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

import twinbayes as tb
from joint_pbc import pbc_312, pbc_folder, published_priors
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.diseases.pbc import BILIRUBIN, DRUG, SEX
from twinbayes.model import ModelSpec, NaturalSpline, Polynomial, Term, Trajectory
from twinbayes.names import COVARIATE, DAYS_PER_YEAR

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "joint_reference.json"
AGE: Final = Term(name="age_years", group="clinical")
PROTHROMBIN: Final = Trajectory(marker="prothrombin_time")


def pbc2() -> Cohort:
    return tb.read_cohort(pbc_folder(), adapter="pbc2")


def pbc40() -> Cohort:
    """The 40 patients that rstanarm ships."""
    folder = pbc_folder().parents[1] / "reference" / "data"
    long, one = (pd.read_csv(folder / f"pbc40_{name}.csv") for name in ("long", "surv"))
    ids = one["id"].astype(str)
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ids,
                "subgroup": "all",
                "centre": "all",
                "age_years": one["age"],
                "sex": one["sex"].map({"f": "female", "m": "male"}),
                "d_penicillamine": one["trt"].astype(float),
            }
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": one["futimeYears"] * DAYS_PER_YEAR,
                "event": np.where(one["death"] == 1, "death", "last_contact"),
            }
        ),
        "visits": pd.DataFrame(
            {
                "patient_id": long["id"].astype(str),
                "day": long["year"] * DAYS_PER_YEAR,
                "marker": "bilirubin",
                "value": np.exp(long["logBili"]),
                "censored": "none",
            }
        ),
        "variables": pd.DataFrame(
            [
                ("age_years", "patients", "covariate", "clinical", None),
                ("sex", "patients", "covariate", "clinical", "male|female"),
                ("d_penicillamine", "patients", "covariate", "treatment", None),
                ("bilirubin", "visits", "marker", "laboratory", None),
            ],
            columns=["name", "table", "role", "group", "levels"],
        ),
    }
    return cohort_from_tables("pbc40", tables)


def parameters(fit: tb.Fit) -> dict[str, xr.DataArray]:
    """Every scalar of the model that a publication could name, by a readable name.

    Effects on hazards are per unit of the covariate.
    """
    posterior = fit.datatree["posterior"].to_dataset()
    units = [column.scale for column in fit.encoding.columns]
    posterior["beta"] = posterior["beta"] / xr.DataArray(units, dims=COVARIATE)
    out: dict[str, xr.DataArray] = {}
    for name in ("association", "beta", "curve_effect", "marker_sd"):
        dims = [d for d in posterior[name].dims if d not in ("chain", "draw")]
        labels = [posterior[name][d].to_numpy() for d in dims]
        for at in np.ndindex(*(len(some) for some in labels)):
            label = "; ".join(str(some[k]) for some, k in zip(labels, at, strict=True))
            out[f"{name}[{label}]"] = posterior[name].isel(
                dict(zip(dims, at, strict=True)), drop=True
            )
    sd, correlation = posterior["patient_sd"], posterior["patient_correlation"]
    terms = [str(t) for t in sd["patient_term"].to_numpy()]
    for i, a in enumerate(terms):
        out[f"patient_sd[{a}]"] = sd.isel(patient_term=i, drop=True)
        for j, b in enumerate(terms[: i + 1]):
            r = correlation.isel(patient_term=i, patient_term_again=j, drop=True)
            both = sd.isel(patient_term=i, drop=True) * sd.isel(patient_term=j, drop=True)
            out[f"patient_covariance[{b}; {a}]"] = r * both
            if i != j:
                out[f"patient_correlation[{b}; {a}]"] = r
    return out


def contrast(fit: tb.Fit) -> dict[str, xr.DataArray]:
    """Risk of patient 2 from year 4 to 6 under either treatment label; curves drawn under each."""
    risk = {}
    for label in (0.0, 1.0):
        one = fit.cohort.select(["2"])
        one = replace(one, patients=one.patients.assign(d_penicillamine=label))
        twin = fit.twin(one, at=4 * DAYS_PER_YEAR).as_drawn()
        forecast = twin.forecast(2 * DAYS_PER_YEAR, [2 * DAYS_PER_YEAR], draws=True)
        risk[label] = 1.0 - forecast["survival_draws"].isel(patient=0, time=0, drop=True)
    sizes = fit.datatree["posterior"].sizes
    values = (risk[1.0] - risk[0.0]).to_numpy().reshape(sizes["chain"], sizes["draw"])
    return {"risk difference": xr.DataArray(values, dims=("chain", "draw"))}


def _shipped_priors() -> tb.PriorSet:
    return tb.load_priors("pbc")


@dataclass(frozen=True)
class Case:
    """One published analysis."""

    cohort: Callable[[], Cohort]
    spec: Callable[[], ModelSpec]
    beyond: Callable[[tb.Fit], dict[str, xr.DataArray]] | None = None
    draws: int = 1500  # of a chain, at least: what Monte Carlo errors have to be small for
    priors: Callable[[], tb.PriorSet] = _shipped_priors


CASES: Final = {
    "pbc312": Case(pbc2, pbc_312, priors=published_priors),
    "pbc2": Case(
        pbc2,
        lambda: tb.disease(
            "pbc",
            endpoint="death or transplantation",
            covariates=(SEX,),
            curve_covariates=(SEX,),
        ),
    ),
    "pbc40": Case(pbc40, lambda: tb.disease("pbc")),
    "competing": Case(
        pbc2,
        lambda: tb.disease(
            "pbc",
            endpoint="competing",
            covariates=(AGE, DRUG),
            curve_covariates=(DRUG,),
            markers=(replace(BILIRUBIN, basis=Polynomial(degree=2)), PROTHROMBIN),
        ),
    ),
    "contrast": Case(
        pbc2,
        lambda: tb.disease(
            "pbc",
            endpoint="death or transplantation",
            covariates=(DRUG,),
            curve_covariates=(DRUG,),
            markers=(replace(BILIRUBIN, basis=NaturalSpline(df=3)),),
        ),
        contrast,
        draws=4000,
    ),
}


def run(case: Case, seed: int) -> dict[str, Any]:
    started = time.process_time()
    fit = tb.fit(
        case.spec(),
        case.cohort(),
        priors=case.priors(),
        draws=case.draws,
        until="usable",
        seed=seed,
        progressbar=False,
    )
    cpu = time.process_time() - started
    quantities = parameters(fit) | ({} if case.beyond is None else case.beyond(fit))
    figures = {}
    for name, draws in quantities.items():
        values = draws.to_numpy()
        figures[name] = {
            "mean": float(values.mean()),
            "sd": float(values.std()),
            "q2_5": float(np.quantile(values, 0.025)),
            "q97_5": float(np.quantile(values, 0.975)),
            "mcse": float(az.mcse(draws.rename("x").to_dataset())["x"]),
        }
    summary = fit.verdict.summary
    return {
        "seed": seed,
        "usable": fit.verdict.usable,
        "verdict": fit.verdict.banner(),
        "max_rhat": summary["max_rhat"],
        "min_ess": summary["min_ess_bulk"],
        "divergences": int(summary["divergences"]),
        "cpu_s": round(cpu, 1),
        "date": datetime.now(UTC).date().isoformat(),
        "identity": identity(case, fit.cohort, fit.priors),
        "figures": figures,
    }


def identity(case: Case, cohort: Cohort, priors: tb.PriorSet) -> dict[str, str]:
    """What the figures are of: they are stale once any of these changes."""
    return {
        "model": case.spec().content_hash,
        "priors": priors.distribution_hash,
        "data": cohort.fingerprint,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    found = {}
    for name in options.only:
        found[name] = run(CASES[name], options.seed)
        brief = {k: v for k, v in found[name].items() if k != "figures"}
        print(json.dumps({name: brief}), file=sys.stderr, flush=True)
        if options.write:
            known = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
            TARGET.write_text(json.dumps(known | found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
