"""Update patients whom a fit has not seen, and compare with refits that include them.

    python benchmarks/update_against_refit.py [--patients N] [--refits N] [--landmarks A B]
        [--write]

Of the joint model of PBC. Patients still followed B years after their origin are held out, evenly
spaced over the file; the others are fitted. Each is taken from the origin to A years, then updated
to B years. Compared are the forecasts of survival and of bilirubin (as a share of the refit's)
over the next 5 years: the largest differences over patients and times, and their averages. Bars:
0.02 for means of survival, 0.05 for the ends of its 90 % intervals.

`one_by_one`: each updated patient against a refit that includes this patient and none of the
others held out, which takes a minute each; with fewer `--refits`, of the patients whose forecasts
the refit of all has moved most. `together`: one refit that includes them all, against draws
weighted by the records of all of them together.
`together_own_weights`: the same refit against updates with each patient's own weights; it has also
learnt from the others held out, a tenth of all data, which an update of one patient has not.
`--write` keeps the figures as docs/evidence/update_against_refit.json.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

import twinbayes as tb
from joint_pbc import pbc_folder
from twinbayes.names import DAYS_PER_YEAR, TERMINAL_EVENTS

TARGET: Final = (
    Path(__file__).resolve().parents[1] / "docs" / "evidence" / "update_against_refit.json"
)
UNTIL = 5 * DAYS_PER_YEAR
TIMES = np.linspace(0.0, UNTIL, 16)
BARS = {"survival_mean": 0.02, "survival_interval": 0.05}


def held_out(cohort: tb.Cohort, n: int, day: float) -> list[str]:
    """Patients still followed on a day, evenly spaced."""
    last = cohort.events[cohort.events["event"].isin(TERMINAL_EVENTS)]
    followed = [str(p) for p in last.loc[last["day"] > day, "patient_id"]]
    return [followed[k] for k in np.linspace(0, len(followed) - 1, n).round().astype(int)]


def largest(a: xr.Dataset, b: xr.Dataset) -> dict[str, Any]:
    """Largest and average absolute differences between two forecasts."""
    gap = {s: np.abs(a[f"survival{s}"] - b[f"survival{s}"]) for s in ("", "_lower", "_upper")}
    marker = np.abs(a["marker_curve"] / b["marker_curve"] - 1.0)
    out: dict[str, Any] = {
        "survival_mean": round(float(gap[""].max()), 4),
        "survival_mean_average": round(float(gap[""].mean()), 4),
        "survival_interval": round(float(max(gap["_lower"].max(), gap["_upper"].max())), 4),
        "bilirubin_mean": round(float(marker.max()), 4),
        "bilirubin_mean_average": round(float(marker.mean()), 4),
    }
    return out | {"within_bars": all(out[name] <= bar for name, bar in BARS.items())}


def jointly(fit: tb.Fit, new: tb.Cohort, day: float) -> xr.Dataset:
    """Forecast under draws that are weighted by the records of all new patients together."""
    everybody = fit.twin(new, at=day)
    total = np.sum([everybody.record_log_marginal(i) for i in range(new.n_patients)], axis=0)
    parts = []
    for patient in new.patient_ids:
        twin = replace(fit.twin(new.select([patient]), at=day), seen=None)
        twin._held[0] = twin.patient_draws(0).weighted(total)  # in the place of its own weights
        parts.append(twin.forecast(UNTIL, TIMES))
    return together(parts)


def together(parts: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(parts, "patient", data_vars="all", coords="minimal", compat="override",
                     combine_attrs="drop")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=30)
    parser.add_argument("--refits", type=int, default=30, help="of one patient each")
    parser.add_argument("--landmarks", type=float, nargs=2, default=(2.0, 4.0))
    parser.add_argument("--draws", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    whole = tb.read_cohort(pbc_folder(), adapter="pbc2")
    first, second = (years * DAYS_PER_YEAR for years in options.landmarks)
    ids = held_out(whole, options.patients, second)
    cohort = whole.until({p: second if p in ids else 1e6 for p in whole.patient_ids})

    def fitted(included: list[str]) -> tb.Fit:
        """Fit everybody but those held out who are not included."""
        some = [p for p in cohort.patient_ids if p not in ids or p in included]
        return tb.fit(
            tb.disease("pbc"), cohort.select(some), draws=options.draws, until="usable",
            seed=options.seed, progressbar=False,
        )  # fmt: skip

    without, everybody = fitted([]), fitted(ids)
    new = cohort.select(ids)
    visits = new.visits[new.visits["day"] > first]
    started = time.process_time()
    updated = without.twin(new, at=first).update(visits, events=new.events)
    forecast = updated.forecast(UNTIL, TIMES)
    cpu = time.process_time() - started
    refit = everybody.twin(ids).forecast(UNTIL, TIMES)
    table = updated.reliability()
    some = ids[: options.refits]
    if 0 < options.refits < len(ids):  # those whose forecast the refit of all has moved most
        gap = np.abs(forecast["survival"] - refit["survival"]).max("time").to_numpy()
        some = [ids[k] for k in np.argsort(-gap)[: options.refits]]
    singles = [fitted([p]).twin(p).forecast(UNTIL, TIMES) for p in some]
    one_by_one = largest(forecast.sel(patient=some), together(singles)) if some else None
    found = {
        "seed": options.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "model": without.spec.content_hash,
        "priors": without.priors.distribution_hash,
        "patients": len(ids),
        "landmarks_years": list(options.landmarks),
        "draws": updated.population.n_draws,
        "verdicts": [f.verdict.usable for f in (without, everybody)],
        "single_refits": len(some),
        "one_by_one": one_by_one,
        "together": largest(jointly(without, new, second), refit),
        "together_own_weights": largest(forecast, refit),
        "largest_pareto_k": round(float(table["pareto_k"].max()), 3),
        "smallest_ess": round(float(table["ess"].min()), 1),
        "smallest_efficiency": round(float(table["proposal_efficiency"].min()), 3),
        "largest_surprise": round(float(table["surprise"].max()), 2),
        "need_refit": int(table["needs_refit"].sum()),
        "update_and_forecast_cpu_s": round(cpu, 2),
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
