"""Move fits to new centres whose truth is known, and to trials; print one JSON object.

    python benchmarks/transport.py simulated [--networks 10] [--centres 12] [--seed S] [--write]
    python benchmarks/transport.py trials [--draws 1000] [--trial NAME] [--seed S] [--write]

`simulated`: networks of eight centres are drawn from the truth of the simulated registry with flat
hazards, each centre with levels of its own whose spread is drawn from its prior, and fitted. New
centres are drawn from the prior that transport has of them: four in five hazards differ like those
of known ones, the others by far more. Each has from 15 to 120 patients, some of whom are entered
late. Counted is how often 90 % intervals of the level, and of the cumulative hazard to one year,
hold the truth, and how many moves are usable.

`trials`: the AML model is fitted to two of the three AMLSG trials and moved to the third with its
first 50, 100 and 200 patients, and held against the rest, as are the fit as it is and one of the
new patients alone. It takes the published files (TWINBAYES_SHARED), and hours.

The seed is drawn unless it is given, and is part of what is printed. With `--write` it is kept in
docs/evidence/transport.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import sys
import time
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from twinbayes.datasets.simulated.numbers import registry_truth
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.datasets.simulated.truth import RegistryTruth
from twinbayes.diseases.leukaemia import acute_leukaemia
from twinbayes.inference import Fit, SharedFit
from twinbayes.model import EventProcess, ModelSpec, PiecewiseConstant, Term
from twinbayes.monitoring import TransportPrior, observed_expected
from twinbayes.monitoring.transport.learning import as_is, future_score
from twinbayes.monitoring.transport.tally import Exposure, one_cell
from twinbayes.names import (
    CHAIN,
    DAYS_PER_YEAR,
    DRAW,
    ENTRY_DAY,
    LOG_BASELINE,
    PATIENT_ID,
    PATIENTS,
    POSTERIOR,
    TRANSPORT_LEVEL,
)  # fmt: skip

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "transport.json"
CENTRES: Final = 8
PATIENTS_EACH: Final = 50
SPREAD: Final = 0.2  # of the half-normal prior of spreads between centres, of the registry
PRIOR: Final = TransportPrior()
FIRST: Final = (50, 100, 200)


def simple_truth() -> RegistryTruth:
    """The truth of the registry, but of flat hazards and effects of the model alone."""
    truth = registry_truth()
    beta = truth.beta.copy()
    beta.loc[[x for x in beta.index if x != "age_years"]] = 0.0
    flat = tuple(
        replace(x, log_hazard=tuple(np.full(len(x.log_hazard), np.mean(x.log_hazard))))
        for x in truth.intensities
    )
    return replace(truth, beta=beta, centre_effect=truth.centre_effect * 0.0, intensities=flat)


def spec() -> ModelSpec:
    """The model that is true of it."""
    graph = acute_leukaemia("exchangeable", PiecewiseConstant(windows=5))
    age = Term(name="age_years", group="clinical")
    return ModelSpec(
        name="registry",
        title="Simulated networks",
        priors="registry",
        events=EventProcess(graph=graph, covariates=(age,)),
    )


def of_centre(truth: RegistryTruth, name: str, levels: np.ndarray, n: int, seed: int) -> tb.Cohort:
    """Patients of one centre whose log hazards are higher by `levels`."""
    moved = tuple(
        replace(x, log_hazard=tuple(np.add(x.log_hazard, level)))
        for x, level in zip(truth.intensities, levels, strict=True)
    )
    cohort, _ = simulate_registry(
        seed=seed, n_patients=max(n, 40), truth=replace(truth, intensities=moved),
        complete=True, visits=False,
    )  # fmt: skip
    cohort = cohort.select(list(cohort.patient_ids[:n]))
    tables = {k: v.copy() for k, v in cohort.tables.items()}
    for table in tables.values():
        if PATIENT_ID in table:
            table[PATIENT_ID] = name + table[PATIENT_ID]
    tables[PATIENTS]["centre"] = name
    return tb.cohort_from_tables(name, tables, simulated=True, source={"note": "simulated"})


def entered_late(cohort: tb.Cohort, rng: np.random.Generator) -> tb.Cohort:
    """A third of the patients would come under observation later; who then has had an event, never.

    Whom nothing has happened to by then is seen from that day on.
    """
    first = cohort.events.groupby(PATIENT_ID)["day"].min()
    started = cohort.tables["treatments"].groupby(PATIENT_ID)["start_day"].min()
    days = rng.integers(1, 40, cohort.n_patients).astype(float)
    ids = cohort.patients[PATIENT_ID]
    late = rng.random(len(ids)) < 1.0 / 3.0
    free = (ids.map(first) > days) & ~(ids.map(started) <= days)
    tables = {k: v.copy() for k, v in cohort.tables.items()}
    tables[PATIENTS][ENTRY_DAY] = np.where(late, days, 0.0)
    seen = set(ids[free | ~late])
    for name, table in tables.items():
        if PATIENT_ID in table:
            tables[name] = table[table[PATIENT_ID].isin(seen)].reset_index(drop=True)
    return tb.cohort_from_tables(
        cohort.name, tables, simulated=True, source={"note": "simulated, some entered late"}
    )


def together(cohorts: list[tb.Cohort]) -> tb.Cohort:
    """Centres as one network."""
    tables = {
        name: pd.concat([c.tables[name] for c in cohorts], ignore_index=True)
        for name in cohorts[0].tables
        if name != "variables"
    }
    tables["variables"] = cohorts[0].variables
    return tb.cohort_from_tables("network", tables, simulated=True, source={"note": "simulated"})


def true_hazard(truth: RegistryTruth, fit: Fit, k: int) -> float:
    """Log cumulative hazard to one year on its own clock, at the fit's mean age, in its centre."""
    of = truth.intensities[k]
    (age,) = (c for c in truth.covariates if c.label == "age_years")
    column = fit.encoding.columns[0]
    edges = np.append(of.edges, np.inf).clip(max=DAYS_PER_YEAR)
    total = np.log(np.diff(edges) @ np.exp(of.log_hazard))
    shift = truth.beta.loc["age_years", of.label] * (column.centre - age.centre) / age.scale
    return float(total + shift)


def learnt_hazard(fit: SharedFit, k: int) -> np.ndarray:
    """(draw,) the same under a fit."""
    label = fit.spec.graph.labels[k]
    posterior = fit.datatree[POSTERIOR]
    edges = fit.learnt.edges[k].clip(max=DAYS_PER_YEAR)
    rate = np.exp(posterior[LOG_BASELINE].sel(transition=label).to_numpy())
    return np.log(rate[..., : len(edges) - 1] @ np.diff(edges)).ravel()


def network(
    truth: RegistryTruth, rng: np.random.Generator, draws: int
) -> tuple[Fit, np.ndarray, np.ndarray, float]:
    """A fit of eight centres, their mean level, the spread of each hazard, and seconds."""
    n = len(truth.intensities)
    spread = np.abs(SPREAD * rng.standard_normal(n))
    levels = spread * rng.standard_normal((CENTRES, n))
    cohorts = [
        of_centre(truth, f"known_{c}_", levels[c], PATIENTS_EACH, int(rng.integers(2**31)))
        for c in range(CENTRES)
    ]
    start = time.perf_counter()
    fit = tb.fit(
        spec(), together(cohorts), draws=draws, seed=int(rng.integers(2**31)), progressbar=False
    )
    return fit, levels.mean(axis=0), spread, time.perf_counter() - start


def simulated(options: argparse.Namespace) -> dict[str, Any]:
    """Coverage of levels and hazards of new centres."""
    rng = np.random.default_rng(options.seed)
    truth, rows, fits = simple_truth(), [], []
    for number in range(options.networks):
        fit, mean, spread, seconds = network(truth, rng, options.draws)
        fits.append({"usable": fit.verdict.usable, "seconds": round(seconds, 1)})
        print(fits[-1], file=sys.stderr, flush=True)
        labels = [str(x) for x in fit.spec.graph.labels]
        order = [truth.transitions.index(x) for x in labels]
        with_eras = {e.intensity for e in fit.spec.graph.entry_eras}
        for centre in range(options.centres):
            unlike = rng.random(len(order)) >= PRIOR.agreement
            sd = np.where(unlike, PRIOR.unlike, spread[order])
            levels = sd * rng.standard_normal(len(order))
            own = np.empty(len(order))
            own[order] = levels
            size = int(np.exp(rng.uniform(np.log(15), np.log(120))))
            cohort = of_centre(truth, "new_", own, size, int(rng.integers(2**31)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", tb.errors.TransportWarning)
                moved = fit.transport(
                    entered_late(cohort, rng), prior=PRIOR, seed=int(rng.integers(2**31))
                )
            drawn = np.moveaxis(
                moved.datatree[POSTERIOR][TRANSPORT_LEVEL].transpose(CHAIN, DRAW, ...).to_numpy(),
                -1,
                0,
            ).reshape(len(labels), -1)
            for k, label in enumerate(labels):
                low, high = np.quantile(drawn[k], (0.05, 0.95))
                level = levels[k] - mean[order[k]]
                row = {"centre": f"{number}.{centre}", "transition": label, "patients": size}
                row |= {
                    "level": bool(low <= level <= high), "width": high - low,
                    "usable": moved.verdict.usable,
                    "trusted": not any("new records" in x for x in moved.verdict.reasons),
                    "ess": moved.manifest["transport"]["effective_draws"],
                }  # fmt: skip
                if label not in with_eras:
                    low, high = np.quantile(learnt_hazard(moved, k), (0.05, 0.95))
                    there = true_hazard(truth, fit, order[k]) + levels[k]
                    row["hazard"] = bool(low <= there <= high)
                rows.append(row)
    return {"fits": fits, **summary(pd.DataFrame(rows))}


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Coverage, with standard errors over networks."""

    def covered(column: str) -> dict[str, float]:
        known = rows.dropna(subset=column)
        hit = known[column].astype(float)
        by_network = hit.groupby(known["centre"].str.split(".").str[0]).mean()
        return {
            "coverage": float(hit.mean()),
            "standard_error": float(by_network.std() / np.sqrt(len(by_network))),
            "intervals": len(known),
            "by_transition": hit.groupby(known["transition"]).mean().round(3).to_dict(),
        }

    return {
        "centres": int(rows["centre"].nunique()),
        "level": covered("level"),
        "hazard_to_one_year": covered("hazard"),
        "weights_are_trusted": float(rows.groupby("centre")["trusted"].first().mean()),
        "usable": float(rows.groupby("centre")["usable"].first().mean()),
        "median_effective_draws": float(rows.groupby("centre")["ess"].first().median()),
        "median_width_of_level": float(rows["width"].median()),
    }


def score_of(fit: Fit | SharedFit, cohort: tb.Cohort) -> float:
    """Log probability of what happened to patients, mean over draws, but for a constant."""
    exposure = Exposure.of(fit, cohort)
    log = as_is(exposure.tally(*one_cell(exposure)))
    return future_score(log, np.zeros(len(log)))


def aml_of(cohort: tb.Cohort) -> ModelSpec:
    """The AML model without what does not vary in these patients."""
    spec = tb.disease("aml")
    while True:
        try:
            spec.plan(cohort)
        except tb.errors.ModelError as error:
            name = re.match(r"Covariate '([^']+)' is constant", str(error))
            if name is None:
                raise
            spec = spec.without_covariates(name[1])
        else:
            return spec


def trials(options: argparse.Namespace) -> dict[str, Any]:
    """Two AMLSG trials moved to the third."""
    from aml_fit import amlsg_folder

    cohort = tb.read_cohort(amlsg_folder(), adapter="amlsg")
    trial = cohort.patients["trial"].astype(str)
    names = [options.trial] if options.trial else sorted(trial.unique())
    rng = np.random.default_rng(options.seed)
    found: dict[str, Any] = {}
    for name in names:
        ids = np.array(cohort.patient_ids)
        known = cohort.select(ids[(trial != name).to_numpy()].tolist())
        others = ids[(trial == name).to_numpy()]
        fit = tb.fit(
            aml_of(known), known, draws=options.draws, seed=int(rng.integers(2**31)),
            progressbar=False,
        )  # fmt: skip
        found[name] = {"usable": fit.verdict.usable, "moved": {}}
        for n in FIRST:
            first, rest = (cohort.select(some.tolist()) for some in (others[:n], others[n:]))
            moved = fit.transport(first, seed=int(rng.integers(2**31)))
            fits: dict[str, Fit | SharedFit] = {"as is": fit, "moved": moved}
            if options.alone:
                fits["new alone"] = tb.fit(
                    aml_of(first), first, draws=options.draws,
                    seed=int(rng.integers(2**31)), progressbar=False,
                )  # fmt: skip
            table = observed_expected(fits, rest)
            whole = table[table["transition"] == "all"].set_index("fit")
            found[name]["moved"][str(n)] = {
                "usable": moved.verdict.usable,
                "effective_draws": moved.manifest["transport"]["effective_draws"],
                "observed_over_expected": whole["ratio"].round(3).to_dict(),
                "log_score": {k: round(score_of(f, rest), 2) for k, f in fits.items()},
                "patients_after": rest.n_patients,
            }
            print(name, n, found[name]["moved"][str(n)], file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("simulated", "trials"))
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--centres", type=int, default=12)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--trial")
    parser.add_argument("--alone", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    start = time.process_time()
    found = simulated(options) if options.what == "simulated" else trials(options)
    found |= {
        "seed": options.seed,
        "seeds": 1,
        "measured": datetime.now(UTC).date().isoformat(),
        "draws": options.draws,
        "cpu_seconds": round(time.process_time() - start, 1),
    }
    if options.write:
        stored = json.loads(TARGET.read_text()) if TARGET.exists() else {}
        stored[options.what] = found
        TARGET.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
