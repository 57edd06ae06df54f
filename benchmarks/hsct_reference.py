"""Fit the EBMT transplant cohorts as published and print what comes out as one JSON object.

    python benchmarks/hsct_reference.py [--seed N] [--write] [--only NAME]

Three fits without shrinkage of covariate effects, as in Cox models: log hazard ratios of
the illness-death model (`ebmt3`), and probabilities of the six states with and without covariates
(`ebmt4`). With `--write` the figures go to docs/evidence/hsct_reference.json, from which
tests/reference/test_hsct.py compares them with the published ones; the identities of model, priors
and data stored beside them tell that test when they are out of date. Needs the published files;
set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from twinbayes.cohort import Cohort, new_patient
from twinbayes.model.events.likelihood.courses import event_loglik
from twinbayes.names import COVARIATE, DAYS_PER_YEAR, POSTERIOR, TRANSITION

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "hsct_reference.json"
YEARS: Final = (1, 2, 5, 8)
PATIENT_A: Final = {
    "donor_recipient_gender": "no_mismatch",
    "prophylaxis": "yes",
    "transplant_years": "1995-1998",
    "age_class": "<=20",
}


def shared_folder() -> Path:
    """Return the folder of the published files."""
    return Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared"))


def cohort(adapter: str, shared: Path) -> Cohort:
    return tb.read_cohort(shared / "data" / "hsct_mstate" / f"{adapter}.csv", adapter=adapter)


def illness_death() -> tb.ModelSpec:
    return tb.disease("hsct_illness_death", windows=20, unshrunk=("clinical", "disease"))


def six_states() -> tb.ModelSpec:
    return tb.disease("hsct", unshrunk=("clinical",))


def six_states_null() -> tb.ModelSpec:
    spec = six_states()
    return replace(spec, events=replace(spec.events, covariates=(), unshrunk=()))


def identity(spec: tb.ModelSpec, cohort: Cohort) -> dict[str, Any]:
    """Return what changes whenever the figures could.

    Hashes of model, priors and data; and the log-likelihood at parameters that are all different
    from zero and from each other. How the model is sampled changes no figure.
    """
    priors, plan = tb.load_priors(spec.priors), spec.events.plan(cohort)
    shapes = (
        2 * [(len(plan.edges), max(map(len, plan.edges)) - 1)]
        + [(plan.encoding.encode(cohort).values.shape[1], len(plan.edges))]
        + [(len(spec.graph.effects), len(plan.encoding.subgroups)), (0,), (0,)]
    )
    parameters = [np.sin(np.arange(np.prod(s))).reshape(s) * 0.5 for s in shapes]
    gradients, own = [np.empty(s) for s in shapes], np.empty(cohort.n_patients)
    for rates in parameters[:2]:
        rates -= 7.0
    return {
        "spec": spec.content_hash,
        "priors": priors.distribution_hash,
        "cohort": cohort.fingerprint,
        "log_likelihood": event_loglik(
            *parameters, np.ones_like(own), *plan.data.pack(), *gradients, own
        ),
    }


def log_hazard_ratios(fit: tb.Fit) -> dict[str, Any]:
    """Posterior mean and sd of each coefficient, by transition and column."""
    beta = fit.datatree[POSTERIOR]["beta"]
    mean, sd = beta.mean(("chain", "draw")), beta.std(("chain", "draw"))
    return {
        str(t): {
            str(c): [round(float(x.sel({TRANSITION: t, COVARIATE: c})), 4) for x in (mean, sd)]
            for c in beta[COVARIATE].to_numpy()
        }
        for t in beta[TRANSITION].to_numpy()
    }


def state_probabilities(fit: tb.Fit) -> dict[str, Any]:
    """Posterior mean and sd of each state for patient A, by years since transplant."""
    patient = new_patient(fit.cohort, subgroup="all", centre="EBMT", covariates=PATIENT_A)
    days = np.array(YEARS) * DAYS_PER_YEAR
    forecast = fit.twin(patient).forecast(float(days[-1]), days, draws=True)
    draws = forecast["state_probability_draws"].isel(patient=0)
    return {
        str(year): {
            str(state): [
                round(float(draws.isel(time=k).sel(state=state).reduce(f)), 4)
                for f in (np.mean, np.std)
            ]
            for state in draws["state"].to_numpy()
        }
        for k, year in enumerate(YEARS)
    }


CASES: Final[Mapping[str, tuple[str, Callable[[], tb.ModelSpec], Callable[[tb.Fit], Any]]]] = {
    "ebmt3_log_hazard_ratios": ("ebmt3", illness_death, log_hazard_ratios),
    "ebmt4_null_state_probabilities": ("ebmt4", six_states_null, state_probabilities),
    "ebmt4_patient_a_state_probabilities": ("ebmt4", six_states, state_probabilities),
}


def measure(name: str, shared: Path, seed: int) -> dict[str, Any]:
    """Fit one case and return its figures."""
    adapter, make_spec, figures = CASES[name]
    data, started = cohort(adapter, shared), time.perf_counter()
    fit = tb.fit(make_spec(), data, seed=seed, progressbar=False)
    return {
        "seed": seed,
        "identity": identity(make_spec(), data),
        "seconds": round(time.perf_counter() - started, 1),
        "verdict": fit.verdict.banner(),
        "usable": fit.verdict.usable,
        "max_rhat": round(fit.verdict.summary["max_rhat"], 4),
        "min_ess": round(min(fit.verdict.summary[f"min_ess_{k}"] for k in ("bulk", "tail"))),
        "mean_and_sd": figures(fit),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.relative_to(ROOT)}")
    parser.add_argument("--only", choices=CASES, help="one case; the others keep their figures")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    options = parser.parse_args()
    found = json.loads(TARGET.read_text()) if options.only and TARGET.exists() else {}
    for name in [options.only] if options.only else CASES:
        found[name] = {
            "measured": datetime.now(UTC).date().isoformat(),
            **measure(name, shared_folder(), options.seed),
        }
    text = json.dumps(found, indent=1)
    print(text)
    if options.write:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
