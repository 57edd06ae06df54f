"""Networks of eight centres with known hazards, federated and pooled; print one JSON object.

    python benchmarks/federation_networks.py [--networks N] [--seed N] [--write] [--more]

In each network 12 to 200 patients a centre are well, fall ill and die, with a drug that is given to
the ill, three covariates, and hazards that vary between centres (standard deviation of logs 0.25).
In one centre people fall ill 4.5 times as often as the others say; one has just begun, and
nobody there has died well. Centres are the sites. The federated posterior is compared
with that of all patients together under the same columns and windows, and both with the truth, over
baselines, effects of covariates and that of the drug. The seed is drawn unless one is given.

`wrong` approximations are made of a good sum of expansions: taken elsewhere than was said (two
posterior standard deviations away in every coordinate), with half or twice the curvature, with the
largest site's answer twice or not at all. (Nothing is held back there for being small.) Each is
sampled, scored by all sites and judged. What is not refused is compared with the pooled posterior
after weighting: `accepted_and_off` counts those whose largest difference of means exceeds a quarter
of a standard deviation.
`--write` keeps the figures as docs/evidence/federation_networks.json, after each network; `--more`
goes on with those that are there, until there are as many as asked.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import twinbayes as tb
from federation import federate, held_everywhere, pooled
from simulator_code import code_hash
from twinbayes.federation import FederatedPosterior, Study
from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.compensator import Expansion
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.joint.estimation import FromExpansions, Place, Scored
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.model import EventProcess, ModelSpec, PiecewiseConstant, StateGraph, Term, Transition
from twinbayes.model.courses.graph import Effect, Treatment
from twinbayes.model.courses.intensities import TreatmentStart
from twinbayes.model.events.crude import Crude
from twinbayes.names import (
    BETA,
    CENTRE_EFFECT,
    DAYS_PER_YEAR,
    LOG_BASELINE,
    POSTERIOR,
    TREATMENT_SUBGROUP_EFFECT,
)

TARGET: Final = (
    Path(__file__).resolve().parents[1] / "docs" / "evidence" / "federation_networks.json"
)
SIZES: Final = (200, 150, 110, 80, 55, 35, 20, 12)
SHORT: Final = 7  # the centre that has just begun
DISCORDANT: Final = 3
DISCORDANCE: Final = 1.5  # log hazard of falling ill
SPREAD: Final = 0.25  # of log hazards between centres
COVERAGE: Final = 0.9
OFF: Final = 0.25  # standard deviations of the pooled posterior
ILL, DEAD_WELL, DEAD_ILL, START = "well->ill", "well->dead", "ill->dead", "ill->start:drug"
RATES: Final = {ILL: 0.35, DEAD_WELL: 0.05, DEAD_ILL: 0.5, START: 0.6}  # a year
EFFECTS: Final = {  # log hazard ratios of ten years of age, one g/dl of haemoglobin, men
    ILL: (0.2, -0.15, 0.3),
    DEAD_WELL: (0.5, 0.0, 0.2),
    DEAD_ILL: (0.3, -0.2, 0.0),
    START: (-0.2, 0.0, 0.0),
}
DRUG: Final = -0.6  # log hazard ratio on the death of the ill
MIDDLE: Final = np.array([55.0, 12.0, 0.5])
UNITS: Final = np.array([10.0, 1.0, 1.0])
COVARIATES: Final = ("age_years", "hb_g_dl", "sex=male")


def three_states() -> ModelSpec:
    """Well, ill, dead; a drug for the ill."""
    baseline = PiecewiseConstant(windows=3)
    arcs = (("well", "ill", "relapse"), ("well", "dead", "death"), ("ill", "dead", "death"))
    drug = Treatment(
        name="drug",
        starts=(TreatmentStart(source="ill", treatment="drug", baseline=baseline),),
        effects=(Effect(treatment="drug", transition=DEAD_ILL, phase="here"),),
    )
    graph = StateGraph(
        states=("well", "ill", "dead"),
        transitions=tuple(
            Transition(source=a, target=b, event=e, baseline=baseline) for a, b, e in arcs
        ),
        treatments=(drug,),
    )
    terms = (
        Term(name="age_years", group="clinical"),
        Term(name="hb_g_dl", group="clinical"),
        Term(name="sex", group="clinical", transform="category"),
    )
    events = EventProcess(graph=graph, covariates=terms)
    return ModelSpec(name="network", title="A network", priors="registry", events=events)


def network(rng: np.random.Generator) -> tuple[tb.Cohort, dict[str, float]]:
    """Draw one network; return it and the mean over centres of each log hazard's deviation."""
    shift = {label: rng.normal(0.0, SPREAD, len(SIZES)) for label in RATES}
    shift[ILL][DISCORDANT] += DISCORDANCE
    patients, events, treatments = [], [], []
    for centre, size in enumerate(SIZES):
        for k in range(size):
            name = f"c{centre}p{k:03d}"
            x = np.array([rng.normal(55.0, 12.0), rng.normal(12.0, 1.8), rng.random() < 0.5])
            patients.append(
                (name, "all", f"centre_{centre}", x[0], "male" if x[2] else "female", x[1])
            )
            hazard = {
                label: RATES[label]
                / DAYS_PER_YEAR
                * np.exp(shift[label][centre] + ((x - MIDDLE) / UNITS) @ np.array(EFFECTS[label]))
                for label in RATES
            }
            end = rng.uniform(30.0, 150.0) if centre == SHORT else rng.uniform(400.0, 2500.0)
            rows, started = path(hazard, end, rng)
            while centre == SHORT and rows[0][1] == "death":
                rows, started = path(hazard, end, rng)
            events += [(name, *row) for row in rows]
            treatments += [(name, "drug", day) for day in started]
    columns = ["patient_id", "subgroup", "centre", "age_years", "sex", "hb_g_dl"]
    variables = pd.DataFrame(
        [
            ("age_years", "patients", "covariate", "clinical", None),
            ("hb_g_dl", "patients", "covariate", "clinical", None),
            ("sex", "patients", "covariate", "clinical", "female|male"),
            ("drug", "treatments", "treatment", "treatment", None),
        ],
        columns=["name", "table", "role", "group", "levels"],
    )
    tables = {
        "patients": pd.DataFrame(patients, columns=columns),
        "events": pd.DataFrame(events, columns=["patient_id", "day", "event"]),
        "treatments": pd.DataFrame(treatments, columns=["patient_id", "treatment", "start_day"]),
        "variables": variables,
    }
    cohort = tb.cohort_from_tables("a simulated network", tables, simulated=True)
    return cohort, {label: float(own.mean()) for label, own in shift.items()}


def path(
    hazard: dict[str, float], end: float, rng: np.random.Generator
) -> tuple[list[tuple[float, str]], list[float]]:
    """Draw one course: its events, and when the drug was begun, if it was."""
    ill, dead = (rng.exponential(1.0 / hazard[label]) for label in (ILL, DEAD_WELL))
    if dead < min(ill, end):
        return [(dead, "death")], []
    if ill >= end:
        return [(end, "last_contact")], []
    begun = ill + rng.exponential(1.0 / hazard[START])
    dead = ill + rng.exponential(1.0 / hazard[DEAD_ILL])
    if dead > begun:  # from then on at another hazard
        dead = begun + rng.exponential(1.0 / (hazard[DEAD_ILL] * np.exp(DRUG)))
    last = (dead, "death") if dead < end else (end, "last_contact")
    return [(ill, "relapse"), last], [begun] if begun < last[0] else []


def truth(coordinates: Coordinates, learnt: Any, shift: dict[str, float]) -> np.ndarray:
    """(coordinate,) true values of population parameters under the columns of a model.

    Baselines are those of the average centre, whose deviations in `shift` are part of them. NaN
    where the truth is no parameter of the population.
    """
    columns = learnt.encoding.columns
    order = [COVARIATES.index(c.label) for c in columns]
    slope = np.array([np.array(EFFECTS[e]) / UNITS for e in coordinates.intensities])[:, order]
    centre, scale = (np.array([getattr(c, k) for c in columns]) for k in ("centre", "scale"))
    level = slope @ (centre - MIDDLE[order])
    level += [np.log(RATES[e] / DAYS_PER_YEAR) + shift[e] for e in coordinates.intensities]
    out = np.full(coordinates.size, np.nan)
    width = coordinates.block(LOG_BASELINE).shape[1]
    out[coordinates.places[LOG_BASELINE]] = np.repeat(level, width)
    for e, own in enumerate(coordinates.by_column(BETA)):
        out[own] = slope[e] * scale
    out[coordinates.places[TREATMENT_SUBGROUP_EFFECT]] = DRUG
    return out


def drawn(coordinates: Coordinates, tree: Any) -> np.ndarray:
    return coordinates.values(tree[POSTERIOR].to_dataset())


def gap(mine: np.ndarray, theirs: np.ndarray, some: np.ndarray) -> dict[str, float]:
    """Differences of means in standard deviations of the second draws, and ratios of these."""
    width = theirs.std(axis=0)[some]
    away = np.abs(mine.mean(axis=0) - theirs.mean(axis=0))[some] / width
    ratio = mine.std(axis=0)[some] / width
    found = away.mean(), away.max(), ratio.mean(), ratio.min(), ratio.max()
    keys = ("mean_difference_sd", "largest_difference_sd", "sd_ratio", "smallest", "largest")
    return {key: round(float(x), 4) for key, x in zip(keys, found, strict=True)}


def wrong_sums(
    each: list[Expansion], elsewhere: Expansion, empty: Expansion
) -> dict[str, Expansion]:
    """Sums of expansions that are not those of all sites there; sites in order of their size."""
    parts = [one.packed() for one in each]
    good = empty.unpacked(np.sum(parts, axis=0))
    return {
        "elsewhere": replace(elsewhere, point=good.point),
        "half_curvature": curved(good, 0.5),
        "twice_curvature": curved(good, 2.0),
        "largest_twice": empty.unpacked(np.sum([*parts, parts[0]], axis=0)),
        "largest_left_out": empty.unpacked(np.sum(parts[1:], axis=0)),
    }


def curved(of: Expansion, ratio: float) -> Expansion:
    """The same value and gradient at the point, and curvature `ratio` times as large."""
    return replace(
        of,
        slope=tuple(np.sqrt(ratio) * m for m in of.slope),
        information=tuple(ratio * m for m in of.information),
        moment=ratio * of.moment,
    )


def judged_wrong(
    posterior: FederatedPosterior, sites: dict[str, tb.Cohort], theirs: np.ndarray, some: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Sample, score and judge wrong approximations near a posterior."""
    study, learnt = posterior.study, posterior.learnt
    crude = [Crude(study.spec.plan(cohort, learnt).events) for cohort in sites.values()]
    counts = Counts(
        *(
            tuple(np.sum(x, axis=0) for x in zip(*(getattr(c, what) for c in crude), strict=True))
            for what in ("events", "days")
        ),
        len(learnt.encoding.subgroups),
    )
    estimation = FromExpansions(Agreement(study, learnt, counts))
    of = estimation.agreement.coordinates
    local = [EventLikelihood(study.spec, learnt, of, cohort) for cohort in sites.values()]
    values = drawn(of, posterior.datatree)
    place = Place(
        values.mean(axis=0), tuple(np.atleast_2d(np.cov(values[:, own].T)) for own in of.members)
    )
    away = replace(place, point=place.point + 2.0 * values.std(axis=0))
    there = [one.expansion(away.point, away.spread).packed() for one in local]
    found: dict[str, dict[str, Any]] = {}
    sums = wrong_sums(
        [one.expansion(place.point, place.spread) for one in local],
        estimation.empty(away).unpacked(np.sum(there, axis=0)),
        estimation.empty(place),
    )
    for what, expansion in sums.items():
        expanded = estimation.answered(place, expansion.packed(), len(found))
        one = replace(expanded.last, until=None)
        totals = np.sum([site.totals(one.values) for site in local], axis=0)
        scored = Scored(one.values, totals)
        judged = replace(expanded, approximations=(one,), scores=(scored,))
        result = judged.posterior([])
        found[what] = {
            "refused": not result.verdict.usable,
            "by_the_certificate": bool(judged.certificate.reasons),
            "pareto_k": round(judged.certificate.pareto_k, 2),
            "ess": round(judged.certificate.ess),
            "off_sd": gap(drawn(of, result.datatree), theirs, some)["largest_difference_sd"],
        }
    return found


def measure(seed: int) -> dict[str, Any]:
    """Federate and pool one network."""
    spec, (cohort, shift) = three_states(), network(np.random.default_rng(seed))
    named = cohort.patients["centre"].astype(str)
    sites = {
        f"centre_{k}": cohort.select(
            list(cohort.patients.loc[named == f"centre_{k}", "patient_id"])
        )
        for k in range(len(SIZES))
    }
    posterior, asked, cost = federate(Study(spec, tuple(sites), seed=seed), sites)
    fit, _ = pooled(posterior, cohort, seed, None)
    of = Agreement(posterior.study, posterior.learnt, counts_of_nobody(posterior)).coordinates
    mine, theirs = drawn(of, posterior.datatree), drawn(of, fit.datatree)
    true = truth(of, posterior.learnt, shift)
    known = ~np.isnan(true)
    some = theirs.std(axis=0) > 1e-9
    some[of.places[CENTRE_EFFECT]] = False
    some[held_everywhere(asked, posterior.study, of)] = False
    tail = 50.0 * (1.0 - COVERAGE)
    covered = {}
    for name, values in (("federated", mine), ("pooled", theirs)):
        low, high = np.percentile(values, [tail, 100.0 - tail], axis=0)
        covered[name] = int(((low <= true) & (true <= high))[known].sum())
    return {
        "seed": seed,
        "patients": cohort.n_patients,
        "parameters": int(known.sum()),
        "covered": covered,
        "verdict": posterior.verdict.banner(),
        "pooled_verdict": fit.verdict.banner(),
        "certificate": posterior.manifest["federation"]["certificate"],
        **cost,
        "agreement": gap(mine, theirs, some),
        "wrong": judged_wrong(posterior, sites, theirs, some),
    }


def counts_of_nobody(posterior: FederatedPosterior) -> Counts:
    edges = posterior.learnt.edges
    none = tuple(np.zeros(len(e) - 1) for e in edges)
    return Counts(none, tuple(n + 1.0 for n in none), len(posterior.learnt.encoding.subgroups))


def summary(networks: list[dict[str, Any]]) -> dict[str, Any]:
    """What all networks say together."""
    n = sum(one["parameters"] for one in networks)
    wrong = [(what, w) for one in networks for what, w in one["wrong"].items()]
    return {
        "networks": len(networks),
        "usable": sum(one["verdict"] == "USABLE" for one in networks),
        "coverage": {
            who: round(sum(one["covered"][who] for one in networks) / n, 4)
            for who in ("federated", "pooled")
        },
        "mean_difference_sd": round(
            float(np.mean([one["agreement"]["mean_difference_sd"] for one in networks])), 4
        ),
        "sd_ratio": round(float(np.mean([one["agreement"]["sd_ratio"] for one in networks])), 4),
        "wrong": {
            what: {
                "made": sum(w == what for w, _ in wrong),
                "refused": sum(w == what and r["refused"] for w, r in wrong),
                "accepted_and_off": sum(
                    w == what and not r["refused"] and r["off_sd"] > OFF for w, r in wrong
                ),
            }
            for what in dict.fromkeys(what for what, _ in wrong)
        },
        "refused": round(float(np.mean([r["refused"] for _, r in wrong])), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--more", action="store_true", help="go on with the file's networks")
    options = parser.parse_args()
    spec = three_states()
    of = {
        "model": spec.content_hash,
        "priors": tb.load_priors("registry").distribution_hash,
        "simulator": code_hash(Path(__file__)),
    }
    before = json.loads(TARGET.read_text(encoding="utf-8")) if options.more else {}
    if any(before.get(key) != of[key] for key in of) and options.more:
        raise SystemExit("The networks of the file are of another model, or simulated otherwise.")
    networks = before.get("each", [])
    first = before.get("first_seed", options.seed)
    for seed in range(first + len(networks), first + options.networks):
        networks.append(measure(seed))
        found = {
            "date": datetime.now(UTC).date().isoformat(),
            **of,
            "first_seed": first,
            **summary(networks),
            "each": networks,
        }
        if options.write:
            TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
