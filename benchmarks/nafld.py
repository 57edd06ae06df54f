"""Fatty liver disease: 17,549 people, the states that they are in by sex, and their markers.

    python benchmarks/nafld.py [--markers] [--people N] [--seed N] [--write]

At default settings, by a seed that is drawn unless one is given. Compared are the mean predicted
occupation of each state, from the index date on, and the Aalen-Johansen estimate, in women and in
men, by 1, 3, 5, 10 and 15 years. Bar: 0.02. With `--markers` it is the joint model with cholesterol
and blood pressure whose cost, verdict and associations are told. `--people` takes that many at
random. `--write` keeps the figures in docs/evidence, as nafld.json or nafld_markers.json. Needs the
extra `examples`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from xarray import DataArray

import twinbayes as tb
from twinbayes.checks import state_occupation_calibration
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit
from twinbayes.names import (
    ASSOCIATION,
    DAYS_PER_YEAR,
    PATIENT_TERM,
    POSTERIOR,
    STATE_PROBABILITY,
)

EVIDENCE: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence"
YEARS: Final = (1.0, 3.0, 5.0, 10.0, 15.0)
BAR: Final = 0.02


def cohort_of(people: int | None, seed: int) -> Cohort:
    cohort = tb.read_cohort(None, adapter="nafld")
    if people is None:
        return cohort
    chosen = np.random.default_rng(seed).choice(cohort.n_patients, people, replace=False)
    return cohort.select([cohort.patient_ids[k] for k in np.sort(chosen)])


def fitted(name: str, cohort: Cohort, seed: int) -> tuple[Fit, dict[str, Any]]:
    """A fit at default settings, and what it took."""
    spec = tb.disease(name)
    began, at = time.process_time(), time.perf_counter()
    fit = tb.fit(spec, cohort, seed=seed)
    runs = fit.manifest.get("runs", ())
    return fit, {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "model": spec.content_hash,
        "priors": fit.priors.distribution_hash,
        "cohort": cohort.fingerprint,
        "people": cohort.n_patients,
        "usable": fit.verdict.usable,
        "verdict": fit.verdict.banner(),
        "runs": len(runs) or None,
        "cpu_seconds": round(time.process_time() - began),
        "seconds": round(time.perf_counter() - at),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2),
    }


def of_states(people: int | None, seed: int) -> dict[str, Any]:
    fit, found = fitted("nafld", cohort_of(people, seed), seed)
    process = counting_process(fit)
    days = np.array(YEARS) * DAYS_PER_YEAR
    twin = fit.thinned(200).twin([str(p) for p in process.patients], at=0.0).as_drawn()
    predicted = twin.forecast(float(days[-1]), days)[STATE_PROBABILITY]
    table = state_occupation_calibration(predicted, process, times=list(days)).table
    by_sex = table[table["subgroup"] != "all"]
    liver = fit.datatree[POSTERIOR]["beta"].sel(covariate="fatty_liver")
    return found | {
        "largest_difference_by_sex": {
            str(g): round(float(some["difference"].abs().max()), 4)
            for g, some in by_sex.groupby("subgroup")
        },
        "largest_difference": round(
            float(table[table["subgroup"] == "all"]["difference"].abs().max()), 4
        ),
        "log_hazard_ratio_of_fatty_liver": summary(liver, "transition"),
    }


def of_markers(people: int | None, seed: int) -> dict[str, Any]:
    cohort = cohort_of(people, seed)
    fit, found = fitted("nafld_markers", cohort, seed)
    posterior = fit.datatree[POSTERIOR]
    return found | {
        "visits": 0 if cohort.visits is None else len(cohort.visits),
        "diagnostics": {k: round(float(v), 4) for k, v in fit.verdict.summary.items()},
        "association": summary(posterior["association"], ASSOCIATION),
        "patient_sd": summary(posterior["patient_sd"], PATIENT_TERM),
    }


def summary(drawn: DataArray, dim: str) -> dict[str, list[float]]:
    """Mean and standard deviation of each entry."""
    mean, sd = drawn.mean(("chain", "draw")), drawn.std(("chain", "draw"))
    return {
        str(k): [round(float(x.sel({dim: k})), 4) for x in (mean, sd)] for k in drawn[dim].values
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markers", action="store_true")
    parser.add_argument("--people", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    seed = int(np.random.default_rng().integers(2**31)) if args.seed is None else args.seed
    found = (of_markers if args.markers else of_states)(args.people, seed)
    print(json.dumps(found, indent=1))
    if args.write:
        file = EVIDENCE / ("nafld_markers.json" if args.markers else "nafld.json")
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
