"""Fit the joint model of PBC to ever more simulated patients; print one JSON object.

    python benchmarks/scale.py [--patients 300 1000 3000 10000] [--seed N] [--write]

Patients are simulated with a straight log-bilirubin curve each, eight visits on average, and a
hazard of death that follows it, by a seed that is drawn unless one is given; fits are at their
defaults. Each is one entry: seconds, CPU seconds, peak of memory so far,
diagnostics, and the association found against the true one. `--write` keeps them as
docs/evidence/scale.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.validation import cohort_from_tables
from twinbayes.names import DAYS_PER_YEAR

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "scale.json"
ASSOCIATION = 1.2
_LOG_HAZARD, _FEMALE, _LEVEL, _SLOPE, _ERROR = -4.3, -0.3, 0.5, 0.18, 0.35  # per year, log units
_SPREAD = np.array([[1.0, 0.07], [0.07, 0.03]])


def joint_cohort(n: int, seed: int) -> Cohort:
    """Simulate `n` patients of the joint model, 0.8 years between visits on average."""
    rng = np.random.default_rng(seed)
    curve = rng.multivariate_normal([_LEVEL, _SLOPE], _SPREAD, n)
    female, drug = rng.random(n) < 0.85, rng.random(n) < 0.5
    # Death by inversion on a fine grid: the cumulative hazard reaches a standard exponential.
    grid = np.linspace(0.0, 15.0, 3001)
    middle = 0.5 * (grid[1:] + grid[:-1])
    target = rng.exponential(size=n)
    death = np.empty(n)
    for i in range(n):
        log_hazard = _LOG_HAZARD + _FEMALE * female[i]
        hazard = np.exp(log_hazard + ASSOCIATION * (curve[i, 0] + curve[i, 1] * middle))
        cumulative = np.concatenate([[0.0], np.cumsum(hazard * np.diff(grid))])
        death[i] = np.interp(target[i], cumulative, grid, right=np.inf)
    censored = rng.uniform(4.0, 14.0, n)
    end = np.minimum(death, censored)
    ids = np.array([f"p{k:05d}" for k in range(n)])
    visits = []
    for i in range(n):
        times = (
            np.arange(0.0, end[i], 0.8)
            + np.r_[0.0, rng.uniform(-0.2, 0.2, 100)][: len(np.arange(0.0, end[i], 0.8))]
        )
        times = times[times < end[i]]
        value = np.exp(curve[i, 0] + curve[i, 1] * times + rng.normal(0, _ERROR, len(times)))
        visits.append(
            pd.DataFrame({"patient_id": ids[i], "day": times * DAYS_PER_YEAR, "value": value})
        )
    tables = {
        "patients": pd.DataFrame(
            {
                "patient_id": ids,
                "subgroup": "all",
                "centre": "all",
                "age_years": 50.0,
                "sex": np.where(female, "female", "male"),
                "d_penicillamine": drug.astype(float),
            }
        ),
        "events": pd.DataFrame(
            {
                "patient_id": ids,
                "day": end * DAYS_PER_YEAR,
                "event": np.where(death <= censored, "death", "last_contact"),
            }
        ),
        "visits": pd.concat(visits, ignore_index=True).assign(marker="bilirubin", censored="none"),
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
    return cohort_from_tables(f"{n} simulated patients", tables, simulated=True)


def measure(n: int, seed: int) -> dict[str, object]:
    cohort = joint_cohort(n, seed)
    wall, cpu = time.perf_counter(), time.process_time()
    fit = tb.fit(tb.disease("pbc"), cohort, seed=seed, progressbar=False)
    summary, alpha = fit.verdict.summary, fit.datatree["posterior"]["association"]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "patients": n,
        "visits": 0 if cohort.visits is None else len(cohort.visits),
        "seed": seed,
        "draws_a_chain": fit.datatree["posterior"].sizes["draw"],
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "min_ess": round(summary["min_ess_bulk"], 1),
        "max_rhat": round(summary["max_rhat"], 4),
        "divergences": int(summary["divergences"]),
        "verdict": "usable" if fit.verdict.usable else "not for use",
        "association": [round(float(alpha.mean()), 4), round(float(alpha.std()), 4)],
        "true_association": ASSOCIATION,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[300, 1000, 3000, 10_000])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    runs = []
    for n in options.patients:
        runs.append(measure(n, options.seed))
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    found = {
        "date": max(str(run["date"]) for run in runs),
        "model": tb.disease("pbc").content_hash,
        "priors": tb.load_priors("pbc").distribution_hash,
        "runs": runs,
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
