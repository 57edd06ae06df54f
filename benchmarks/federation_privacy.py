"""Measure what the messages of a federation tell of single patients; print one JSON object.

    python benchmarks/federation_privacy.py [--seeds N] [--write]

Studies of survival at four sites with made-up patients. How much is sent of how much is held, in a
whole study; what is worked out of one patient from the sums, without and with the rules; and how
well somebody who knows all of a person's record, and the population, tells whether the person was
in a study: the area under the curve of members against others, from the sums up to the first
expansion. `--write` keeps the result as docs/evidence/federation_privacy.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from federation_attacks import View
from federation_study import SITES, Told, before, cohort_of, driven, network, spec_of
from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation import Study
from twinbayes.federation.exchange.numbers import numbers_held, numbers_in
from twinbayes.federation.site import KINDS
from twinbayes.federation.study import MINIMUM
from twinbayes.model import ModelSpec, PiecewiseConstant, Term

TARGET: Final = (
    Path(__file__).resolve().parents[1] / "docs" / "evidence" / "federation_privacy.json"
)
TERMS: Final = ("age_years", "sex", "mark")
SIZES: Final = (10, 25, 100)
_NUMERIC, _BINARY = 5, 5
_REFERENCE: Final = 20_000  # people whose records an attacker knows


def told_early(
    spec: ModelSpec, tables: dict[str, pd.DataFrame], minimum: int, **levels: Any
) -> Told:
    study = Study(spec, SITES, draws=400, minimum=minimum)
    cohorts = {site: cohort_of(table, **levels) for site, table in tables.items()}
    with tempfile.TemporaryDirectory() as store:
        return driven(study, cohorts, Path(store), before("expansion", 1))


def released() -> dict[str, Any]:
    """Numbers that one site of 30 patients sends in a whole study, against those it holds."""
    cohorts = {site: cohort_of(table) for site, table in network().items()}
    study = Study(spec_of(*TERMS), SITES, draws=400, seed=3)
    with tempfile.TemporaryDirectory() as store:
        told = driven(study, cohorts, Path(store))
    rounds = [
        {"kind": kind, "numbers": numbers_in(one[0].body)}
        for kind in KINDS
        for one in told.answers(kind)
    ]
    return {
        "patients": 30,
        "held": numbers_held(cohorts["north"]),
        "sent": sum(r["numbers"] for r in rounds),
        "rounds": rounds,
    }


def one_patient(seeds: int) -> dict[str, Any]:
    """Largest errors of what is worked out of one patient, over seeds."""
    errors: dict[str, list[float]] = {k: [] for k in ("age_years", "days", "events", "centre")}
    refused = 0
    for seed in range(seeds):
        tables = network(seed=seed, carriers=0)
        tables["south"].loc[4, "mark"] = 1.0
        victim = tables["south"].loc[4]
        found = View(told_early(spec_of(*TERMS), tables, 0)).with_mark("mark")
        errors["age_years"].append(abs(found.covariates["age_years"] - victim.age_years))
        errors["days"].append(abs(found.days - victim.days))
        errors["events"].append(abs(found.events - victim.dead))
        try:
            told_early(spec_of(*TERMS), tables, MINIMUM)
        except FederationError:
            refused += 1
        tables = network(seed=seed)
        tables["west"]["mark"] = 0.0
        tables["west"].loc[3, "mark"] = 1.0
        view = View(told_early(spec_of(*TERMS), tables, MINIMUM))
        edges, days = view.learnt.edges[0], tables["west"].loc[3, "days"]
        expected = view.rates @ np.clip(np.minimum(days, edges[1:]) - edges[:-1], 0.0, None)
        errors["centre"].append(abs(view.mark_at_centre("mark", "west") - expected))
    worst = {name: float(f"{max(of):.1g}") for name, of in errors.items()}
    return {
        "seeds": seeds,
        "only_carrier_without_minimum": {k: worst[k] for k in ("age_years", "days", "events")},
        "only_carrier_refused_at_defaults": refused,
        "only_carrier_of_a_centre_at_defaults": {"expected_events": worst["centre"]},
    }


def people(n: int, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Patients of all sites, `n` each, with ten covariates of which four matter."""
    out = {}
    for site in SITES:
        x = rng.normal(size=(n, _NUMERIC))
        b = (rng.random((n, _BINARY)) < 0.4).astype(float)
        hazard = np.exp(0.4 * x[:, 0] - 0.3 * x[:, 1] + 0.5 * b[:, 0] - 0.5 * b[:, 1]) / 700.0
        death, end = rng.exponential(1.0 / hazard), rng.uniform(200.0, 2000.0, n)
        table = {
            "patient_id": [f"{site}_{k}" for k in range(n)],
            "subgroup": rng.choice(["one", "two"], n), "centre": site,
            **{f"x{k}": x[:, k] for k in range(_NUMERIC)},
            **{f"b{k}": b[:, k] for k in range(_BINARY)},
            "days": np.maximum(np.minimum(death, end).round(), 1.0), "dead": death < end,
        }  # fmt: skip
        out[site] = pd.DataFrame(table)
    return out


def model() -> ModelSpec:
    terms = [Term(name=f"x{k}", group="numeric") for k in range(_NUMERIC)]
    terms += [Term(name=f"b{k}", group="binary", transform="binary") for k in range(_BINARY)]
    windows = PiecewiseConstant(windows=4)
    return tb.disease("survival", baseline=windows, covariates=tuple(terms))


def contributions(view: View, persons: pd.DataFrame) -> dict[str, Floats]:
    """(person, number) what each person adds to the sums that are sent."""
    learnt = view.learnt
    x = np.column_stack([c.encode(persons) for c in learnt.encoding.columns])
    group = persons["subgroup"].to_numpy()[:, None] == np.array(learnt.encoding.subgroups)
    centre = persons["centre"].to_numpy()[:, None] == np.array(learnt.encoding.centres)
    edges, days = learnt.edges[0], persons["days"].to_numpy(dtype=float)[:, None]
    at_risk = np.clip(np.minimum(days, edges[1:]) - edges[:-1], 0.0, None)
    expected = at_risk * view.rates
    died = persons["dead"].to_numpy()[:, None] & (days > edges[:-1]) & (days <= edges[1:])
    # Coordinates are windows, columns, subgroups, centres; what is held back has no curvature.
    z = np.column_stack([x, group, centre])
    z = np.where(np.diag(view.expansion.information[0])[expected.shape[1] :] > 0.0, z, 0.0)
    total, left = expected.sum(axis=1), (died - expected).sum(axis=1)
    p = x.shape[1]
    pairs, rows = np.triu_indices(p), np.triu_indices(z.shape[1])
    means = np.column_stack([x, died, at_risk])
    score = np.column_stack([died - expected, left[:, None] * z])
    everything = [
        means, (x[:, :, None] * x[:, None, :])[:, pairs[0], pairs[1]], score, expected,
        (expected[:, :, None] * z[:, None, :]).reshape(len(z), -1),
        total[:, None] * (z[:, :, None] * z[:, None, :])[:, rows[0], rows[1]],
    ]  # fmt: skip
    return {"means": means, "scores": score, "everything": np.column_stack(everything)}


def _auc(members: Floats, others: Floats) -> float:
    return float((members[:, None] > others).mean() + 0.5 * (members[:, None] == others).mean())


def membership(seeds: int) -> list[dict[str, Any]]:
    """Areas under the curve, over seeds, by patients a site."""
    out = []
    for n in SIZES:
        found: dict[str, list[float]] = {}
        numbers: dict[str, int] = {}
        for seed in range(seeds):
            rng = np.random.default_rng([seed, n])
            tables = people(n, rng)
            columns = [f"{a}{k}" for a, m in (("x", _NUMERIC), ("b", _BINARY)) for k in range(m)]
            view = View(told_early(model(), tables, MINIMUM, **dict.fromkeys(columns)))
            inside = contributions(view, pd.concat(list(tables.values())))
            outside = contributions(view, pd.concat(list(people(n, rng).values())))
            known = contributions(view, pd.concat(list(people(_REFERENCE // 4, rng).values())))
            for name, own in inside.items():
                mean, like = known[name].mean(axis=0), np.cov(known[name].T)
                gap = np.linalg.pinv(like, rcond=1e-8) @ (own.sum(axis=0) - len(own) * mean)
                scores = [(f[name] - mean) @ gap for f in (inside, outside)]
                found.setdefault(name, []).append(_auc(*scores))
                numbers[name] = own.shape[1]
        out.append({
            "patients_a_site": n, "sites": len(SITES), "seeds": seeds,
            "auc": {k: round(float(np.mean(v)), 3) for k, v in found.items()},
            "auc_range": {k: [round(min(v), 3), round(max(v), 3)] for k, v in found.items()},
            "numbers": numbers,
        })  # fmt: skip
    return out


def main() -> int:
    """Measure, print, and keep where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = {
        "written": datetime.now(UTC).date().isoformat(),
        "kinds": list(KINDS),
        "minimum": MINIMUM,
        "models": [spec_of(*TERMS).content_hash, model().content_hash],
        "released": released(),
        "one_patient": one_patient(asked.seeds),
        "membership": membership(asked.seeds),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if asked.write:
        TARGET.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
