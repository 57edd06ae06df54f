"""Fit three markers of PBC at once, score forecasts from year 5 to 8; print one JSON object.

    python benchmarks/three_markers.py [--draws N] [--seed N] [--write] [--out FILE]

Log bilirubin (natural spline of 3 df), prothrombin time (2 df) and ascites (logistic, a line), all
by sex, move the hazard of death or transplantation by their present values; the nine coefficients
of a patient are correlated. Scores are those of the 202 patients at risk at 5 years, with weights
of the model and with weights by the censoring; errors of calibration come from pseudo-values and,
as published, from Cox regression. With `--write` they go to
docs/evidence/three_markers.json, from which tests/reference/test_landmark.py compares them with the
published ones. Needs the published files; set TWINBAYES_SHARED to where they are.
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
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from statsmodels.duration.hazard_regression import PHReg

import twinbayes as tb
from joint_pbc import pbc_folder
from twinbayes.checks import Landmark, landmark_accuracy
from twinbayes.checks.calibration.cloglog import spline
from twinbayes.diseases.pbc import BILIRUBIN, DRUG, SEX
from twinbayes.model import Binary, ModelSpec, NaturalSpline, Term, Trajectory
from twinbayes.names import DAYS_PER_YEAR

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "three_markers.json"
LANDMARK, WINDOW = 5 * DAYS_PER_YEAR, 3 * DAYS_PER_YEAR
BOUNDARY: Final = (0.0, 14.1057935)


def three_markers() -> ModelSpec:
    """The model of the published analysis."""
    spline = NaturalSpline(df=3, knots=(0.9911291, 3.9836820), boundary=BOUNDARY)
    slower = NaturalSpline(df=2, knots=(2.0534443,), boundary=BOUNDARY)
    return tb.disease(
        "pbc",
        endpoint="death or transplantation",
        covariates=(DRUG, Term(name="age_years", group="clinical")),
        curve_covariates=(SEX,),
        markers=(
            replace(BILIRUBIN, basis=spline),
            Trajectory(marker="prothrombin_time", basis=slower),
            Trajectory(marker="ascites", family=Binary()),
        ),
    )


def cox_calibration(fit: tb.Fit) -> dict[str, float]:
    """ICI, E50 and E90 as the publication has them: Cox regression on a spline of predictions.

    Source: Austin, Harrell & van Klaveren (2020), Statistics in Medicine 39, 2714-2742.
    """
    landmark = Landmark.of(fit, LANDMARK, [WINDOW])
    p = landmark.forecast(fit, landmark.patients)[:, 1]  # at the end of the window
    ends = landmark.process.follow_up()
    days, died = ends.exit - LANDMARK, ~ends.censored & (ends.exit - LANDMARK <= WINDOW)
    x = np.log(-np.log1p(-p))
    design = spline(x, np.quantile(x, [0.0, 1 / 3, 2 / 3, 1.0]))[:, 1:]
    design = (design - design.mean(axis=0)) / design.std(axis=0)
    order = np.argsort(np.minimum(days, WINDOW), kind="stable")
    design, died, p = design[order], died[order], p[order]
    model = PHReg(np.minimum(days, WINDOW)[order], design, status=died.astype(int), ties="efron")
    ratio = np.exp(design @ model.fit().params)
    at_risk = np.cumsum(ratio[::-1])[::-1]
    observed = -np.expm1(-ratio * np.sum(died / at_risk))
    gap = np.abs(observed - p)
    return {
        "ici": float(gap.mean()),
        "e50": float(np.median(gap)),
        "e90": float(np.quantile(gap, 0.9)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--out", type=Path, help="where to leave the fit")
    options = parser.parse_args()
    spec, cohort = three_markers(), tb.read_cohort(pbc_folder(), adapter="pbc2")
    started = time.process_time()
    fit = tb.fit(
        spec,
        cohort,
        draws=options.draws,
        until="usable",
        seed=options.seed,
        progressbar=False,
    )
    cpu = time.process_time() - started
    if options.out is not None:
        fit.save(options.out)
    scores = {
        weights: landmark_accuracy(fit, LANDMARK, [WINDOW], weights=weights).table
        for weights in ("model", "ipcw")
    }
    summary = fit.verdict.summary
    association = fit.datatree["posterior"]["association"].mean(("chain", "draw")).to_series()
    found = {
        "seed": options.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "model": spec.content_hash,
        "priors": fit.priors.distribution_hash,
        "data": cohort.fingerprint,
        "usable": fit.verdict.usable,
        "verdict": fit.verdict.banner(),
        "max_rhat": round(summary["max_rhat"], 4),
        "min_ess": round(summary["min_ess_bulk"], 1),
        "divergences": int(summary["divergences"]),
        "cpu_s": round(cpu, 1),
        "n_at_risk": int(scores["model"]["n"].iloc[0]),
        "association": {k: round(float(v), 3) for k, v in association.items()},
        "scores": {
            weights: {s: round(float(v), 5) for s, v in zip(t["score"], t["value"], strict=True)}
            for weights, t in scores.items()
        }
        | {"cox": {name: round(v, 5) for name, v in cox_calibration(fit).items()}},
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
