"""Forecast 100 patients at 5 years and update one, and print one JSON object of measurements.

    python benchmarks/dynamic_prediction.py [--fit FILE] [--draws N] [--update-draws N]
        [--seed N] [--write]

Of the joint model of PBC with the baseline of JMbayes2 (see `joint_pbc.py`): the first 100 patients
at risk at 5 years, survival and bilirubin at 51 times over the next 7 years. `cpu_s` counts all
cores, once everything is compiled; the bar is 1 s with at least 200 draws. `update_ms` is one new
visit of a patient until the draws are ready to be forecast from, weights included, of a patient of
the fit (`update_stranger_ms`: of one from outside), the median of several; the bar is 50 ms with at
least 500 draws. `cold_ms` is the first forecast of one patient in this process. Without a stored
fit, the model is fitted first, which is not timed. `cumulative_incidence` of death is the mean over
the 100 patients, all draws, at 7.1, 8.5, 10.04 and 12 years; `patient_25` has the risks of one of
them with their 95 % intervals and the log bilirubin expected at 5 years. With `--write` the figures
go to docs/evidence/dynamic_prediction.json, from which tests/reference/test_dynamic_prediction.py
compares them with the published ones. Needs the published files; set TWINBAYES_SHARED to where they
are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from joint_pbc import pbc_312, pbc_folder, published_priors
from twinbayes.names import DAYS_PER_YEAR, TERMINAL_EVENTS

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "dynamic_prediction.json"
LANDMARK, UNTIL = 5 * DAYS_PER_YEAR, 7 * DAYS_PER_YEAR
YEARS: Final = (7.1, 8.5, 10.04, 12.0)
ONE, YEARS_OF_ONE = "25", (6.12, *YEARS)
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
        twin.patient_draws(0)
        day = twin.present[0].day + 30.0 + k
        visit = pd.DataFrame({"day": [day], "marker": ["bilirubin"], "value": [1.5]})
        started = time.process_time()
        wall.append(milliseconds(lambda t=twin, v=visit: t.update(v).patient_draws(0)))
        cpu.append(1e3 * (time.process_time() - started))
    return round(statistics.median(wall[1:]), 1), round(statistics.median(cpu[1:]), 1)


def rounded(found: Any) -> Any:
    """Numbers with five decimals, in whatever they are nested."""
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    if isinstance(found, list):
        return [rounded(value) for value in found]
    return round(found, 5)


def days_ahead(years: Sequence[float]) -> list[float]:
    """Days from the landmark to these years since entry."""
    return [year * DAYS_PER_YEAR - LANDMARK for year in years]


def agreement(fit: tb.Fit, ids: list[str]) -> dict[str, Any]:
    """What was published of these patients, from all draws of the fit."""
    survival = fit.twin(ids, at=LANDMARK).as_drawn().forecast(UNTIL, days_ahead(YEARS))["survival"]
    died = 1.0 - survival.transpose("patient", "time").to_numpy()
    own = (
        fit.twin(ONE, at=LANDMARK)
        .as_drawn()
        .forecast(UNTIL, days_ahead(YEARS_OF_ONE), interval=0.95)
    )
    own = own.isel(patient=0, drop=True)
    risks = zip(
        *(1.0 - own[f"survival{end}"].to_numpy() for end in ("", "_upper", "_lower")), strict=True
    )
    now = (
        fit.twin(ONE, at=LANDMARK).as_drawn().forecast(1.0, [0.0]).isel(patient=0, time=0, marker=0)
    )
    bounds = [float(now[f"marker_curve_{end}"]) for end in ("lower", "upper")]
    return {
        "cumulative_incidence": dict(zip(map(str, YEARS), died.mean(0).tolist(), strict=True)),
        "by_patient": dict(zip(ids, died.tolist(), strict=True)),
        "patient_25": {
            str(year): dict(zip(("value", "q2_5", "q97_5"), map(float, risk), strict=True))
            for year, risk in zip(YEARS_OF_ONE, risks, strict=True)
        }
        | {"log_bilirubin": float(np.log(bounds).mean())},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=Path, help="a stored fit of this model")
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument("--update-draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.fit is None:
        cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
        fit = tb.fit(
            pbc_312(),
            cohort,
            priors=published_priors(),
            draws=1500,
            until="usable",
            seed=options.seed,
            progressbar=False,
        )
    else:
        fit = tb.load_fit(options.fit)
    ends = fit.cohort.events[fit.cohort.events["event"].isin(TERMINAL_EVENTS)]
    ids = [str(p) for p in ends.loc[ends["day"] > LANDMARK, "patient_id"]][:PATIENTS]
    times = np.linspace(0.0, UNTIL, TIMES)
    one = fit.twin(ids[0], at=LANDMARK, draws=options.draws).as_drawn()
    cold = milliseconds(lambda: one.forecast(UNTIL, times))
    cpu, wall = [], []
    for _ in range(4):
        twin = fit.twin(ids, at=LANDMARK, draws=options.draws).as_drawn()
        started = time.process_time()
        wall.append(milliseconds(lambda t=twin: t.forecast(UNTIL, times)))
        cpu.append(time.process_time() - started)
    alive = str(ends.loc[ends["event"] != "death", "patient_id"].iloc[0])
    stranger = replace(
        fit.cohort.select([alive]),
        patients=fit.cohort.select([alive]).patients.assign(centre="elsewhere"),
    )
    known = update_times(lambda: fit.twin(alive, draws=options.update_draws))
    unknown = update_times(lambda: fit.twin(stranger, draws=options.update_draws))
    found = {
        "seed": options.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "model": fit.spec.content_hash,
        "priors": fit.priors.distribution_hash,
        "data": fit.cohort.fingerprint,
        "usable": fit.verdict.usable,
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
    } | rounded(agreement(fit, ids))
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "by_patient"}))


if __name__ == "__main__":
    main()
