"""Leave the future of CML patients out, forecast it, and print how often it was covered, as JSON.

    python benchmarks/cml_forecast.py [--folds N] [--write]

Two landmarks: under treatment, at 60 % of the time to its stop, for the values up to the stop; and
the day of the stop, for the values after it. For each fold of patients the model is fitted anew
with their records cut at the landmark. A value below the detection limit is covered if the
interval reaches below that limit. With `--write` the figures go to docs/evidence/cml_forecast.json.
Needs the published files; set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.checks import kfold
from twinbayes.cohort import Cohort

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "cml_forecast.json"
INTERVAL: Final = 0.9
SHARE: Final = 0.6


def cml() -> Cohort:
    shared = Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared"))
    return tb.read_cohort(shared / "data" / "cml_bcrabl", adapter="cml")


def forecast_rows(
    cohort: Cohort, landmark: Mapping[str, float], end: Mapping[str, float], folds: list[Any]
) -> tuple[pd.DataFrame, list[bool]]:
    """One row a value after the landmark: the value, and the interval forecast for it."""
    last = cohort.events.groupby("patient_id")["day"].max()
    rows, usable = [], []
    for fold in folds:
        held = set(fold.held_out)
        cut = cohort.until({p: landmark[p] if p in held else last[p] for p in cohort.patient_ids})
        fit = tb.fit(
            tb.disease("cml"),
            cut,
            draws=2000,
            tune=800,
            target_accept=0.95,
            seed=1,
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
            twin = fit.twin(cut.select([patient]))
            times = later["day"].to_numpy() - landmark[patient]
            found = twin.forecast(float(times[-1]), times, interval=INTERVAL)
            one = found.isel(patient=0, marker=0)
            rows.append(
                later.assign(
                    lower=one["marker_value_lower"].to_numpy(),
                    upper=one["marker_value_upper"].to_numpy(),
                )
            )
    return pd.concat(rows), usable


def coverage(rows: pd.DataFrame) -> dict[str, Any]:
    below = rows["censored"] == "left"
    inside = (rows["lower"] <= rows["value"]) & (below | (rows["value"] <= rows["upper"]))
    return {
        "values": len(rows),
        "patients": int(rows["patient_id"].nunique()),
        "below_limit": int(below.sum()),
        "coverage": round(float(inside.mean()), 4),
        "width_log10": round(float(np.log10(rows["upper"] / rows["lower"]).median()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    cohort = cml()
    stop = cohort.events[cohort.events["event"] == "treatment_stop"]
    stopped = dict(zip(stop["patient_id"], stop["day"], strict=True))
    last = cohort.events.groupby("patient_id")["day"].max().to_dict()
    folds = kfold(cohort.patient_ids, options.folds, seed=1)
    under, ok = forecast_rows(cohort, {p: SHARE * d for p, d in stopped.items()}, stopped, folds)
    after, also = forecast_rows(cohort, stopped, last, folds)
    found = {
        "interval": INTERVAL,
        "under_treatment": coverage(under),
        "after_stop": coverage(after),
        "all": coverage(pd.concat([under, after])),
        "usable_fits": [sum(ok) + sum(also), len(ok) + len(also)],
        "date": datetime.now(UTC).date().isoformat(),
        "model": tb.disease("cml").content_hash,
        "priors": tb.load_priors("cml").content_hash,
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
