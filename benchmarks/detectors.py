"""Plant errors in simulated registries; print what detectors find, and say of honest ones.

    python benchmarks/detectors.py [--registries 100] [--seed 1] [--only NAME ...]
                                   [--processes 2] [--write]

Registries differ in size (60 to 600), follow-up, number of centres, and how much subgroups and
centres differ. Each is looked at as it is, with every error and, of the first half, with every
innocent relative. Prints a line a registry to standard error, and then one JSON object: for each
error how often it was found, and what else was said; for honest registries how often anything was
said; for published data all that was said. Seeds are drawn from the one that is given and are part
of the object. With `--write` it becomes docs/evidence/detectors.json, in which figures of the same
seeds and detectors that are not measured anew stay. Published data need TWINBAYES_SHARED (see
README, "Data").
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from innocent_relatives import INNOCENT
from planted_errors import ERRORS, Planted, Tables
from twinbayes.cohort import Cohort, cohort_from_tables, read_cohort
from twinbayes.cohort.contract.rules import in_patient_order
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.table import findings_of
from twinbayes.cohort.tables import CohortTables
from twinbayes.datasets.simulated.numbers import registry_truth
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.errors import CohortError

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "detectors.json"
SHARED: Final = Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared")) / "data"
SIZES: Final = (60, 90, 120, 240, 400, 600)
FOLLOW_UP: Final = (4.0, 6.0, 8.0, 12.0)  # years
SPREADS: Final = (0.0, 1.0, 2.0)  # times the effects of subgroups, and of centres
CENTRES: Final = (1, 2, 3, 5)
PUBLISHED: Final = {
    "amlsg": "aml_amlsg/upstream",
    "cml": "cml_bcrabl",
    "ebmt3": "hsct_mstate/ebmt3.csv",
    "ebmt4": "hsct_mstate/ebmt4.csv",
    "pbc2": "joint_benchmarks",
}


@cache
def _registry(seed: int, n_centres: int | None) -> tuple[dict[str, Any], Tables]:
    rng = np.random.default_rng([seed, 0])
    kind = {
        "n": int(rng.choice(SIZES)),
        "years": float(rng.choice(FOLLOW_UP)),
        "subgroups": float(rng.choice(SPREADS)),
        "centre_effects": float(rng.choice(SPREADS)),
        "centres": int(rng.choice(CENTRES if n_centres is None else (n_centres,))),
    }
    truth = registry_truth()
    truth = replace(
        truth,
        subgroup_effect=truth.subgroup_effect * kind["subgroups"],
        treatment_deviation=truth.treatment_deviation * kind["subgroups"],
        centre_effect=truth.centre_effect * kind["centre_effects"],
    )
    cohort, _ = simulate_registry(
        seed=seed, n_patients=kind["n"], truth=truth, follow_up_years=kind["years"]
    )
    tables = dict(cohort.tables)
    letters = "ABCDE"
    merged = {
        f"centre_{c}": f"centre_{letters[min(k, kind['centres'] - 1)]}"
        for k, c in enumerate(letters)
    }
    patients = tables["patients"]
    tables["patients"] = patients.assign(centre=patients["centre"].map(merged).astype("str"))
    return kind, tables


def registry(seed: int, n_centres: int | None = None) -> tuple[dict[str, Any], Tables]:
    """Simulate one registry of many kinds, and say which; its tables may be exchanged."""
    kind, tables = _registry(seed, n_centres)
    return kind, dict(tables)


def said(tables: Tables, seed: int) -> tuple[Finding, ...] | None:
    """What detectors find; None where the data contract refuses the tables.

    Checking a table against the contract takes longer than the detectors: the tables of every tenth
    seed are, and the others are put in order alone.
    """
    if seed % 10 == 0:
        try:
            return findings_of(cohort_from_tables("planted", tables, simulated=True))
        except CohortError:
            return None
    return findings_of(CohortTables(name="planted", **in_patient_order(tables)))  # type: ignore[arg-type]


def is_found(planted: Planted, finding: Finding) -> bool:
    """Whether a finding names what was planted."""
    return (
        finding.detector == planted.detector
        and planted.column in (None, finding.column)
        and planted.centre in (None, finding.centre)
        and planted.table in (None, finding.table)
    )


def code_hash() -> str:
    """SHA-256 of what the detectors do: figures measured with other code are stale.

    Comments, docstrings and layout do not count.
    """
    digest = hashlib.sha256()
    for path in sorted((ROOT / "twinbayes/cohort/quality/detectors").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_text(body[0]):
                del body[0]
        digest.update(f"{path.name}\0{ast.dump(tree)}\0".encode())
    return digest.hexdigest()


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _seeds(seed: int, n: int) -> list[int]:
    return [int(s) for s in np.random.default_rng(seed).choice(10**6, n, replace=False)]


def of_one_seed(
    seed: int, errors: Sequence[str], honest: Sequence[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every error, and every honest registry, of one seed: whether it was found, what was said."""
    out: dict[str, dict[str, dict[str, Any]]] = {"errors": {}, "honest": {}}
    for name in errors:
        kind, tables = registry(seed)
        if "centre" in name and kind["centres"] == 1:  # an error of one centre needs two
            kind, tables = registry(seed, 2 + seed % 2)
        planted = ERRORS[name](tables, np.random.default_rng([seed, 1, list(ERRORS).index(name)]))
        findings = said(tables, seed)
        out["errors"][name] = {
            "kind": {"seed": seed, **kind},
            "refused": findings is None,
            "found": any(is_found(planted, one) for one in findings or ()),
            "beside": sorted(
                {one.detector for one in findings or () if one.detector != planted.detector}
            ),
        }
    for name in honest:
        kind, tables = registry(seed)
        if name in INNOCENT:
            INNOCENT[name](tables, np.random.default_rng([seed, 2, list(INNOCENT).index(name)]))
        findings = said(tables, seed)
        assert findings is not None, name
        out["honest"][name] = {
            "kind": {"seed": seed, **kind},
            "alarms": [f"{one.detector}: {one.column}" for one in findings],
        }
    _registry.cache_clear()
    return out


def measure(
    seeds: Sequence[int], errors: Sequence[str], honest: Sequence[str], processes: int
) -> dict[str, Any]:
    """All seeds, counted: how often each error was found, how often honest ones were accused.

    Innocent relatives are looked at in the first half of the seeds.
    """
    plain = [name for name in honest if name not in INNOCENT]
    asked = [honest if k < (len(seeds) + 1) // 2 else plain for k in range(len(seeds))]
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for row in pool.map(of_one_seed, seeds, [errors] * len(seeds), asked):
            print(json.dumps(row), file=sys.stderr, flush=True)
            rows.append(row)
    found = {}
    for name in errors:
        own = [row["errors"][name] for row in rows]
        found[name] = {
            "found": sum(one["found"] for one in own),
            "of": len(own),
            "refused": sum(one["refused"] for one in own),
            "missed": [one["kind"] for one in own if not one["found"]],
            "beside": dict(Counter(what for one in own for what in one["beside"])),
        }
    accused = {}
    for name in honest:
        own = [row["honest"][name] for row in rows if name in row["honest"]]
        accused[name] = {
            "accused": sum(bool(one["alarms"]) for one in own),
            "of": len(own),
            "alarms": dict(Counter(what for one in own for what in one["alarms"])),
            "where": [one["kind"] for one in own if one["alarms"]],
        }
    return {"errors": found, "honest": accused}


def measure_published() -> dict[str, list[str]]:
    """All that is said of the cohorts of the adapters."""
    read: dict[str, Cohort] = {
        name: read_cohort(SHARED / place, adapter=name) for name, place in PUBLISHED.items()
    }
    return {name: [one.sentence for one in findings_of(c)] for name, c in read.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", nargs="+", choices=["as simulated", *ERRORS, *INNOCENT], default=[]
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    seeds = _seeds(chosen.seed, chosen.registries)
    errors = [name for name in ERRORS if not chosen.only or name in chosen.only]
    plain = ("as simulated", *INNOCENT)
    honest = [name for name in plain if not chosen.only or name in chosen.only]
    evidence = {
        "date": datetime.now(UTC).date().isoformat(),
        "detectors": code_hash(),
        "seed": chosen.seed,
        "seeds": seeds,
        **measure(seeds, errors, honest, chosen.processes),
        "published": measure_published() if SHARED.is_dir() else None,
    }
    used = (os.times().user, os.times().children_user)
    evidence["cpu_s"] = round(sum(used), 1)
    if chosen.write:
        kept = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
        if all(kept.get(k) == evidence[k] for k in ("detectors", "seed", "seeds")):
            for part in ("errors", "honest"):
                evidence[part] = {**kept[part], **evidence[part]}
            evidence["cpu_s"] = round(evidence["cpu_s"] + kept["cpu_s"], 1)
        TARGET.write_text(json.dumps(evidence, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(evidence))


if __name__ == "__main__":
    main()
