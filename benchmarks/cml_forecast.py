"""Leave the future of CML patients out, forecast it, and print how often it was covered, as JSON.

    python benchmarks/cml_forecast.py [--folds N] [--seed N] [--write]

Two landmarks: under treatment, at 60 % of the time to its stop, for the values up to the stop; and
the day of the stop, for the values after it. For each fold of patients the model is fitted anew
with their records cut at the landmark. A value below the detection limit is covered by the share
of the forecast below that limit that lies in the interval. With `--write` the figures go to
docs/evidence/cml_forecast.json. Needs the published files; set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from twinbayes.checks import PredictedVisits, kfold, marker_coverage
from twinbayes.cohort import Cohort

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "cml_forecast.json"
MARKER: Final = "bcr_abl1"
INTERVAL: Final = 0.9
SHARE: Final = 0.6


def cml() -> Cohort:
    shared = Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared"))
    return tb.read_cohort(shared / "data" / "cml_bcrabl", adapter="cml")


def forecasts(
    cohort: Cohort,
    landmark: Mapping[str, float],
    end: Mapping[str, float],
    folds: list[Any],
    seed: int,
) -> tuple[list[PredictedVisits], list[bool]]:
    """The values of each patient after the landmark, and what was forecast for them."""
    last = cohort.events.groupby("patient_id")["day"].max()
    found, usable = [], []
    for fold in folds:
        held = set(fold.held_out)
        cut = cohort.until({p: landmark[p] if p in held else last[p] for p in cohort.patient_ids})
        fit = tb.fit(
            tb.disease("cml"),
            cut,
            seed=seed,
            progressbar=False,
        )
        usable.append(fit.verdict.usable)
        for patient in fold.held_out:
            visits = cohort.visits[cohort.visits["patient_id"] == patient]
            later = visits[
                (visits["day"] > landmark[patient]) & (visits["day"] <= end[patient])
            ].sort_values("day")
            if later.empty:
                continue
            curves = fit.twin(cut.select([patient])).patient_draws(0).curves
            assert curves is not None
            days = later["day"].to_numpy(dtype=float)
            found.append(
                PredictedVisits(
                    marker=MARKER,
                    day=days,
                    value=later["value"].to_numpy(dtype=float),
                    censored=later["censored"].to_numpy(dtype=str),
                    subgroup=later["patient_id"].to_numpy(),
                    replicated=curves.measured(MARKER, days),
                )
            )
    return found, usable


def coverage(forecast: list[PredictedVisits]) -> dict[str, Any]:
    low, high = (1 - INTERVAL) / 2, (1 + INTERVAL) / 2
    width = [
        np.diff(np.log10(np.quantile(one.replicated, (low, high), axis=1)), axis=0)[0]
        for one in forecast
    ]
    together = PredictedVisits(
        marker=MARKER,
        **{
            name: np.concatenate([getattr(one, name) for one in forecast])
            for name in ("day", "value", "censored", "subgroup", "replicated")
        },
    )
    whole = marker_coverage([together], level=INTERVAL).table.iloc[0]
    return {
        "values": int(whole["n"]),
        "patients": len(forecast),
        "below_limit": int(whole["beyond_limit"]),
        "coverage": round(float(whole["inside"]), 4),
        "mean_pit": round(float(whole["mean_pit"]), 4),
        "width_log10": round(float(np.median(np.concatenate(width))), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    cohort = cml()
    stop = cohort.events[cohort.events["event"] == "treatment_stop"]
    stopped = dict(zip(stop["patient_id"], stop["day"], strict=True))
    last = cohort.events.groupby("patient_id")["day"].max().to_dict()
    folds = kfold(cohort.patient_ids, options.folds, seed=options.seed)
    under, ok = forecasts(
        cohort, {p: SHARE * d for p, d in stopped.items()}, stopped, folds, options.seed
    )
    after, also = forecasts(cohort, stopped, last, folds, options.seed)
    found = {
        "seed": options.seed,
        "interval": INTERVAL,
        "under_treatment": coverage(under),
        "after_stop": coverage(after),
        "all": coverage(under + after),
        "usable_fits": [sum(ok) + sum(also), len(ok) + len(also)],
        "date": datetime.now(UTC).date().isoformat(),
        "model": tb.disease("cml").content_hash,
        "priors": tb.load_priors("cml").distribution_hash,
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
