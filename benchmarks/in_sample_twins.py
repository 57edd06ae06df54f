"""Take the later record of patients out of a fit by weights, and compare with refits without it.

    python benchmarks/in_sample_twins.py [--disease NAME ...] [--patients N] [--group N]
        [--draws N] [--seed N] [--write]

Of the joint model of PBC and of the simulated registry. Patients are drawn at random, by a seed
that is itself drawn unless one is given, among those who are followed beyond the later of two
landmarks. The fit has seen all records to their end. At each landmark the patients go in groups:
a refit has the records of a group up to the landmark, and all others whole. Compared are forecasts
of survival over the next 5 years: the largest differences over patients and times, and their
averages. Fits go on until they are usable. Bars: 0.02 for means, 0.05 for the ends of 90 %
intervals, as for updates.

`own_weights`: each patient's twin, whose draws count without that patient's later record, against
the refit, which lacks those of the others of a group as well; `own_weights_trusted`: of the twins
that do not ask for a refit. `weights_of_the_group`: draws that count without the later records of
all of the group, which is what the refit is of. `no_weights`: the draws of the fit as they are.
With groups of one, the default, the first and the third are the same. `--write` keeps the figures
of these diseases in docs/evidence/in_sample_twins.json. PBC needs the published files; set
TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr

import twinbayes as tb
from joint_pbc import pbc_folder
from twinbayes.checks.borrowing.as_of import with_record
from twinbayes.names import DAYS_PER_YEAR, DEATH, TERMINAL_EVENTS
from update_against_refit import BARS, TIMES, UNTIL

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "in_sample_twins.json"
LANDMARKS: Final = {
    "pbc": (1.0 * DAYS_PER_YEAR, 3.0 * DAYS_PER_YEAR),
    "registry": (0.0, 180.0),
}


def cohort_of(disease: str) -> tb.Cohort:
    if disease == "pbc":
        return tb.read_cohort(pbc_folder(), adapter="pbc2")
    return tb.datasets.registry()


def drawn_patients(cohort: tb.Cohort, n: int, beyond: float, rng: np.random.Generator) -> list[str]:
    """Patients followed beyond a day, whatever became of them, at random."""
    last = cohort.events[cohort.events["event"].isin(TERMINAL_EVENTS)]
    followed = last.loc[last["day"] > beyond, "patient_id"].astype(str).to_numpy()
    return [str(p) for p in rng.choice(followed, n, replace=False)]


def gaps(a: xr.Dataset, b: xr.Dataset) -> dict[str, float | bool]:
    """Largest and average absolute differences in survival."""
    gap = {s: np.abs(a[f"survival{s}"] - b[f"survival{s}"]) for s in ("", "_lower", "_upper")}
    out: dict[str, float | bool] = {
        "survival_mean": round(float(gap[""].max()), 4),
        "survival_mean_average": round(float(gap[""].mean()), 4),
        "survival_interval": round(float(max(gap["_lower"].max(), gap["_upper"].max())), 4),
    }
    return out | {"within_bars": all(out[name] <= bar for name, bar in BARS.items())}


def by_group(fit: tb.Fit, group: Sequence[str], day: float) -> xr.Dataset:
    """Forecasts under draws that count without the later records of all of a group."""
    now, whole = fit.twin(list(group), at=day), fit.twin(list(group))
    total = np.sum(
        [now.fitted_log_marginal(i) - whole.fitted_log_marginal(i) for i in range(len(group))],
        axis=0,
    )
    parts = []
    for patient in group:
        twin = fit.twin(patient, at=day).as_drawn()
        twin._held[0] = twin.patient_draws(0).weighted(total)  # in the place of its own draws
        parts.append(twin.forecast(UNTIL, TIMES))
    return together(parts)


def together(parts: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(parts, "patient", data_vars="all", coords="minimal", compat="override",
                     combine_attrs="drop")  # fmt: skip


def compare(disease: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Figures of one disease."""
    rng, cohort = np.random.default_rng(seed), cohort_of(disease)

    def fitted(some: tb.Cohort) -> tb.Fit:
        return tb.fit(
            tb.disease(disease), some, draws=options.draws, until="usable",
            seed=int(rng.integers(2**31)), progressbar=False,
        )  # fmt: skip

    fit = fitted(cohort)
    ids = drawn_patients(cohort, options.patients, max(LANDMARKS[disease]), rng)
    found: dict[str, list[xr.Dataset]] = {}
    verdicts, tables, counted = [fit.verdict.usable], [], 0
    for day in LANDMARKS[disease]:
        twins = fit.twin(ids, at=day)
        tables.append(twins.reliability())
        own, plain = (t.forecast(UNTIL, TIMES) for t in (twins, twins.as_drawn()))
        for first in range(0, len(ids), options.group):
            group = ids[first : first + options.group]
            cut = cohort.select(group).until(day)
            refit = fitted(with_record(cohort, cut))
            counted, verdicts = counted + 1, [*verdicts, refit.verdict.usable]
            for name, forecast in (
                ("refit", refit.twin(group).forecast(UNTIL, TIMES)),
                ("own_weights", own.sel(patient=group)),
                ("weights_of_the_group", by_group(fit, group, day)),
                ("no_weights", plain.sel(patient=group)),
            ):
                found.setdefault(name, []).append(forecast)
            so_far = {name: together(parts) for name, parts in found.items()}
            print(disease, f"day {day:g}", counted, gaps(so_far["own_weights"], so_far["refit"]),
                  gaps(so_far["weights_of_the_group"], so_far["refit"]), flush=True)  # fmt: skip
    whole = {name: together(parts) for name, parts in found.items()}
    k = np.concatenate([t["pareto_k"] for t in tables])
    trusted = np.flatnonzero(~np.concatenate([t["needs_refit"] for t in tables]).astype(bool))
    dead = cohort.events.loc[cohort.events["event"] == DEATH, "patient_id"]
    return {
        "model": fit.spec.content_hash,
        "priors": fit.priors.distribution_hash,
        "patients": len(ids),
        "died_later": int(dead.isin(ids).sum()),
        "landmarks_days": list(LANDMARKS[disease]),
        "draws": fit.population.n_draws,
        "refits": counted,
        "patients_a_refit": options.group,
        "usable": [sum(verdicts), len(verdicts)],
        **{name: gaps(whole[name], whole["refit"])
           for name in ("own_weights", "weights_of_the_group", "no_weights")},
        "own_weights_trusted": gaps(*(whole[name].isel(patient=trusted)
                                      for name in ("own_weights", "refit"))),
        "largest_pareto_k": round(float(np.nanmax(k)), 3),
        "smallest_ess": round(float(min(t["ess"].min() for t in tables)), 1),
        "need_refit": int(sum(t["needs_refit"].sum() for t in tables)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disease", nargs="+", default=list(LANDMARKS), choices=list(LANDMARKS))
    parser.add_argument("--patients", type=int, default=30)
    parser.add_argument("--group", type=int, default=1, help="patients a refit")
    parser.add_argument("--draws", type=int, default=1500, help="of a chain, at least")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    seed = options.seed
    found: dict[str, Any] = {}
    if options.write and TARGET.is_file():
        found = json.loads(TARGET.read_text(encoding="utf-8"))
    for disease in options.disease:
        started = time.process_time()
        found[disease] = {"date": datetime.now(UTC).date().isoformat(), "seed": seed}
        found[disease] |= compare(disease, options, seed)
        found[disease]["cpu_s"] = round(time.process_time() - started)
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
