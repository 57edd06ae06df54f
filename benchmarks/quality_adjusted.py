"""Hold quality-adjusted time against paths drawn one by one, for three diseases.

    python benchmarks/quality_adjusted.py [--seed N] [--patients N] [--paths N] [--write]

Hazards, effects and curves are drawn anew for each patient; the seed itself is drawn unless given.
Prints one JSON object: for each disease, patient and scenario the difference from the mean of the
paths over its Monte Carlo error, and of all of them how many lie within two such errors. `--write`
keeps it as docs/evidence/quality_adjusted.json.
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from path_simulator import draw_paths, lived, turned
from turning_twins import SCORE, TRANSPLANT, TURNS, drawn_twin
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Quality, Scenario

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "quality_adjusted.json"
UNTIL = 5 * DAYS_PER_YEAR
DIAGNOSED = ((0.0, "last_contact"),)
IN_REMISSION = ((45.0, "complete_remission"), (60.0, "last_contact"))
SCENARIOS = (
    Scenario.start(TRANSPLANT, day=150, states=("remission",)),
    Scenario.none(TRANSPLANT),
)


def compared(disease: str, seed: int, scenario: Scenario, n_paths: int) -> dict[str, object]:
    """Quality-adjusted time of one patient, and that of the patient's paths."""
    record = DIAGNOSED if disease == "hsct" or seed % 2 else IN_REMISSION
    twin = drawn_twin(disease, seed, events=record)
    found = twin.quality_adjusted_time(Quality(marker=SCORE), UNTIL, scenario=scenario, draws=True)
    mine = float(found["quality_adjusted_time_draws"][0, 0])
    paths = draw_paths(twin, 0, scenario, UNTIL, 0, n_paths, np.random.default_rng([seed, 1]))
    share = np.clip(turned(twin, 0, SCORE, 0, paths) / 100.0, 0.0, 1.0)
    days = lived(twin, paths, share)
    error = float(days.std() / np.sqrt(n_paths))
    return {
        "disease": disease,
        "seed": seed,
        "scenario": scenario.label,
        "days": round(mine, 2),
        "paths_days": round(float(days.mean()), 2),
        "error": round(error, 2),
        "z": round((mine - float(days.mean())) / error, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn")
    parser.add_argument("--patients", type=int, default=5, help="of each disease")
    parser.add_argument("--paths", type=int, default=10000)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = int(np.random.default_rng().integers(2**31))
    seeds = np.random.default_rng(options.seed).integers(2**31, size=options.patients)
    rows = [
        compared(disease, int(seed), scenario, options.paths)
        for disease in TURNS
        for seed in seeds
        for scenario in ((Scenario.policy(),) if disease == "hsct" else SCENARIOS)
    ]
    z = np.array([row["z"] for row in rows], dtype=float)
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "models": {disease: tb.disease(disease).content_hash for disease in TURNS},
        "seed": options.seed,
        "paths": options.paths,
        "compared": len(rows),
        "within_two_errors": int((np.abs(z) < 2.0).sum()),
        "largest": float(np.abs(z).max()),
        "mean_z": round(float(z.mean()), 2),
        "rows": rows,
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
