"""Validate the AML model on the published AMLSG cohort and print one JSON object.

    python benchmarks/aml_validation.py calibration --fit FIT [--write]
    python benchmarks/aml_validation.py [crossvalidation] [--folds 10] [--write]
    python benchmarks/aml_validation.py trials [--write]

`calibration` compares posterior mean state occupation with Aalen-Johansen curves, overall and by
subgroup, from a fit that `benchmarks/aml_fit.py` left. `crossvalidation` predicts each tenth of
the patients from the others; `trials` each trial from the others. With `--write` the figures go
to docs/evidence/aml_validation.json.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from aml_fit import amlsg_folder
from twinbayes.checks import (
    concordance,
    cross_validate_survival,
    kfold,
    leave_one_group_out,
    state_occupation_calibration,
)
from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.inference import compile_fit
from twinbayes.names import DAYS_PER_YEAR

TARGET = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "aml_validation.json"
YEARS = (1.0, 3.0, 5.0)


def calibration(options: argparse.Namespace) -> dict[str, Any]:
    fit = tb.load_fit(options.fit)
    process = counting_process(fit)
    days = np.array([0.0, *(y * DAYS_PER_YEAR for y in YEARS)])
    started = time.perf_counter()
    forecast = fit.twin(at=0.0).as_drawn().forecast(float(days[-1]), days)
    seconds = time.perf_counter() - started
    ids = [str(p) for p in process.patients]
    predicted = forecast["state_probability"].sel(patient=ids)
    check = state_occupation_calibration(predicted, process, times=tuple(days[1:]))
    plain = state_occupation_calibration(predicted, process, times=tuple(days[1:]), band="plain")
    table = check.table
    overall = table[table["subgroup"] == "all"]
    counted = table["counts"] & (table["subgroup"] != "all")
    outside = table[~table["inside"] & counted]
    risk = 1 - forecast["survival"].sel(patient=ids).to_numpy()[:, 2]
    dead = [s for s in fit.spec.graph.states if s.startswith("death")]
    return {
        "verdict": check.verdict,
        "text": check.text,
        "largest_overall_difference": float(overall["difference"].abs().max()),
        "subgroup_values": int(counted.sum()),
        "outside_band": outside.drop(columns=["inside", "counts"]).round(4).to_dict("records"),
        "outside_plain_band": int((~plain.table["inside"] & counted).sum()),
        "apparent_concordance": concordance(process, risk, dead).value,
        "forecast_all_seconds": round(seconds, 1),
    }


def crossvalidation(options: argparse.Namespace, by_trial: bool = False) -> dict[str, Any]:
    cohort = tb.read_cohort(amlsg_folder(), adapter="amlsg")
    ids = cohort.patient_ids
    if by_trial:
        folds = leave_one_group_out(ids, cohort.patients["trial"].tolist())
    else:
        strata = cohort.patients["subgroup"].tolist()
        folds = kfold(ids, options.folds, seed=options.seed, strata=strata)
    compiled = compile_fit(tb.disease("aml"), cohort)
    result = cross_validate_survival(
        compiled,
        folds,
        progress=lambda fold: print(fold, file=sys.stderr, flush=True),
    ).result
    table = result.table
    pooled = table[table["fold"] == "pooled"].set_index("score")
    return {
        "text": result.text,
        "folds": len(folds),
        "concordance": pooled["value"]["concordance"],
        "concordance_se": pooled["standard_error"]["concordance"],
        "slope": pooled["value"]["slope"],
        "by_fold": table[table["fold"] != "pooled"][["fold", "n", "score", "value"]].to_dict(
            "records"
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="crossvalidation",
        choices=("calibration", "crossvalidation", "trials"),
    )
    parser.add_argument("--fit", type=Path)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = (
        calibration(options)
        if options.what == "calibration"
        else crossvalidation(options, by_trial=options.what == "trials")
    )
    spec = tb.disease("aml")
    found |= {
        "seed": options.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "model": spec.content_hash,
        "priors": tb.load_priors(spec.priors).distribution_hash,
    }
    if options.write:
        stored = json.loads(TARGET.read_text()) if TARGET.exists() else {}
        TARGET.write_text(json.dumps({**stored, options.what: found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
