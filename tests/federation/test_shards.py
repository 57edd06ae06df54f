"""One cohort in shards: sums are those of the whole, and a wrong sum is not believed."""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import twinbayes as tb
from chance import drawn_seed
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.errors import FederationError
from twinbayes.federation import Disclosure, Message, Study, answer, fit_in_shards, next_step
from twinbayes.federation.joint.approximation import Agreement
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.federation.joint.certificate import Certificate
from twinbayes.federation.joint.compensator import Expansion, Factor
from twinbayes.federation.joint.crude import Counts, CrudeFromSites
from twinbayes.federation.joint.estimation import FromExpansions, Place
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.federation.message import unpacked
from twinbayes.federation.shards import Shards
from twinbayes.federation.study import learnt_from_dict
from twinbayes.model.events.crude import Crude

SPEC = tb.disease("hsct_illness_death", windows=5)


@pytest.fixture(scope="module")
def cohort() -> tb.Cohort:
    return synthetic_cohort(SPEC, n_patients=240, seed=drawn_seed(__name__))


@pytest.fixture(scope="module")
def agreement(cohort: tb.Cohort) -> Agreement:
    plan = SPEC.plan(cohort)
    crude = Crude(plan.events)
    counts = Counts(crude.events, crude.days, len(plan.learnt.encoding.subgroups))
    return Agreement(Study(SPEC, ("a", "b", "c", "d"), minimum=0), plan.learnt, counts)


@pytest.fixture(scope="module")
def whole(agreement: Agreement, cohort: tb.Cohort) -> EventLikelihood:
    return EventLikelihood(SPEC, agreement.learnt, agreement.coordinates, cohort)


@pytest.fixture(scope="module")
def near(agreement: Agreement, whole: EventLikelihood) -> Place:
    """Where the posterior is, under the rough priors of crude estimates."""
    estimation = FromExpansions(agreement)
    for _ in range(4):
        place = estimation.following()
        assert isinstance(place, Place)
        estimation = estimation.answered(place, whole.expansion(place.point).packed(), 0)
    crude = estimation.last.crude
    assert isinstance(crude, CrudeFromSites)
    spread = tuple(
        np.linalg.inv(known + np.diag(crude.ridge[own]))
        for own, known in zip(
            agreement.coordinates.members, crude.expansion.information, strict=True
        )
    )
    return Place(crude.mode, spread)


def test_sums_over_shards_are_those_of_the_whole_cohort(
    agreement: Agreement, cohort: tb.Cohort, whole: EventLikelihood, near: Place
) -> None:
    shards = Shards.of(agreement, cohort, None)
    for place in (Place(near.point, None), near):
        expected = whole.expansion(place.point, place.spread).packed()
        found = shards.expand(place)
        assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()
    values = near.point + 0.1 * np.random.default_rng(0).normal(size=(5, len(near.point)))
    assert shards.score(values) == pytest.approx(whole.totals(values), rel=1e-10)


def test_shards_are_as_good_as_sites_that_answer_a_server(
    cohort: tb.Cohort, tmp_path: Path
) -> None:
    """Each answers the server's questions; shards then arrive at the same points."""
    ids = cohort.patient_ids
    sites = {name: cohort.select(list(ids[k::3])) for k, name in enumerate(("n", "s", "w"))}
    study = Study(SPEC, tuple(sites), minimum=0)
    keys = {s: Disclosure(secret=secrets.token_bytes(32), minimum=0) for s in sites}
    history: list[Message] = []
    for _ in range(6):  # labels, counts, facts, moments, and two expansions
        asked = next_step(study, history, tmp_path).questions
        answers = [answer(q, sites[q.receiver], disclosure=keys[q.receiver]) for q in asked]
        history += [*asked, *answers]
    places = [m for m in history if m.kind == "expansion" and m.receiver == "n"]
    assert len(places) == 2
    learnt = learnt_from_dict(places[0].body["learnt"])
    crude = Crude(SPEC.plan(cohort, learnt).events)
    counts = Counts(crude.events, crude.days, len(learnt.encoding.subgroups))
    estimation = FromExpansions(Agreement(study, learnt, counts))
    shards = Shards.of(estimation.agreement, cohort, None)
    for question in places:
        place = estimation.following()
        assert isinstance(place, Place)
        assert place.point == pytest.approx(unpacked(question.body["point"], None), abs=1e-5)
        estimation = estimation.answered(place, shards.expand(place), len(estimation.kinds))


def test_a_wrong_sum_of_expansions_is_refused(
    agreement: Agreement, cohort: tb.Cohort, whole: EventLikelihood, near: Place
) -> None:
    """Each has draws where it puts the posterior, and at these the scores of all patients."""
    good = whole.expansion(near.point, near.spread)
    half = EventLikelihood(
        SPEC, agreement.learnt, agreement.coordinates, cohort.select(list(cohort.patient_ids[::2]))
    ).expansion(near.point, near.spread)
    away = np.zeros(len(near.point))
    for own, spread in zip(agreement.coordinates.members, near.spread or (), strict=True):
        away[own] = 3.0 * np.sqrt(np.diag(spread))
    elsewhere = whole.expansion(near.point + away, near.spread)
    empty = FromExpansions(agreement).empty(near)
    wrong = {
        "half of the patients": half,
        "half of the patients twice": empty.unpacked(good.packed() + half.packed()),
        "elsewhere": replace(elsewhere, point=near.point),
    }
    rng = np.random.default_rng(drawn_seed())
    assert _certified(agreement, whole, good, rng).reasons == ()
    for what, expansion in wrong.items():
        assert _certified(agreement, whole, expansion, rng).reasons, what


def _certified(
    agreement: Agreement,
    whole: EventLikelihood,
    expansion: Expansion,
    rng: np.random.Generator,
) -> Certificate:
    """Judge an expansion at draws near its mode, under the rough priors of crude estimates."""
    crude = CrudeFromSites(agreement.counts, agreement.coordinates, agreement.learnt, expansion)
    values = np.empty((1000, len(expansion.point)))
    for own, known in zip(agreement.coordinates.members, expansion.information, strict=True):
        covariance = np.linalg.inv(known + np.diag(crude.ridge[own]))
        values[:, own] = rng.multivariate_normal(crude.mode[own], covariance, 1000)
    factor = Factor(agreement.coordinates, expansion)
    blocks = Blocks.whole(None, len(agreement.coordinates.members))
    return Certificate.of(*factor.against(values, whole.totals(values)), blocks)


def test_who_evaluates_shards_is_told_what_is_wrong(cohort: tb.Cohort) -> None:
    with pytest.raises(FederationError, match="shards is a whole number from 3 to 500"):
        fit_in_shards(SPEC, cohort, shards=2)
    with pytest.raises(FederationError, match="cannot be divided into 300 shards"):
        fit_in_shards(SPEC, cohort, shards=300)
    with pytest.raises(FederationError, match=r"client is a distributed\.Client, not str"):
        fit_in_shards(SPEC, cohort, client="tcp://127.0.0.1:8786")
    with pytest.raises(FederationError, match="curves of markers"):
        fit_in_shards(tb.disease("registry"), cohort)


@pytest.mark.slow
def test_a_cohort_in_shards_has_the_posterior_of_an_ordinary_fit(cohort: tb.Cohort) -> None:
    fit = tb.fit(SPEC, cohort, seed=1, progressbar=False)
    sharded = fit_in_shards(SPEC, cohort, shards=5, seed=2).at_site(cohort)
    assert sharded.verdict.usable, sharded.verdict.reasons
    assert sharded.sites == ()  # all patients are in its cohort
    for name in ("beta", "log_baseline"):
        mine, theirs = (f.datatree["posterior"][name] for f in (sharded, fit))
        over = ("chain", "draw")
        away = np.abs(mine.mean(over) - theirs.mean(over)) / theirs.std(over)
        assert float(away.mean()) < 0.06
        assert float(away.max()) < 0.25


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_says_the_same_as_this_process(
    agreement: Agreement, cohort: tb.Cohort, near: Place
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
    values = near.point + 0.1 * np.random.default_rng(1).normal(size=(40, len(near.point)))
    here = Shards.of(agreement, cohort, None)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        there = Shards.of(agreement, cohort, client)
        assert np.array_equal(there.score(values), here.score(values))
        holders = client.who_has(list(there.held))
        victim = next(iter(holders.values()))[0]
        os.kill(client.run(os.getpid)[victim], signal.SIGKILL)
        assert np.array_equal(there.expand(near), here.expand(near))
        assert np.array_equal(there.score(values), here.score(values))
