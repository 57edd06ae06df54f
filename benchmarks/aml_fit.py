"""Fit the AML model to the published AMLSG cohort and print one JSON object of measurements.

    python benchmarks/aml_fit.py [--out DIR] [--seed N]

Times are wall-clock from the start of the command; CPU seconds include all threads. Needs the
published files (see README, "Data"); set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import secrets
import time

_STARTED = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
from pathlib import Path  # noqa: E402

os.environ.setdefault("OMP_NUM_THREADS", "1")

import twinbayes as tb  # noqa: E402


def amlsg_folder() -> Path:
    """Folder of the five published AMLSG files."""
    shared = Path(os.environ.get("TWINBAYES_SHARED", Path(__file__).parents[2] / "shared"))
    return shared / "data" / "aml_amlsg" / "upstream"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder to leave the fit in")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    options = parser.parse_args()
    cohort = tb.read_cohort(amlsg_folder(), adapter="amlsg")
    read_s = time.perf_counter() - _STARTED
    fit = tb.fit(tb.disease("aml"), cohort, seed=options.seed, progressbar=False)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        fit.save(options.out / "aml.fit")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    summary = fit.verdict.summary
    print(
        json.dumps(
            {
                "seed": options.seed,
                "patients": cohort.n_patients,
                "covariates": len(fit.encoding.columns),
                "transitions": len(fit.spec.graph.labels),
                "read_s": round(read_s, 1),
                "compile_s": round(fit.datatree.attrs["compile_seconds"], 1),
                "runs": len(fit.manifest["runs"]),
                "sample_s": round(fit.datatree.attrs["sample_seconds"], 1),
                "total_s": round(time.perf_counter() - _STARTED, 1),
                "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
                "peak_gib": round(usage.ru_maxrss / 2**20, 2),
                "min_ess": round(min(summary["min_ess_bulk"], summary["min_ess_tail"]), 1),
                "max_rhat": round(summary["max_rhat"], 4),
                "divergences": int(summary["divergences"]),
                "verdict": "usable" if fit.verdict.usable else "not for use",
            }
        )
    )


if __name__ == "__main__":
    main()
