"""Sites with markers of any family, a marker less, or late entries: sums of what they tell."""

from __future__ import annotations

from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from chance import drawn_seed
from federation_study import Told, before, driven
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.federation import Study
from twinbayes.federation.joint.crude import Counts
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.federation.likelihood.integrated import IntegratedLikelihood
from twinbayes.federation.message import unpacked
from twinbayes.federation.shards import fit_in_shards
from twinbayes.federation.study import learnt_from_dict
from twinbayes.model import (
    Association,
    Binary,
    EventProcess,
    Learnt,
    MarkerFamily,
    ModelSpec,
    Normal,
    Ordinal,
    PiecewiseConstant,
    Poisson,
    StateGraph,
    Trajectories,
    Trajectory,
    Transition,
)
from twinbayes.model.assemble import assemble_population

SITES = ("north", "south", "west")
FAMILIES = {
    "yes or no": Binary(),
    "grade": Ordinal(grades=(0.0, 1.0, 2.0)),
    "count": Poisson(),
    "measured": Normal(),
}


def measured(family: MarkerFamily, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if isinstance(family, Binary):
        return (rng.random(len(eta)) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    if isinstance(family, Ordinal):
        return np.searchsorted([0.0, 1.5], eta + rng.logistic(size=len(eta))).astype(float)
    if isinstance(family, Poisson):
        return rng.poisson(np.exp(0.5 * eta)).astype(float)
    return eta + rng.normal(0.0, 0.5, len(eta))


def everybody(
    markers: dict[str, MarkerFamily],
    *,
    n: int = 30,
    seed: int | None = None,
    late: bool = False,
    lacking: str = "",
) -> Cohort:
    """Patients of three sites; those of `west` have no values of the marker `lacking`."""
    rng = np.random.default_rng(drawn_seed() if seed is None else seed)
    ids, level = np.array([f"p{k:02d}" for k in range(n)]), rng.normal(size=n)
    site = np.array(SITES)[np.arange(n) % 3]
    days = np.minimum(rng.exponential(900.0 * np.exp(-0.5 * level)), 1500.0).round() + 2.0
    patients = pd.DataFrame({
        "patient_id": ids, "subgroup": np.where(np.arange(n) % 2, "one", "two"), "centre": site,
    })  # fmt: skip
    if late:
        patients["entry_day"] = np.where(np.arange(n) % 4 == 0, np.floor(0.6 * days), 0.0)
    known = [{"name": m, "table": "visits", "role": "marker", "group": "m", "unit": "1"}
             for m in markers]  # fmt: skip
    known.append(
        {"name": "note", "table": "patients", "role": "covariate", "group": "c", "unit": "1"}
    )
    patients["note"] = rng.normal(size=n)
    events = pd.DataFrame({
        "patient_id": ids, "day": days, "event": np.where(days < 1500.0, "death", "last_contact"),
    })  # fmt: skip
    tables = {"patients": patients, "events": events, "variables": pd.DataFrame(known)}
    rows = []
    for marker, family in markers.items():
        for day in (0.0, 1.0, 200.0, 700.0):
            mine = (days >= day) & ~((site == "west") & (marker == lacking))
            values = measured(family, level[mine] + 0.3 * day / 365.0, rng)
            rows.append(pd.DataFrame({
                "patient_id": ids[mine], "day": day, "marker": marker, "value": values,
                "censored": "none",
            }))  # fmt: skip
    if rows:
        tables["visits"] = pd.concat(rows)
    return cohort_from_tables("everybody", tables)


def spec_of(markers: dict[str, MarkerFamily]) -> ModelSpec:
    baseline = PiecewiseConstant(windows=2)
    death = Transition(source="alive", target="dead", event="death", baseline=baseline)
    graph = StateGraph(states=("alive", "dead"), transitions=(death,))
    curves = tuple(Trajectory(marker=m, family=f) for m, f in markers.items())
    follow = tuple(Association(marker=m, transitions=("alive->dead",)) for m in markers)
    return ModelSpec(
        name="toy", title="Toy", priors="general", events=EventProcess(graph=graph),
        trajectories=Trajectories(markers=curves) if markers else None, associations=follow,
    )  # fmt: skip


def first_answers(spec: ModelSpec, cohort: Cohort, kind: str, store: Path) -> Told:
    """A study until all sites have answered the first question of their likelihoods."""
    centre = cohort.patients["centre"].astype(str)
    parts = {s: cohort.select(list(cohort.patients.loc[centre == s, "patient_id"])) for s in SITES}
    return driven(Study(spec, SITES, draws=400, minimum=0), parts, store, before(kind, 1))


def agreed(told: Told, kind: str) -> tuple[Learnt, Coordinates]:
    learnt = learnt_from_dict(told.question(kind).body["learnt"])
    sizes = [len(edges) - 1 for edges in learnt.edges]
    none = tuple(np.zeros(k) for k in sizes), tuple(np.ones(k) for k in sizes)
    counts = Counts(*none, len(learnt.encoding.subgroups))
    model = assemble_population(told.study.spec, learnt, told.study.prior_set, counts)
    return learnt, Coordinates.of(told.study.spec, learnt, model)


@pytest.mark.parametrize("case", ["yes or no", "grade", "count", "two, one of them not in west"])
def test_sites_tell_the_likelihood_of_all_whatever_a_marker_is(case: str, tmp_path: Path) -> None:
    both = {"measured": FAMILIES["measured"], "count": FAMILIES["count"]}
    markers = {case: FAMILIES[case]} if case in FAMILIES else both
    markers = {name.replace(" ", "_"): family for name, family in markers.items()}
    cohort = everybody(markers, lacking="" if case in FAMILIES else "count")
    told = first_answers(spec_of(markers), cohort, "score", tmp_path)
    learnt, coordinates = agreed(told, "score")
    asked = unpacked(told.question("score").body["draws"], None, coordinates.size)
    whole = IntegratedLikelihood(told.study.spec, learnt, coordinates, cohort)
    some = np.arange(0, len(asked), 9)
    found = told.sums("score")[0][some]
    np.testing.assert_allclose(found, whole.totals(asked[some])[:, 0], atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["count", "yes or no"])
def test_a_study_of_a_marker_that_is_not_normal_ends_in_a_posterior_that_is_judged(
    family: str,
) -> None:
    """Neither refused for want of a likelihood, nor far from a fit to all patients."""
    spec = spec_of({"m": FAMILIES[family]})
    seed = drawn_seed()
    cohort = everybody({"m": FAMILIES[family]}, n=90, seed=seed)
    federated = fit_in_shards(spec, cohort, shards=3, draws=1000, seed=seed)
    told = federated.manifest["federation"]["certificate"]
    few = told["pareto_k"] >= 0.7 or told["ess"] < 400.0
    assert not (few and federated.verdict.usable)
    pooled = tb.fit(spec, cohort, seed=seed, progressbar=False)
    both, every = (federated.datatree["posterior"], pooled.datatree["posterior"]), ("chain", "draw")
    ess = az.ess(pooled.datatree)
    for name in ("association", "log_baseline", "patient_sd", "curve_effect"):
        ours, theirs = (tree[name].mean(every) for tree in both)
        # Four Monte Carlo errors of the difference, for some 20 numbers.
        error = 4.0 * np.sqrt(1.0 / max(float(told["ess"]), 1.0) + 1.0 / ess[name])
        assert ((abs(ours - theirs) / both[1][name].std(every)) < error).all(), (name, seed)


def test_sites_with_late_entries_tell_the_likelihood_of_all(tmp_path: Path) -> None:
    cohort = everybody({}, late=True)
    told = first_answers(spec_of({}), cohort, "expansion", tmp_path)
    learnt, coordinates = agreed(told, "expansion")
    point = unpacked(told.question("expansion").body["point"], coordinates.size)
    whole = EventLikelihood(told.study.spec, learnt, coordinates, cohort)
    expected = whole.expansion(point).packed()
    np.testing.assert_allclose(told.sums("expansion")[0], expected, atol=1e-5)
    # By hand: a constant hazard over the days under observation.
    ends = cohort.events.set_index("patient_id")["day"]
    entry = cohort.patients.set_index("patient_id")["entry_day"]
    rates = np.exp(point[:2])
    dead = cohort.events.set_index("patient_id")["event"] == "death"
    first, second = learnt.edges[0][:2]
    value = 0.0
    for who, end in ends.items():
        for rate, low, high in zip(rates, (first, second), (second, np.inf), strict=True):
            value -= rate * max(min(end, high) - max(entry[who], low), 0.0)
            value += np.log(rate) * bool(dead[who] and low < end <= high)
    assert whole.totals(point[None])[0, 0] == pytest.approx(value)
