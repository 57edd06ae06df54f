"""Forecast 100 patients at 5 years and update one, and print one JSON object of measurements.

    python benchmarks/dynamic_prediction.py [--fit FILE] [--draws N] [--update-draws N]

Of the joint model of PBC: the first 100 patients at risk at 5 years, survival and bilirubin at 51
times over the next 7 years. `cpu_s` counts all cores, once everything is compiled; the bar is 1 s
with at least 200 draws. `update_ms` is one new visit of a patient until the draws are ready to be
forecast from, weights included, of a patient of the fit (`update_stranger_ms`: of one from
outside), the median of several; the bar is 50 ms with at least 500 draws. `cold_ms` is the first
forecast of one patient in this process. Without a stored fit, the model is fitted first, which is
not timed. `cumulative_incidence` of death is the mean over the 100 patients, all draws, at 7.1,
8.5, 10.04 and 12 years; `reference` has the published values where the shared folder is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from joint_pbc import pbc_folder

import twinbayes as tb
from twinbayes.names import DAYS_PER_YEAR, TERMINAL_EVENTS

LANDMARK = 5 * DAYS_PER_YEAR
YEARS = (7.1, 8.5, 10.04, 12.0)
PATIENTS, TIMES, REPEATS = 100, 51, 25


def milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


def update_times(twins: Callable[[], tb.Twin]) -> tuple[float, float]:
    """Median milliseconds, wall-clock and CPU, of an update of a twin whose own draws are there."""
    wall, cpu = [], []
    for k in range(REPEATS + 1):
        twin = twins()
        twin.standing(0)
        day = twin.present[0].day + 30.0 + k
        visit = pd.DataFrame({"day": [day], "marker": ["bilirubin"], "value": [1.5]})
        started = time.process_time()
        wall.append(milliseconds(lambda t=twin, v=visit: t.update(v).standing(0)))
        cpu.append(1e3 * (time.process_time() - started))
    return round(statistics.median(wall[1:]), 1), round(statistics.median(cpu[1:]), 1)


def reference() -> dict[str, float] | None:
    """Published values of the same means."""
    path = pbc_folder().parents[1] / "reference" / "dynamic_prediction_pbc312.json"
    if not path.exists():
        return None
    rows = json.loads(path.read_text(encoding="utf-8"))["expected"]
    means = [r["value"] for r in rows if r["quantity"].startswith(("mean over", "same, by"))]
    return dict(zip(map(str, YEARS), means, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=Path, help="a stored fit of the disease pbc")
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument("--update-draws", type=int, default=500)
    options = parser.parse_args()
    if options.fit is None:
        cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
        fit = tb.fit(tb.disease("pbc"), cohort, seed=1, target_accept=0.85, progressbar=False)
    else:
        fit = tb.load_fit(options.fit)
    ends = fit.cohort.events[fit.cohort.events["event"].isin(TERMINAL_EVENTS)]
    ids = [str(p) for p in ends.loc[ends["day"] > LANDMARK, "patient_id"]][:PATIENTS]
    until = 7 * DAYS_PER_YEAR
    times = np.linspace(0.0, until, TIMES)
    one = fit.twin(ids[0], at=LANDMARK, draws=options.draws)
    cold = milliseconds(lambda: one.forecast(until, times))
    cpu, wall = [], []
    for _ in range(4):
        twin = fit.twin(ids, at=LANDMARK, draws=options.draws)
        started = time.process_time()
        wall.append(milliseconds(lambda t=twin: t.forecast(until, times)))
        cpu.append(time.process_time() - started)
    alive = str(ends.loc[ends["event"] != "death", "patient_id"].iloc[0])
    stranger = replace(
        fit.cohort.select([alive]),
        patients=fit.cohort.select([alive]).patients.assign(centre="elsewhere"),
    )
    known = update_times(lambda: fit.twin(alive, draws=options.update_draws))
    unknown = update_times(lambda: fit.twin(stranger, draws=options.update_draws))
    horizons = np.array(YEARS) * DAYS_PER_YEAR - LANDMARK
    died = 1.0 - fit.twin(ids, at=LANDMARK).forecast(until, horizons)["survival"].mean("patient")
    print(
        json.dumps(
            {
                "patients": len(ids),
                "times": TIMES,
                "draws": options.draws,
                "cpu_s": round(statistics.median(cpu[1:]), 3),
                "wall_s": round(statistics.median(wall[1:]) / 1e3, 3),
                "cold_ms": round(cold, 1),
                "update_draws": options.update_draws,
                "update_ms": known[0],
                "update_cpu_ms": known[1],
                "update_stranger_ms": unknown[0],
                "update_stranger_cpu_ms": unknown[1],
                "cumulative_incidence": {
                    str(y): round(float(x), 4) for y, x in zip(YEARS, died, strict=True)
                },
                "reference": reference(),
                "verdict": "usable" if fit.verdict.usable else "not for use",
            }
        )
    )


if __name__ == "__main__":
    main()
