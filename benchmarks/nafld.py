"""Fatty liver disease: 17,549 people, and the states that they are in by sex, predicted and seen.

    python benchmarks/nafld.py [--people N] [--seed N] [--write]

At default settings, by a seed that is drawn unless one is given. Compared are the mean predicted
occupation of each state, from the index date on, and the Aalen-Johansen estimate, in women and in
men, by 1, 3, 5, 10 and 15 years. Bar: 0.02. `--people` takes that many at random. `--write` keeps
the figures in docs/evidence/nafld.json. Needs the extra `examples`.
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

import twinbayes as tb
from twinbayes.checks import state_occupation_calibration
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.names import DAYS_PER_YEAR, POSTERIOR, STATE_PROBABILITY

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "nafld.json"
YEARS: Final = (1.0, 3.0, 5.0, 10.0, 15.0)
BAR: Final = 0.02


def figures(people: int | None, seed: int) -> dict[str, Any]:
    cohort, spec = tb.read_cohort(None, adapter="nafld"), tb.disease("nafld")
    if people is not None:
        chosen = np.random.default_rng(seed).choice(cohort.n_patients, people, replace=False)
        cohort = cohort.select([cohort.patient_ids[k] for k in np.sort(chosen)])
    began = time.process_time()
    fit = tb.fit(spec, cohort, seed=seed)
    seconds = time.process_time() - began
    process = counting_process(fit)
    days = np.array(YEARS) * DAYS_PER_YEAR
    twin = fit.thinned(200).twin([str(p) for p in process.patients], at=0.0).as_drawn()
    predicted = twin.forecast(float(days[-1]), days)[STATE_PROBABILITY]
    table = state_occupation_calibration(predicted, process, times=list(days)).table
    by_sex = table[table["subgroup"] != "all"]
    beta = fit.datatree[POSTERIOR]["beta"]
    liver = beta.sel(covariate="fatty_liver")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "model": spec.content_hash,
        "priors": tb.load_priors(str(spec.priors)).distribution_hash,
        "cohort": cohort.fingerprint,
        "people": cohort.n_patients,
        "usable": fit.verdict.usable,
        "runs": len(fit.manifest.get("runs", ())) or None,
        "cpu_seconds": round(seconds),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2),
        "largest_difference_by_sex": {
            str(g): round(float(some["difference"].abs().max()), 4)
            for g, some in by_sex.groupby("subgroup")
        },
        "largest_difference": round(
            float(table[table["subgroup"] == "all"]["difference"].abs().max()), 4
        ),
        "log_hazard_ratio_of_fatty_liver": {
            str(t): [
                round(float(x.sel(transition=t)), 3)
                for x in (liver.mean(("chain", "draw")), liver.std(("chain", "draw")))
            ]
            for t in liver["transition"].to_numpy()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    seed = int(np.random.default_rng().integers(2**31)) if args.seed is None else args.seed
    found = figures(args.people, seed)
    print(json.dumps(found, indent=1))
    if args.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
