"""Score the joint model of log bilirubin and death at 5 years; print one JSON object.

    python benchmarks/landmark_accuracy.py [--fit FILE] [--draws N] [--repeats N]

`cpu_s` is the CPU time, over all cores and after one call to warm up, of `landmark_accuracy`: all
202 patients at risk forecast from the landmark, those censored also from their last day, then AUC,
Brier score and every other score of the table. `n_draws` are the draws it used, `n_draws_fit` those
of the fit; `cpu_s_all_draws` is the same with every draw of the fit. Without ``--fit`` the model is
fitted first, which is not counted; needs the published files (see README, "Data"); set
TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import twinbayes as tb
from twinbayes.checks import CheckResult, landmark_accuracy
from twinbayes.checks.out_of_sample.landmark import DRAWS
from twinbayes.names import DAYS_PER_YEAR

LANDMARK, WINDOW = 5 * DAYS_PER_YEAR, 2 * DAYS_PER_YEAR


def pbc_fit(file: Path | None) -> tb.Fit:
    """Read the fit, or make it."""
    if file is not None:
        return tb.load_fit(file)
    shared = Path(os.environ.get("TWINBAYES_SHARED", Path(__file__).parents[2] / "shared"))
    cohort = tb.read_cohort(shared / "data" / "joint_benchmarks", adapter="pbc2")
    return tb.fit(tb.disease("pbc"), cohort, seed=secrets.randbelow(2**31), progressbar=False)


def timed(fit: tb.Fit, draws: int, weights: str = "model") -> tuple[CheckResult, float, float]:
    """Return the result, CPU seconds and wall-clock seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = landmark_accuracy(fit, LANDMARK, [WINDOW], draws=draws, weights=weights)
    return result, time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=Path, help="a fit of disease pbc, as `Fit.save` writes it")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    fit = pbc_fit(options.fit)
    timed(fit, options.draws)
    runs = [timed(fit, options.draws) for _ in range(options.repeats)]
    n_draws_fit = fit.population.n_draws
    result, cpu, wall = sorted(runs, key=lambda run: run[1])[len(runs) // 2]
    _, cpu_ipcw, _ = timed(fit, options.draws, "ipcw")
    every, cpu_all, wall_all = timed(fit, n_draws_fit)
    found, found_all = (r.table.set_index("score")["value"] for r in (result, every))
    print(
        json.dumps(
            {
                "n_at_risk": int(result.table["n"].iloc[0]),
                "n_draws_fit": n_draws_fit,
                "n_draws": fit.thinned(options.draws).population.n_draws,
                "cpu_s": round(cpu, 2),
                "cpu_s_largest": round(max(run[1] for run in runs), 2),
                "wall_s": round(wall, 2),
                "cpu_s_ipcw": round(cpu_ipcw, 2),
                "cpu_s_all_draws": round(cpu_all, 2),
                "wall_s_all_draws": round(wall_all, 2),
                "scores": {score: round(value, 4) for score, value in found.items()},
                "scores_all_draws": {score: round(v, 4) for score, v in found_all.items()},
                "verdict": "usable" if fit.verdict.usable else "not for use",
            }
        )
    )


if __name__ == "__main__":
    main()
