"""Simulation-based calibration of event models: late entry, and a frailty; print one JSON object.

    python benchmarks/event_calibration.py [--only NAME ...] [--sets N] [--seed N] [--write]

Rates, and what a frailty adds to them, are drawn from the priors, patients from the rates, and the
model is fitted to them; true values are ranked among the posterior draws. `late entry`: patients of
an illness-death model come under observation on a day of their own, if they live to see it, half of
the late ones with the record from before, the others with the state that they are in. `frailty`:
infections recur, and a frailty moves them and death. A flaw is planted in each, and has to be
found: entries are taken for the origin; the frailty is left out. The seed is drawn unless one is
given.
`--write` keeps the figures in docs/evidence/event_calibration.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYTENSOR_FLAGS", "traceback__limit=0")

import numpy as np
import pandas as pd
import xarray as xr

import twinbayes as tb
from twinbayes.checks.calibration.simulation_based import rank, simulation_based_calibration, thin
from twinbayes.inference.densities.prior_draws import sample_priors
from twinbayes.model import ModelSpec
from twinbayes.names import CHAIN, DRAW, POSTERIOR

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "event_calibration.json"
PATIENTS: Final = 80
CLOSE: Final = 1500.0
RUN: Final = {"draws": 297, "tune": 400, "chains": 1, "progressbar": False, "until": None}
KEPT: Final = 99
LOGLIK: Final = "log-likelihood"
ILLNESS: Final = """
schema: twinbayes/disease/v1
name: late
title: Late entry
priors:
  extends: recurrent
  entries:
    baseline_level:
      distribution: Normal
      arguments: {mu: -6.5, sigma: 0.6}
      rationale: Rates at which most of what can happen happens within the study.
states: [well, ill, dead]
baseline: {kind: piecewise-constant, windows: 1}
transitions:
  - {source: well, target: ill, event: progression}
  - {source: well, target: dead, event: death}
  - {source: ill, target: dead, event: death}
"""
RECURRENT: Final = (
    ILLNESS.replace("name: late", "name: frail")
    .replace("states: [well, ill, dead]", "states: [well, dead]")
    .replace("target: ill, event: progression", "target: well, event: infection")
    .replace("  - {source: ill, target: dead, event: death}\n", "")
    + "frailty: [well->well, well->dead]\n"
)

type Rows = list[tuple[str, float, str]]


def spec_of(text: str) -> ModelSpec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "disease.yaml"
        path.write_text(text, encoding="utf-8")
        return tb.disease(path)


def cohort_of(patients: list[dict[str, Any]], rows: Rows) -> tb.Cohort:
    tables = {
        "patients": pd.DataFrame(patients),
        "events": pd.DataFrame(rows, columns=["patient_id", "day", "event"]),
        "variables": pd.DataFrame(columns=["name", "table", "role", "group"]),
    }
    return tb.cohort_from_tables("calibration", tables, simulated=True)


def late_entry(rate: dict[str, float], rng: np.random.Generator, flaw: bool) -> tb.Cohort:
    patients, rows = [], []
    while len(patients) < PATIENTS:
        who = f"p{len(patients):02d}"
        entry = round(float(rng.uniform(0.0, 700.0)), 3) if rng.random() < 0.6 else 0.0
        ill = rng.exponential(1.0 / rate["well->ill"])
        death = rng.exponential(1.0 / rate["well->dead"])
        if ill < death:
            death = ill + rng.exponential(1.0 / rate["ill->dead"])
        ill, death = round(ill, 3), round(death, 3)
        end = round(max(entry + 1.0, float(rng.uniform(300.0, CLOSE))), 3)
        if death <= entry:
            continue  # nobody comes after death
        told = entry == 0.0 or rng.random() < 0.5
        is_ill = ill <= entry
        state = None if told else ("ill" if is_ill else "well")
        one = {"patient_id": who, "subgroup": "a", "centre": "c"}
        patients.append(one | ({} if flaw else {"entry_day": entry, "entry_state": state}))
        if ill < min(death, end) and (told or flaw or not is_ill):
            rows.append((who, ill, "progression"))
        rows.append((who, min(death, end), "death" if death < end else "last_contact"))
    return cohort_of(patients, rows)


def frailty(rate: dict[str, float], rng: np.random.Generator, flaw: bool) -> tb.Cohort:
    patients, rows = [], []
    for k in range(PATIENTS):
        who, b = f"p{k:02d}", rng.normal()
        own = {e: rate[e] * np.exp(rate[f"frailty {e}"] * b) for e in ("well->well", "well->dead")}
        death = max(1.0, round(rng.exponential(1.0 / own["well->dead"]), 3))
        close = round(float(rng.uniform(300.0, CLOSE)), 3)
        end = min(close, death)
        count = min(rng.poisson(own["well->well"] * end), 400)
        days = np.unique(np.round(rng.uniform(0.001, end - 0.001, count), 3))
        rows += [(who, float(day), "infection") for day in days if 0.0 < day < end]
        rows.append((who, end, "death" if death <= close else "last_contact"))
        patients.append({"patient_id": who, "subgroup": "a", "centre": "c"})
    return cohort_of(patients, rows)


def scalars(values: xr.Dataset) -> dict[str, xr.DataArray]:
    """Every number that was drawn: log rates, and what the frailty adds."""
    base = values["log_baseline"].isel(window=0)
    found = {str(t): base.sel(transition=t) for t in base["transition"].to_numpy()}
    if "frailty_effect" in values:
        effect = values["frailty_effect"]
        found |= {f"frailty {t}": effect.sel(transition=t) for t in effect["transition"].to_numpy()}
    return found


def one_set(
    spec: ModelSpec, truth: dict[str, float], cohort: tb.Cohort, seed: int, rng: np.random.Generator
) -> dict[str, int]:
    fit = tb.fit(spec, cohort, seed=seed, **RUN)
    drawn = scalars(fit.datatree[POSTERIOR].to_dataset())
    ranks = {}
    for name, values in drawn.items():
        kept = thin(values.transpose(CHAIN, DRAW).to_numpy(), KEPT)
        ranks[name] = int(rank(np.float64(truth[name]), kept, rng))
    at_truth = fit.datatree[POSTERIOR].to_dataset().isel({CHAIN: [0], DRAW: [0]}).copy(deep=True)
    for name in spec.graph.labels:
        at_truth["log_baseline"].loc[{"transition": name}] = truth[name]
        if "frailty_effect" in at_truth:
            at_truth["frailty_effect"].loc[{"transition": name}] = truth[f"frailty {name}"]
    from twinbayes.inference.densities.likelihood import patient_loglik

    def total(posterior: xr.Dataset) -> np.ndarray:
        each = patient_loglik(posterior, fit.plan.events, cohort.patient_ids)
        return each.sum("patient").transpose(CHAIN, DRAW).to_numpy()

    kept = thin(total(fit.datatree[POSTERIOR].to_dataset()), KEPT)
    ranks[LOGLIK] = int(rank(total(at_truth).ravel()[0], kept, rng))
    return ranks


CONFIGURATIONS: Final[dict[str, tuple[str, Callable[..., tb.Cohort], str]]] = {
    "late entry": (ILLNESS, late_entry, "entries taken for the origin"),
    "frailty": (RECURRENT, frailty, "frailty left out"),
}


def calibration(name: str, n: int, seed: int, *, flaw: bool) -> dict[str, Any]:
    text, simulate, _ = CONFIGURATIONS[name]
    spec, rng = spec_of(text), np.random.default_rng([seed, len(name), flaw])
    zeros = dict.fromkeys(spec.graph.labels, 0.002)
    template = simulate(zeros | {f"frailty {k}": 0.0 for k in zeros}, rng, flaw=False)
    prior = scalars(sample_priors(spec, template, draws=n, seed=seed))
    fitted = spec
    if flaw and name == "frailty":
        fitted = replace(spec, events=replace(spec.events, frailty=()))
    ranks: dict[str, list[int]] = {}
    for k in range(n):
        truth = {key: float(v.to_numpy().ravel()[k]) for key, v in prior.items()}
        rate = {
            key: value if key.startswith("frailty") else float(np.exp(value))
            for key, value in truth.items()
        }
        cohort = simulate(rate, rng, flaw=flaw and name == "late entry")
        for key, value in one_set(fitted, truth, cohort, seed + k, rng).items():
            ranks.setdefault(key, []).append(value)
    found = {key: np.array(values) for key, values in ranks.items() if len(set(values)) > 1}
    check = simulation_based_calibration(found, KEPT + 1)
    return {
        "sets": n,
        "model": spec.content_hash,
        "passes": check.verdict == "pass",
        "text": check.text,
        "mean_rank": {key: round(float(v.mean() / KEPT), 3) for key, v in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(CONFIGURATIONS))
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    seed = int(np.random.default_rng().integers(2**30)) if args.seed is None else args.seed
    found: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "seed": seed}
    for name in args.only or CONFIGURATIONS:
        found[name] = calibration(name, args.sets, seed, flaw=False)
        found[name]["flaw"] = CONFIGURATIONS[name][2]
        found[name]["with_the_flaw"] = calibration(name, args.sets // 2, seed, flaw=True)
    print(json.dumps(found, indent=1))
    if args.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
