"""Update patients whom a fit has not seen, and compare with refits that include them.

    python benchmarks/update_against_refit.py [--patients N] [--draws N] [--seed N]

Of the joint model of PBC. Patients still followed 4 years after their origin are held out, evenly
spaced over the file; the others are fitted. Each is taken from the origin to 2 years, then updated
to 4 years. The refit has them all in it, up to 4 years. Compared are the forecasts of survival and
of bilirubin (as a share of the refit's) over the next 5 years: the largest differences over
patients and times. Bars: 0.02 for means of survival, 0.05 for the ends of its 90 % intervals. The
refit has learnt from the other held-out patients too, and both have Monte Carlo error.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from joint_pbc import pbc_folder

import twinbayes as tb
from twinbayes.names import DAYS_PER_YEAR, TERMINAL_EVENTS

FIRST, SECOND = 2 * DAYS_PER_YEAR, 4 * DAYS_PER_YEAR
UNTIL = 5 * DAYS_PER_YEAR
BARS = {"survival_mean": 0.02, "survival_interval": 0.05}


def held_out(cohort: tb.Cohort, n: int) -> list[str]:
    """Patients still followed at the second landmark, evenly spaced."""
    last = cohort.events[cohort.events["event"].isin(TERMINAL_EVENTS)]
    followed = [str(p) for p in last.loc[last["day"] > SECOND, "patient_id"]]
    return [followed[k] for k in np.linspace(0, len(followed) - 1, n).round().astype(int)]


def fitted(cohort: tb.Cohort, options: argparse.Namespace) -> tb.Fit:
    return tb.fit(
        tb.disease("pbc"), cohort, draws=options.draws, tune=400, seed=options.seed,
        target_accept=0.85, progressbar=False,
    )  # fmt: skip


def largest(a: Any, b: Any) -> dict[str, float]:
    """Largest absolute differences between two forecasts."""
    out = {}
    for name, of in (("survival", ("", "_lower", "_upper")), ("marker_curve", ("",))):
        gaps = [np.abs(a[name + s] - b[name + s]).to_numpy() for s in of]
        if name == "marker_curve":
            gaps = [gaps[0] / b[name].to_numpy()]
        out[f"{name}_mean"] = round(float(gaps[0].max()), 4)
        out[f"{name}_mean_average"] = round(float(gaps[0].mean()), 4)
        if len(gaps) > 1:
            out[f"{name}_interval"] = round(float(max(g.max() for g in gaps[1:])), 4)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=30)
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder to leave the two fits in")
    options = parser.parse_args()
    cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
    ids = held_out(cohort, options.patients)
    rest = [p for p in cohort.patient_ids if p not in set(ids)]
    one = fitted(cohort.select(rest), options)
    cut = cohort.until({p: SECOND if p in set(ids) else 1e6 for p in cohort.patient_ids})
    all_of_them = fitted(cut, options)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        one.save(options.out / "without.fit")
        all_of_them.save(options.out / "with.fit")
    new = cohort.select(ids)
    visits = new.visits
    between = visits[(visits["day"] > FIRST) & (visits["day"] <= SECOND)]
    seen = new.until(SECOND).events
    started = time.process_time()
    updated = one.twin(new, at=FIRST).update(between, events=seen)
    times = np.linspace(0.0, UNTIL, 16)
    forecast = updated.forecast(UNTIL, times)
    cpu = time.process_time() - started
    refit = all_of_them.twin(ids).forecast(UNTIL, times)
    plain = replace(one.twin(new, at=SECOND), origin=None).forecast(UNTIL, times)
    table = updated.reliability()
    found = largest(forecast, refit)
    print(
        json.dumps(
            {
                "patients": len(ids),
                "draws": updated.population.n_draws,
                "verdicts": [f.verdict.usable for f in (one, all_of_them)],
                "largest_differences": found,
                "without_weights": largest(plain, refit),
                "within_bars": all(found[name] <= bar for name, bar in BARS.items()),
                "largest_pareto_k": round(float(table["pareto_k"].max()), 3),
                "smallest_ess": round(float(table["ess"].min()), 1),
                "smallest_efficiency": round(float(table["proposal_efficiency"].min()), 3),
                "largest_surprise": round(float(table["surprise"].max()), 2),
                "need_refit": int(table["needs_refit"].sum()),
                "update_and_forecast_cpu_s": round(cpu, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
