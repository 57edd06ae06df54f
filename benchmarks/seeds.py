"""Fit every disease and every survival data set under many seeds; tell which fits are usable.

    python benchmarks/seeds.py [--seeds 11 12 ...] [--only NAME ...] [--once] [--write]

Every fit is `tb.fit(spec, cohort, seed=...)` at its defaults, which goes on until the fit is
usable; with `--once`, of the default length and no more. Prints one line a fit, then a table: how
many fits are usable, how many were at the first try, and the median CPU seconds of a fit, all
threads together, compiling included. With `--write` the table goes to docs/evidence/seeds.json, in
which fits of cases that are not run stay. Needs the published files (see README, "Data"); set
TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

import twinbayes as tb
from survival_data import SHARED, SURVIVAL, Published
from twinbayes.cohort import Cohort
from twinbayes.model import ModelSpec

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "seeds.json"
SEEDS: Final = tuple(range(11, 21))

type Case = Callable[[], tuple[ModelSpec, Cohort]]


def _adapted(disease: str, adapter: str, place: str) -> Case:
    return lambda: (tb.disease(disease), tb.read_cohort(SHARED / "data" / place, adapter=adapter))


def _registry() -> tuple[ModelSpec, Cohort]:
    return tb.disease("registry"), tb.datasets.registry()


def _survival(name: str, published: Published) -> Case:
    return lambda: (published.spec(), published.cohort(name))


CASES: Final[Mapping[str, Case]] = {
    "registry": _registry,
    "aml": _adapted("aml", "amlsg", "aml_amlsg/upstream"),
    "hsct": _adapted("hsct", "ebmt4", "hsct_mstate/ebmt4.csv"),
    "hsct_illness_death": _adapted("hsct_illness_death", "ebmt3", "hsct_mstate/ebmt3.csv"),
    "pbc": _adapted("pbc", "pbc2", "joint_benchmarks"),
    "cml": _adapted("cml", "cml", "cml_bcrabl"),
    **{name: _survival(name, published) for name, published in SURVIVAL.items()},
}


def measure(name: str, seed: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Fit once from nothing, and say how it went."""
    spec, cohort = CASES[name]()
    started = time.process_time()
    fit = tb.fit(spec, cohort, seed=seed, progressbar=False, **options)
    cpu = time.process_time() - started
    summary = fit.verdict.summary
    runs = fit.manifest.get("runs", [])
    return {
        "case": name,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "once": options.get("until", "default") is None,
        "usable": fit.verdict.usable,
        "runs": max(len(runs), 1),
        "cpu_s": round(cpu, 1),
        "max_rhat": round(summary["max_rhat"], 4),
        "min_ess": round(min(summary["min_ess_bulk"], summary["min_ess_tail"])),
        "divergences": int(summary["divergences"]),
        "reasons": list(fit.verdict.reasons[:3]),
        "tried": [run.get("reasons", [])[:3] for run in runs],
    }


def identity(name: str) -> dict[str, str]:
    """Hashes of model, priors and data of a case: other ones make its figures stale."""
    spec, cohort = CASES[name]()
    return {
        "spec": spec.content_hash,
        "priors": tb.load_priors(spec.priors).distribution_hash,
        "cohort": cohort.fingerprint,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--once", action="store_true", help="one run of the default length")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    options: dict[str, Any] = {"until": None} if chosen.once else {}
    # A first fit compiles what all others find compiled.
    tb.fit(*CASES["kmsurv_alloauto"](), seed=1, progressbar=False, **options)
    rows = []
    for seed in chosen.seeds:
        for name in chosen.only:
            rows.append(measure(name, seed, options))
            print(json.dumps(rows[-1]), flush=True)
    kept = (
        json.loads(TARGET.read_text(encoding="utf-8")) if chosen.write and TARGET.exists() else {}
    )
    others = [row for row in kept.get("fits", []) if row["case"] not in chosen.only]
    known = {name: i for name, i in kept.get("identity", {}).items() if name not in chosen.only}
    rows = sorted(others + rows, key=lambda row: (list(CASES).index(row["case"]), row["seed"]))
    table = pd.DataFrame(rows)
    found = table.groupby("case", sort=False).agg(
        fits=("usable", "size"),
        usable=("usable", "sum"),
        first_try=("runs", lambda runs: int((runs == 1).sum())),
        median_cpu_s=("cpu_s", "median"),
        most_cpu_s=("cpu_s", "max"),
    )
    print(found.to_string())
    print(f"{int(table['usable'].sum())} of {len(table)} usable")
    if chosen.write:
        evidence = {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "identity": known | {name: identity(name) for name in chosen.only},
            "table": json.loads(found.reset_index().to_json(orient="records")),
            "fits": rows,
        }
        TARGET.write_text(json.dumps(evidence, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
