"""Stack models, simulated and of the published AMLSG cohort, and print one JSON object.

    python benchmarks/stacking.py simulated [--sets 60] [--patients 240] [--write]
    python benchmarks/stacking.py amlsg [--write]

`simulated`: data sets whose truth is one of the members, and data sets whose truth is a mixture of
two of them. How often is a gain claimed, how often is the claim false, and how often does the
interval hold the gain that 20,000 other patients show? `amlsg`: eight members, each trial left out
in turn, then folds of patients; is the stack as good as the best of its members? Seeds are drawn
unless they are given. With `--write` a part goes into docs/evidence/stacking.json, and the other
part stays.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from aml_fit import amlsg_folder
from twinbayes.model import ModelSpec, Term
from twinbayes.names import CENTRE, DAY, DAYS_PER_YEAR, EVENT, LAST_CONTACT, PATIENT_ID, SUBGROUP
from twinbayes.stacking import SpecMember, Stack, SubgroupCurves, SurvivalMember

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "stacking.json"
HORIZONS: Final = (365.0, 730.0)
OTHERS: Final = 20_000  # patients who show the true gain


@dataclass(frozen=True)
class Hazard:
    """A survival model that is known: a constant hazard that covariates multiply."""

    rate: float
    slope: tuple[float, float]

    def predict_survival(self, patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
        """Survival, (patient, day)."""
        x = patients[["x1", "x2"]].to_numpy(dtype=float)
        hazard = self.rate * np.exp(x @ np.asarray(self.slope))
        return np.exp(-np.outer(hazard, days))


#: The first one is the truth where there is one; the last two make the mixture.
MODELS: Final = {
    "both": Hazard(1 / 900, (0.8, 0.6)),
    "neither": Hazard(1 / 800, (0.0, 0.0)),
    "first": Hazard(1 / 500, (1.2, 0.0)),
    "second": Hazard(1 / 1100, (0.0, 1.2)),
}


def covariates(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame({"x1": rng.standard_normal(n), "x2": rng.standard_normal(n)})


def survival_of(x: pd.DataFrame, days: np.ndarray, mixed: bool) -> np.ndarray:
    """The true survival, (patient, day)."""
    if not mixed:
        return MODELS["both"].predict_survival(x, days)
    parts = [MODELS[name].predict_survival(x, days) for name in ("first", "second")]
    return 0.5 * parts[0] + 0.5 * parts[1]


def simulated_cohort(n: int, mixed: bool, rng: np.random.Generator) -> tb.Cohort:
    x = covariates(n, rng)
    grid = np.linspace(0.0, 6000.0, 6001)
    curve = survival_of(x, grid, mixed)
    u = rng.uniform(size=n)
    died = np.array([np.interp(-v, -s, grid) for v, s in zip(u, curve, strict=True)])
    lost = np.minimum(rng.exponential(1500.0, n), 2000.0)
    ids = [f"S{k:05d}" for k in range(n)]
    patients = x.assign(
        **{
            PATIENT_ID: ids,
            SUBGROUP: rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
            CENTRE: rng.choice(["north", "south", "east", "west"], n),
        }
    )
    events = pd.DataFrame(
        {
            PATIENT_ID: ids,
            DAY: np.maximum(np.minimum(died, lost), 0.5),
            EVENT: np.where(died <= lost, "death", LAST_CONTACT),
        }
    )
    variables = pd.DataFrame(
        [(name, "patients", "covariate", "clinical", "1") for name in ("x1", "x2")],
        columns=["name", "table", "role", "group", "unit"],
    )
    tables = {"patients": patients, "events": events, "variables": variables}
    return tb.cohort_from_tables("simulated", tables, simulated=True, source={"title": "Simulated"})


def true_gain(found: Stack, mixed: bool, rng: np.random.Generator) -> float:
    """Mean log score of the mixture minus that of the best member alone, of other patients.

    Their outcomes are not drawn: the mean over them is that of their true probabilities.
    """
    x = covariates(OTHERS, rng)
    days = np.asarray(HORIZONS)
    truth = survival_of(x, days, mixed)
    alone = np.stack([MODELS[name].predict_survival(x, days) for name in found.weights.columns])
    group = rng.choice(["a", "b", "c"], OTHERS, p=[0.6, 0.3, 0.1])
    weights = found.weights.loc[group].to_numpy()
    stacked = np.einsum("nm,mnd->nd", weights, alone)
    best = alone[list(found.weights.columns).index(found.gain.best)]

    def score(p: np.ndarray) -> float:
        p = np.clip(p, 1e-4, 1 - 1e-4)
        return float(np.mean(truth * np.log(p) + (1 - truth) * np.log(1 - p)))

    return score(stacked) - score(best)


def simulated(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    members = [SurvivalMember(name, fixed=model) for name, model in MODELS.items()]
    for name, mixed in (("truth is a member", False), ("truth is a mixture", True)):
        rows = []
        for k in range(options.sets):
            rng = np.random.default_rng([options.seed, int(mixed), k])
            cohort = simulated_cohort(options.patients, mixed, rng)
            one = tb.stack(
                members, cohort, horizons=HORIZONS, folds=10, seed=int(rng.integers(2**31))
            )
            truth = true_gain(one, mixed, rng)
            scores = one.table.set_index("member")["score"]
            rows.append(
                {
                    "claimed": one.gain.claimed,
                    "false": one.gain.claimed and truth <= 0.0,
                    "below_a_member": one.gain.claimed
                    and bool((scores["stack"] < scores.drop("stack")).any()),
                    "value": one.gain.value,
                    "true": truth,
                    "covered": one.gain.lower <= truth <= one.gain.upper,
                    "above": truth > one.gain.upper,
                    "best": one.gain.best,
                    "own_weights": bool(np.isfinite(one.amount)),
                }
            )
        table = pd.DataFrame(rows)
        found[name] = {
            "sets": len(table),
            "patients": options.patients,
            "claimed": float(table["claimed"].mean()),
            "false_claims": float(table["false"].mean()),
            "claimed_below_a_member": float(table["below_a_member"].mean()),
            "covered": float(table["covered"].mean()),
            "truth_above_interval": float(table["above"].mean()),
            "truth_below_interval": float((~table["covered"] & ~table["above"]).mean()),
            "mean_gain": float(table["value"].mean()),
            "mean_true_gain": float(table["true"].mean()),
            "best": table["best"].value_counts().to_dict(),
            "own_weights": float(table["own_weights"].mean()),
        }
    return found


def aml_members() -> list[Any]:
    """Eight members: five models of the package, two references, one of another kind."""

    def spec(*terms: Term) -> ModelSpec:
        found = tb.disease("survival", covariates=terms)
        return found.ignoring("complete_remission", "relapse")

    age = Term(name="age_years", group="clinical", transform="spline")
    blood = (
        Term(name="wbc_g_l", group="clinical", transform="log"),
        Term(name="ldh_u_l", group="clinical", transform="log"),
        Term(name="platelets_g_l", group="clinical", transform="log"),
    )
    state = (
        Term(name="ecog", group="clinical"),
        Term(name="sex", group="clinical", transform="category"),
    )
    genes = tuple(
        Term(name=name, group="gene")
        for name in ("ASXL1", "RUNX1", "DNMT3A", "FLT3_ITD", "NRAS", "WT1")
    )
    return [
        SpecMember("subgroup", spec()),
        SpecMember("age", spec(age)),
        SpecMember("blood", spec(*blood)),
        SpecMember("clinical", spec(age, *state, *blood)),
        SpecMember("genes", spec(age, *genes)),
        SubgroupCurves("curves by subgroup"),
        SubgroupCurves("curve of all", by_subgroup=False),
        SurvivalMember("exponential by age", fit=exponential_by_age),
    ]


@dataclass(frozen=True)
class ByAge:
    """Constant hazards by band of age."""

    rates: np.ndarray

    def predict_survival(self, patients: pd.DataFrame, days: np.ndarray) -> np.ndarray:
        """Survival, (patient, day)."""
        return np.exp(-np.outer(self.rates[age_band(patients)], days))


def age_band(patients: pd.DataFrame) -> np.ndarray:
    return np.digitize(patients["age_years"].to_numpy(dtype=float), (35.0, 45.0, 55.0))


def exponential_by_age(table: pd.DataFrame) -> ByAge:
    band = age_band(table)
    at_risk = np.bincount(band, table["time"] - table["entry"], minlength=4)
    deaths = np.bincount(band, table["dead"].astype(float), minlength=4)
    return ByAge((deaths + 0.5) / (at_risk + 365.0))


def amlsg(options: argparse.Namespace) -> dict[str, Any]:
    started = time.process_time()
    cohort = tb.read_cohort(amlsg_folder(), adapter="amlsg")
    horizons = [y * DAYS_PER_YEAR for y in (1.0, 2.0, 3.0)]
    spec = tb.disease("survival")
    found: dict[str, Any] = {
        "patients": cohort.n_patients,
        "model": spec.content_hash,
        "priors": tb.load_priors(spec.priors).distribution_hash,
    }
    for name, folds in (("trials", "trial"), ("folds", options.folds)):
        begun = time.process_time()
        one = tb.stack(
            aml_members(), cohort, horizons=horizons, folds=folds, strata="trial",
            seed=options.seed, progress=lambda told: print(told, file=sys.stderr, flush=True),
        )  # fmt: skip
        gain = one.gain
        found[name] = {
            "text": one.text,
            "members": len(one.members),
            "gain": str(gain),
            "best": gain.best,
            "difference": gain.value,
            "standard_error": gain.standard_error,
            "lower": gain.lower,
            "upper": gain.upper,
            "clusters": gain.clusters,
            "amount": one.amount if np.isfinite(one.amount) else None,
            "table": one.table.drop(columns="usable").replace({np.nan: None}).to_dict("records"),
            "usable": bool(one.table["usable"].all()),
            "cpu_seconds": round(time.process_time() - begun, 1),
        }
    return found | {"cpu_seconds": round(time.process_time() - started, 1)}


PARTS: Final[dict[str, Callable[[argparse.Namespace], dict[str, Any]]]] = {
    "simulated": simulated,
    "amlsg": amlsg,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=tuple(PARTS))
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--patients", type=int, default=240)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    found = PARTS[options.what](options)
    found |= {"seed": options.seed, "date": datetime.now(UTC).date().isoformat()}
    if options.write:
        stored = json.loads(TARGET.read_text()) if TARGET.exists() else {}
        TARGET.write_text(json.dumps({**stored, options.what: found}, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
