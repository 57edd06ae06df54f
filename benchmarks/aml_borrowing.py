"""Transplant in first remission by genomic subgroup, under several poolings, as one JSON object.

    python benchmarks/aml_borrowing.py [--fits DIR] [--seed N] [--write]

Fits the AML model, at defaults and by a drawn seed, to the AMLSG cohort under each pooling,
unless DIR has the fit already, and standardises what a transplant on day 120 does to those who are
in remission then: differences in restricted mean survival time at 3 and 5 years. It also scores
every pooling on each subgroup from the other subgroups alone. With `--write` the figures go to
docs/evidence/aml_borrowing.json.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

import twinbayes as tb
from aml_fit import amlsg_folder
from twinbayes.checks import left_out_subgroups
from twinbayes.diseases.leukaemia import TRANSPLANT
from twinbayes.effects import Estimand, Target, treatment_effect
from twinbayes.model import Complete, Exchangeable, ExNex, NoPooling
from twinbayes.names import DAYS_PER_YEAR

TARGET = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "aml_borrowing.json"
LANDMARK = 120.0
YEARS = (3.0, 5.0)
POOLINGS = ("none", "exchangeable", "horseshoe", "exnex")
SCORED = {
    "none": NoPooling(),
    "complete": Complete(),
    "exchangeable": Exchangeable(),
    "exchangeable, Student t (4)": Exchangeable(nu=4.0),
    "exnex": ExNex(),
}


def fitted(name: str, folder: Path, seed: int) -> tb.Fit:
    """Read a fit of this very model, or make it and leave it in the folder."""
    spec, path = tb.disease("aml", pooling=name), folder / f"{name}.fit"
    if path.exists():
        found = tb.load_fit(path)
        if found.spec == spec:
            return found
    cohort = tb.read_cohort(amlsg_folder(), adapter="amlsg")
    started = time.process_time()
    fit = tb.fit(spec, cohort, seed=seed, progressbar=False)
    cpu = time.process_time() - started
    print(f"{name}: {cpu:.0f} CPU s, {fit.verdict}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    fit.save(path)
    return fit


def rmst(fit: tb.Fit) -> dict[str, Any]:
    """Difference in restricted mean survival, days, overall and by subgroup."""
    effect = treatment_effect(
        fit,
        Estimand(
            a=tb.Scenario.start(TRANSPLANT, day=LANDMARK, states=("remission",)),
            b=tb.Scenario.none(TRANSPLANT),
            times=tuple(y * DAYS_PER_YEAR for y in YEARS),
            summary="rmst_difference",
            target=Target(landmark=LANDMARK, states=("remission",), untreated=(TRANSPLANT,)),
        ),
        allow_unsupported=True,
        draws=1000,
    )

    def told(of: str, **at: str) -> dict[str, list[float]]:
        return {
            key: np.round(effect[f"{of}_rmst_difference{suffix}"].sel(**at).to_numpy(), 2).tolist()
            for key, suffix in (("mean", ""), ("lower", "_lower"), ("upper", "_upper"))
        }

    return {
        "overall": told("overall"),
        "subgroups": {
            str(g): {**told("subgroup", subgroup=g), "support": _support(effect, str(g))}
            for g in effect["subgroup"].to_numpy()
        },
        "estimand": effect.attrs["estimand"],
        "interval_probability": effect.attrs["interval_probability"],
    }


def _support(effect: xr.Dataset, subgroup: str) -> str:
    return str(effect["support"].sel(subgroup=subgroup).item())


def measure(folder: Path, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in POOLINGS:
        fit = fitted(name, folder, seed)
        summary = fit.verdict.summary
        found[name] = {
            "model": fit.spec.content_hash,
            "usable": fit.verdict.usable,
            "max_rhat": round(summary["max_rhat"], 4),
            "min_ess": round(min(summary["min_ess_bulk"], summary["min_ess_tail"]), 1),
            "divergences": int(summary["divergences"]),
            "draws_a_chain": fit.datatree["posterior"].sizes["draw"],
            "rmst_difference_days": rmst(fit),
        }
    scores = left_out_subgroups(fitted("exchangeable", folder, seed), SCORED).table
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "priors": tb.load_priors("aml").distribution_hash,
        "years": list(YEARS),
        "poolings": found,
        "left_out_subgroups": scores.round(3).to_dict("records"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fits", type=Path, help="folder of fits; default: none is kept")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.fits is None:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder), options.seed)
    else:
        found = measure(options.fits, options.seed)
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
