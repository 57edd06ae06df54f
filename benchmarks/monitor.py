"""Stream simulated registries past a fit that is in use; print how often, and when, it alarms.

    python benchmarks/monitor.py FIT [--streams 1000] [--drifting 200] [--patients 240] [--seed S]
                                 [--processes 10000] [--write]

FIT is a fit of the embedded registry, as of `twinbayes demo` or `twinbayes fit`. Streams are of the
truth behind it: as it is, with hazards of all events 1.2 or 1.5 times as high, and with starts of
treatments twice as frequent. A stream is looked at after each patient. Beside these, streams are
drawn under single draws of the fit, off by just what the fit may be off by: of them, at most a
share alpha may ever alarm. The seed is drawn unless it is given, and is part of the object that is
printed. With `--write` that becomes docs/evidence/monitor.json.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from twinbayes.datasets.simulated.numbers import registry_truth
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.datasets.simulated.truth import RegistryTruth
from twinbayes.inference import Fit
from twinbayes.monitoring import Counts, Watch, count_stream, log_e_value, watch
from twinbayes.monitoring.monitor import WEIGHTS
from twinbayes.names import PATIENT_ID, VARIABLES

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "monitor.json"
EVENTS: Final = 400  # of a counting process


def courses(held: Watch, counts: Counts) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By kind: (look,) log e-values and events so far, after each patient."""
    out = {}
    for kind, weight in WEIGHTS.items():
        cells = [c for c in held.cells if c.kind == kind and c.part is None and c.by != "new"]
        share = np.array([c.share for c in cells])
        e = np.empty((len(counts.observed), len(cells)))
        for k, cell in enumerate(cells):
            who = np.ones(len(counts.observed))
            if cell.by:
                who = (getattr(counts, cell.by) == cell.label).astype(float)
            columns = list(cell.transitions)
            n = np.cumsum(counts.observed[:, columns].sum(axis=1) * who)
            of = np.cumsum(counts.expected[:, :, columns].sum(axis=2) * who, axis=1)
            v = np.var(np.log(np.maximum(of, 1e-300)), axis=0)
            e[:, k] = log_e_value(n, of.mean(axis=0), v)
            if k == 0:
                events = n
        log_e = np.logaddexp.reduce(e + np.log(share), axis=1) + np.log(weight)
        out[kind] = (log_e, events)
    return out


def strangers(seed: int, patients: int, truth: RegistryTruth | None = None) -> tb.Cohort:
    """A simulated registry of people who have no identifier of the fit's patients."""
    cohort, _ = simulate_registry(seed=seed, n_patients=patients, truth=truth, visits=False)
    tables = {
        name: frame if name == VARIABLES else frame.assign(patient_id="X" + frame[PATIENT_ID])
        for name, frame in cohort.tables.items()
    }
    return tb.cohort_from_tables(
        cohort.name, tables, simulated=True, source={"note": f"simulated, seed {seed}"}
    )


def streams(
    fit: Fit, held: Watch, seeds: list[int], patients: int, hazards: float, starts: float
) -> dict[str, Any]:
    """Share of streams that ever alarm, by kind, and events until they do."""
    truth = registry_truth()
    moved = tuple(
        replace(x, log_hazard=tuple(np.add(x.log_hazard, np.log(hazards if x.target else starts))))
        for x in truth.intensities
    )
    ever: dict[str, list[bool]] = {k: [] for k in WEIGHTS}
    delay: dict[str, list[float]] = {k: [] for k in WEIGHTS}
    ratio = []
    for seed in seeds:
        cohort = strangers(seed, patients, replace(truth, intensities=moved))
        for kind, (log_e, events) in courses(held, count_stream(fit, cohort)).items():
            over = np.flatnonzero(log_e >= -np.log(held.alpha))
            ever[kind].append(bool(len(over)))
            delay[kind].append(float(events[over[0]]) if len(over) else np.inf)
            if kind == "hazards":
                ratio.append(events[-1])
    return {
        "streams": len(seeds),
        "ever_alarm": {k: float(np.mean(v)) for k, v in ever.items()},
        "median_events_to_alarm": {
            k: (m if np.isfinite(m := float(np.median(v))) else None) for k, v in delay.items()
        },
        "median_events_of_a_stream": float(np.median(ratio)),
    }


def processes(n: int, alpha: float, rng: np.random.Generator) -> dict[str, Any]:
    """Counting processes of a hazard that is known: how many alarm, and after how many events."""
    found: dict[str, Any] = {}
    for ratio, size in ((1.0, n), (1.2, n // 10), (1.5, n // 10)):
        when: list[float] = []
        for _ in range(size):
            expected = np.cumsum(rng.exponential(1.0, EVENTS)) / ratio
            log_e = log_e_value(np.arange(1.0, EVENTS + 1.0), expected, np.zeros(EVENTS))
            over = np.flatnonzero(log_e >= -np.log(alpha))
            when.append(over[0] + 1.0 if len(over) else np.inf)
        median = float(np.median(when))
        found[f"{ratio:g}"] = {
            "processes": size,
            "ever_alarm": float(np.isfinite(when).mean()),
            "median_events_to_alarm": median if np.isfinite(median) else None,
        }
    return found


def under_the_fit(
    fit: Fit, held: Watch, n: int, patients: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Streams whose events are drawn under one draw of the fit each: how many ever alarm.

    Patients and their times at risk are those of simulated registries, `n` / 100 of them; events
    of each patient and transition are Poisson in the hazard that the draw has there.
    """
    ever: dict[str, list[bool]] = {k: [] for k in WEIGHTS}
    either = []
    for seed in rng.integers(2**31, size=max(n // 100, 1)).tolist():
        cohort = strangers(seed, patients)
        counts = count_stream(fit, cohort)
        for s in rng.integers(len(counts.expected), size=min(n, 100)):
            drawn = replace(counts, observed=rng.poisson(counts.expected[s]).astype(float))
            alarms = {
                kind: bool(np.any(log_e >= -np.log(held.alpha)))
                for kind, (log_e, _) in courses(held, drawn).items()
            }
            either.append(any(alarms.values()))
            for kind, alarm in alarms.items():
                ever[kind].append(alarm)
    return {
        "streams": len(either),
        "ever_alarm": {k: float(np.mean(v)) for k, v in ever.items()},
        "any_alarm": float(np.mean(either)),
    }


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("fit", type=Path)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--drifting", type=int, default=200)
    parser.add_argument("--patients", type=int, default=240)
    parser.add_argument("--processes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    start = time.process_time()
    fit = tb.load_fit(asked.fit)
    held = watch(fit, horizons=())
    rng = np.random.default_rng(asked.seed)
    found: dict[str, Any] = {
        "measured": datetime.now(UTC).date().isoformat(),
        "seed": asked.seed,
        "model": fit.spec.content_hash,
        "usable": fit.verdict.usable,
        "alpha": held.alpha,
        "hazard_that_is_known": processes(asked.processes, held.alpha, rng),
        "drawn_under_the_fit": under_the_fit(fit, held, asked.processes, asked.patients, rng),
        "streams": {},
    }
    for name, n, hazards, starts in (
        ("as they were", asked.streams, 1.0, 1.0),
        ("hazards 1.5", asked.drifting, 1.5, 1.0),
        ("hazards 1.2", asked.drifting, 1.2, 1.0),
        ("starts 2", asked.drifting, 1.0, 2.0),
    ):
        seeds = rng.integers(2**31, size=n).tolist()
        found["streams"][name] = streams(fit, held, seeds, asked.patients, hazards, starts)
        print(name, found["streams"][name], file=sys.stderr, flush=True)
    found["cpu_seconds"] = round(time.process_time() - start, 1)
    text = json.dumps(found, indent=1)
    print(text)
    if asked.write:
        TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
