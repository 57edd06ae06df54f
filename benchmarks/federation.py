"""Compare federated posteriors with pooled ones: one JSON object a case.

    python benchmarks/federation.py [--case NAME ...] [--seed N] [--write]

Cases: `ebmt4`, 2,279 transplants in six shares drawn at random; `aml_trials`, the AMLSG cohort as
its three trials; `aml_groups`, the same as nine groups of its centres, drawn at random; `pbc`, the
joint model of bilirubin and death of 312 patients in four shares drawn at random; `registry`,
the embedded registry by its five centres, its events alone; `registry_all_told`, the same where
sites hold nothing back, however few patients are behind it. In each the sites answer questions of
the server, and the pooled fit sees all patients, under the columns and windows that were agreed on.
Minimum counts are those of the defaults but there. The seed is drawn unless one is given.

Compared over all coordinates of the likelihood but those of centres, and those that fewer patients
than the minimum stand behind, which sites hold back (`held_back`): the
largest and the median difference of means in standard deviations of the pooled posterior, and the
range of the ratio of standard deviations; `noise` is the same between two halves of the pooled
draws. `survival_3_years`: the largest difference in any patient's forecast from the origin.
Beside them what is done elsewhere, from each site's own mode and curvature there: `one_shot` joins
them (mode and curvature, fixed normal priors), `precision_weighted` averages modes coordinate by
coordinate, `largest_site` takes the site with most patients for all.
`--write` keeps the figures of these cases in docs/evidence/federation.json. All but the registry
need the published files; set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from aml_fit import amlsg_folder
from hsct_reference import cohort as ebmt
from hsct_reference import six_states
from joint_pbc import pbc_folder
from twinbayes.federation import Disclosure, Message, Study, answer, next_step
from twinbayes.federation.agreement.headcounts import Headcounts, too_few
from twinbayes.federation.agreement.labels import Labels
from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.crude import Counts, CrudeFromSites
from twinbayes.federation.joint.from_values import FromValues
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.federation.likelihood.integrated import IntegratedLikelihood, has_own_effects
from twinbayes.federation.message import unpacked
from twinbayes.federation.study import MINIMUM
from twinbayes.inference.fitting import CompiledFit
from twinbayes.inference.samplers.protocol import compile_model
from twinbayes.model.assemble import assemble_plan, assemble_population
from twinbayes.model.events.crude import Crude
from twinbayes.names import CENTRE, CENTRE_EFFECT, DAYS_PER_YEAR, PATIENT_ID, POSTERIOR

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "docs" / "evidence" / "federation.json"
POOLED_DRAWS: Final = 3000  # of each of four chains
HORIZON: Final = 3.0 * DAYS_PER_YEAR


def by_column(cohort: tb.Cohort, name: str) -> list[list[str]]:
    grouped = cohort.patients.groupby(cohort.patients[name].astype(str))[PATIENT_ID]
    return [list(ids) for _, ids in grouped]


def at_random(whole: list[list[str]], n: int, rng: np.random.Generator) -> list[list[str]]:
    """Whole parts dealt out to n sites at random, so that none is much larger than another."""
    sites: list[list[str]] = [[] for _ in range(n)]
    for k in rng.permutation(len(whole)):
        min(sites, key=len).extend(whole[k])
    return sites


def case(name: str, rng: np.random.Generator) -> tuple[tb.ModelSpec, tb.Cohort, list[list[str]]]:
    if name.startswith("registry"):
        cohort = tb.datasets.registry()
        events = replace(tb.disease("registry"), trajectories=None, associations=())
        return events, cohort, by_column(cohort, CENTRE)
    if name == "ebmt4":
        shared = Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared"))
        cohort = ebmt("ebmt4", shared)
        return six_states(), cohort, at_random([[p] for p in cohort.patient_ids], 6, rng)
    if name == "pbc":
        cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
        return tb.disease("pbc"), cohort, at_random([[p] for p in cohort.patient_ids], 4, rng)
    cohort = tb.read_cohort(amlsg_folder(), adapter="amlsg")
    if name == "aml_trials":
        return tb.disease("aml"), cohort, by_column(cohort, "trial")
    return tb.disease("aml"), cohort, at_random(by_column(cohort, CENTRE), 9, rng)


CASES: Final = ("ebmt4", "registry", "registry_all_told", "pbc", "aml_trials", "aml_groups")


def federate(study: Study, sites: dict[str, tb.Cohort]) -> tuple[Any, Message, dict[str, Any]]:
    """Ask and answer to the end; return the posterior, the last question, and what it took."""
    started = time.process_time()
    history: list[Message] = []
    keys = {
        name: Disclosure(secret=secrets.token_bytes(32), minimum=study.minimum) for name in sites
    }
    released = dict.fromkeys(sites, 0)
    with tempfile.TemporaryDirectory() as store:
        while True:
            step = next_step(study, history, Path(store))
            if step.posterior is not None:
                break
            for question in step.questions:
                reply = answer(
                    question, sites[question.receiver], disclosure=keys[question.receiver]
                )
                released[question.receiver] += len(reply.to_bytes())
                history += [question, reply]
    rounds = [q["kind"] for q in step.posterior.manifest["federation"]["rounds"]]
    return (
        step.posterior,
        history[-2],
        {
            "cpu_s": round(time.process_time() - started, 1),
            **rounds_of(rounds, has_own_effects(study.spec)),
            "rounds": len(rounds),
            "released_mb_a_site": round(max(released.values()) / 1e6, 2),
            "asked_mb_a_site": round(
                sum(len(q.to_bytes()) for q in history if q.receiver == study.sites[0]) / 1e6, 1
            ),
        },
    )


def rounds_of(kinds: list[str], by_values: bool) -> dict[str, int]:
    """Rounds in which sites tell of curvature, and in which they score the final draws."""
    scores = kinds.count("score")
    if not by_values:
        return {"expansions": kinds.count("expansion"), "scorings": scores}
    return {"expansions": scores - 1, "scorings": 1}


def held_everywhere(asked: Message, study: Study, coordinates: Coordinates) -> np.ndarray:
    """Coordinates that too few patients of all sites have."""
    heads = Headcounts(study.spec, Labels.from_dict(asked.body["labels"]))
    counted = heads.counted(unpacked(asked.body["counts"], None))
    behind = unpacked(asked.body["behind"], None)[-coordinates.size :]
    return too_few(coordinates, counted, behind, study.minimum)


def pooled(
    posterior: Any, cohort: tb.Cohort, seed: int, draws: int | None = POOLED_DRAWS
) -> tuple[tb.Fit, float]:
    """Fit all patients together under the agreed columns; usable, and as long as was asked."""
    study, started = posterior.study, time.process_time()
    plan = study.spec.plan(cohort, posterior.learnt)
    compiled = compile_model(assemble_plan(study.spec, plan, study.prior_set))
    whole = CompiledFit(study.spec, cohort, study.prior_set, plan, compiled)
    once = whole.sample(seed=seed, progressbar=False)
    cpu = time.process_time() - started
    if draws is not None and once.verdict.usable:
        return whole.sample(seed=seed + 1, draws=draws, progressbar=False), cpu
    return once, cpu


def gap(mean: np.ndarray, sd: np.ndarray, to: np.ndarray, some: np.ndarray) -> dict[str, float]:
    """Differences of means, and ratios of standard deviations, to draws."""
    centre, width = to.mean(axis=0)[some], to.std(axis=0)[some]
    away, ratio = np.abs(mean[some] - centre) / width, sd[some] / width
    return {
        "largest_difference_sd": round(float(away.max()), 3),
        "share_within_a_tenth_sd": round(float(np.mean(away <= 0.1)), 4),
        "median_difference_sd": round(float(np.median(away)), 4),
        "smallest_sd_ratio": round(float(ratio.min()), 3),
        "largest_sd_ratio": round(float(ratio.max()), 3),
        "share_of_sd_ratios_within": round(float(np.mean((ratio >= 0.95) & (ratio <= 1.05))), 4),
    }


def elsewhere(
    posterior: Any, coordinates: Coordinates, sites: dict[str, tb.Cohort], plan: Any
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means and standard deviations by other ways of joining sites."""
    if has_own_effects(posterior.study.spec):
        return elsewhere_by_values(posterior, coordinates, sites, plan)
    crude = Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(posterior.learnt.encoding.subgroups))
    modes, known = [], []
    for cohort in sites.values():
        local = EventLikelihood(posterior.study.spec, posterior.learnt, coordinates, cohort)
        point = counts.start(coordinates)
        for _ in range(12):
            found = CrudeFromSites(counts, coordinates, posterior.learnt, local.expansion(point))
            point = found.mode
        information = np.diag(found.ridge).copy()
        for own, block in zip(coordinates.members, found.expansion.information, strict=True):
            information[np.ix_(own, own)] += block
        modes.append(point)
        known.append(information)
    prior = np.diag(found.ridge)
    total = sum(known) - (len(known) - 1) * prior
    start = prior @ counts.start(coordinates)
    score = sum(h @ m for h, m in zip(known, modes, strict=True)) - (len(known) - 1) * start
    covariance = np.linalg.inv(total)
    one_by_one = np.array([1.0 / np.diag(np.linalg.inv(h)) for h in known])
    weighted = (one_by_one * np.array(modes)).sum(axis=0) / one_by_one.sum(axis=0)
    most = int(np.argmax([c.n_patients for c in sites.values()]))
    return {
        "one_shot": (covariance @ score, np.sqrt(np.diag(covariance))),
        "precision_weighted": (weighted, one_by_one.sum(axis=0) ** -0.5),
        "largest_site": (modes[most], one_by_one[most] ** -0.5),
    }


def elsewhere_by_values(
    posterior: Any, coordinates: Coordinates, sites: dict[str, tb.Cohort], plan: Any
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same of models whose likelihoods are known by their values."""
    study, learnt, crude = posterior.study, posterior.learnt, Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(learnt.encoding.subgroups))
    agreement = Agreement(study, learnt, counts)
    modes, known = [], []
    for cohort in sites.values():
        local = IntegratedLikelihood(study.spec, learnt, coordinates, cohort)
        alone = FromValues(agreement)
        first, spread = alone._start
        while not alone.approximations:
            step = alone.following()
            alone = alone.answered(step, local.totals(step.values), 0)
        function = alone.last.stand
        turn = function.directions.inverse @ first.along
        start = function.directions.inward(first.centre[None])[0]
        known.append(turn.T @ function.information @ turn)
        score = turn.T @ (function.slope - function.information @ start)
        modes.append(np.linalg.solve(known[-1] + np.diag(spread**-2.0), score))
    prior = np.diag(spread**-2.0)
    total, information = sum(known) + prior, [h + prior for h in known]
    covariance = np.linalg.inv(total)
    mean = covariance @ sum(h @ m for h, m in zip(information, modes, strict=True))

    def told(u: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spread_out = np.einsum("ci,ij,cj->c", first.along, of, first.along)
        return first.outward(u[None])[0], np.sqrt(np.maximum(spread_out, 0.0))

    each = [told(m, np.linalg.inv(h)) for m, h in zip(modes, information, strict=True)]
    weight = np.array([sd**-2.0 for _, sd in each])
    weighted = (weight * np.array([m for m, _ in each])).sum(axis=0) / weight.sum(axis=0)
    most = int(np.argmax([c.n_patients for c in sites.values()]))
    return {
        "one_shot": told(mean, covariance),
        "precision_weighted": (weighted, weight.sum(axis=0) ** -0.5),
        "largest_site": each[most],
    }


def measure(name: str, seed: int) -> dict[str, Any]:
    spec, cohort, shares = case(name, np.random.default_rng(seed))
    sites = {f"site_{k}": cohort.select(some) for k, some in enumerate(shares, 1)}
    minimum = 0 if name == "registry_all_told" else MINIMUM
    study = Study(spec, tuple(sites), seed=seed, minimum=minimum)
    posterior, asked, cost = federate(study, sites)
    fit, pooled_cpu = pooled(posterior, cohort, seed)
    plan = spec.plan(cohort, posterior.learnt)
    crude = Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(posterior.learnt.encoding.subgroups))
    model = assemble_population(spec, posterior.learnt, posterior.study.prior_set, counts)
    coordinates = Coordinates.of(spec, posterior.learnt, model)
    mine = coordinates.values(posterior.datatree[POSTERIOR].to_dataset())
    theirs = coordinates.values(fit.datatree[POSTERIOR].to_dataset())
    some = theirs.std(axis=0) > 1e-9
    if CENTRE_EFFECT in coordinates.places:
        some[coordinates.places[CENTRE_EFFECT]] = False
    held = held_everywhere(asked, posterior.study, coordinates)
    some[held] = False
    half = len(theirs) // 2
    whole = posterior.at_site(cohort)
    ours, pooled_survival = (
        f.twin(at=0).forecast(until=HORIZON, grid=2)["survival"].to_numpy() for f in (whole, fit)
    )
    return {
        "patients": cohort.n_patients,
        "sites": [c.n_patients for c in sites.values()],
        "coordinates": coordinates.size,
        "seed": seed,
        "minimum": minimum,
        "verdict": posterior.verdict.banner(),
        "pooled_verdict": fit.verdict.banner(),
        "certificate": posterior.manifest["federation"]["certificate"],
        **cost,
        "pooled_cpu_s": round(pooled_cpu, 1),
        "cpu_ratio": round(cost["cpu_s"] / pooled_cpu, 2),
        "compared": int(some.sum()),
        "held_back": len(held),
        "federated": gap(mine.mean(axis=0), mine.std(axis=0), theirs, some),
        "noise": gap(theirs[:half].mean(axis=0), theirs[:half].std(axis=0), theirs[half:], some),
        "survival_3_years": round(float(np.abs(ours - pooled_survival).max()), 4),
        **{
            way: gap(*found, theirs, some)
            for way, found in elsewhere(posterior, coordinates, sites, plan).items()
        },
        "model": spec.content_hash,
        "priors": posterior.study.prior_set.distribution_hash,
        "cohort_fingerprint": cohort.fingerprint,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, nargs="+", default=list(CASES))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    figures = json.loads(TARGET.read_text()) if options.write and TARGET.exists() else {}
    for name in options.case:
        found = {**measure(name, options.seed), "date": datetime.now(UTC).date().isoformat()}
        print(json.dumps({name: found}), flush=True)
        figures[name] = found
        if options.write:
            TARGET.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
