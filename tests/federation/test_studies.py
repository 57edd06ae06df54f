"""Whole studies: what is agreed on, what is asked, what is refused, and what comes out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import twinbayes as tb
from chance import drawn_seed
from twinbayes.errors import FederationError
from twinbayes.federation import Disclosure, Message, Study, answer, load_federated, next_step
from twinbayes.federation.agreement.facts import Facts, agreed, moments
from twinbayes.federation.agreement.headcounts import Headcounts
from twinbayes.federation.agreement.labels import Labels
from twinbayes.federation.joint.approximation import _thinned
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.federation.joint.certificate import Certificate
from twinbayes.federation.joint.compensator import Factor
from twinbayes.federation.joint.estimation import FromExpansions
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.federation.likelihood.events import EventLikelihood
from twinbayes.inference.fitting import CompiledFit
from twinbayes.inference.samplers.protocol import compile_model
from twinbayes.model import Encoding, Learnt
from twinbayes.model.assemble import assemble_plan, assemble_population
from twinbayes.model.covariates.missing import NormalModel
from twinbayes.names import POSTERIOR


def _disclosure(name: str) -> Disclosure:
    return Disclosure(secret=hashlib.sha256(name.encode()).digest())


def _begun(small, tmp_path, rounds):  # type: ignore[no-untyped-def]
    study = Study(small.spec, tuple(small.sites), seed=drawn_seed(below=1000))
    history: list[Message] = []
    for _ in range(rounds):
        for question in next_step(study, history, tmp_path).questions:
            site = question.receiver
            history += [question, answer(question, small.sites[site], disclosure=_disclosure(site))]
    return study, history


def test_more_draws_than_sites_score_are_refused_before_anything_is_asked(tmp_path):
    study = Study(tb.disease("hsct"), ("north", "south", "west"), draws=8004)
    with pytest.raises(FederationError, match="at most 8000 draws"):
        next_step(study, [], tmp_path)
    assert next_step(replace(study, draws=8000), [], tmp_path).questions


@pytest.mark.requirement("R-066")
def test_columns_and_counts_from_sums_are_those_of_everybody_together(small):
    labels = Labels.joined({n: Labels.of(small.spec, c, 1) for n, c in small.sites.items()})
    heads = Headcounts(small.spec, labels)
    counted = heads.counted(sum(heads.of_site(c) for c in small.sites.values()))
    assert counted.patients == small.cohort.n_patients
    facts = Facts(small.spec, labels, counted, 5)
    columns, left_out, edges = facts.columns_and_edges(
        sum(facts.of_site(c) for c in small.sites.values())
    )
    theirs = {c.label: c for c in small.learnt.encoding.columns}
    assert {c.label for c in columns} == set(theirs)
    for column in columns:
        other = theirs[column.label]
        assert column.centre == pytest.approx(other.centre, abs=1e-6)
        assert column.scale == pytest.approx(other.scale, rel=1e-6)
    values = np.column_stack([c.encode(small.cohort.covariates()) for c in columns])
    normal = NormalModel(np.zeros(len(columns)), np.eye(len(columns)))
    encoding = Encoding(columns, labels.subgroups, labels.centres, normal, left_out)
    each = [
        moments(small.spec.plan(c, Learnt(encoding, edges)).events, small.coordinates, c)
        for c in small.sites.values()
    ]
    learnt, counts = agreed(small.spec, columns, left_out, edges, labels, (), sum(each))
    np.testing.assert_allclose(learnt.encoding.normal.mean, np.nanmean(values, axis=0), atol=1e-9)
    assert sum(e.sum() for e in counts.events) == sum(e.sum() for e in small.counts.events)
    assert sum(d.sum() for d in counts.days) == pytest.approx(
        sum(d.sum() for d in small.counts.days)
    )


def test_the_same_history_asks_the_same_bytes(small, tmp_path):
    study, history = _begun(small, tmp_path, 2)
    once = next_step(study, history, tmp_path)
    again = next_step(study, history[::-1] + history[:3], tmp_path)
    assert [q.to_bytes() for q in once.questions] == [q.to_bytes() for q in again.questions]
    answers = [answer(q, small.sites[q.receiver], disclosure=_disclosure(q.receiver)).to_bytes()
               for q in once.questions for _ in range(2)]  # fmt: skip
    assert answers[::2] == answers[1::2]


def test_a_site_that_has_not_answered_is_named_and_nothing_is_lost(small, tmp_path):
    study, history = _begun(small, tmp_path, 1)
    step = next_step(study, history[:-1], tmp_path)
    assert step.missing == ("site_3",)
    assert {q.round for q in step.questions} == {0}
    assert next_step(study, history, tmp_path).questions[0].round == 1


def test_a_history_that_was_cut_off_within_a_round_is_asked_whole_again(small, tmp_path):
    study, history = _begun(small, tmp_path, 1)
    asked = next_step(study, history, tmp_path).questions
    step = next_step(study, [*history, asked[1]], tmp_path)
    assert [q.to_bytes() for q in step.questions] == [q.to_bytes() for q in asked]


def test_no_more_draws_are_scored_than_the_study_asks_for():
    values = np.arange(24.0).reshape(2, 12)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": (("chain", "draw"), values)})})
    tree.attrs = {"draws": 12}
    few = _thinned(tree, 3)
    np.testing.assert_array_equal(few["posterior"]["x"], values[:, [2, 6, 10]])
    assert few.attrs == {"draws": 12}
    assert _thinned(few, 3) is few


def test_draws_that_are_not_those_that_were_scored_are_refused():
    made, scored = (SimpleNamespace(values=np.full((3, 2), v)) for v in (1.0, 1.1))
    found = FromExpansions(None, (made,), (scored,))  # type: ignore[arg-type]
    with pytest.raises(FederationError, match="not those that were scored"):
        _ = found.certificate


def test_what_is_not_of_the_study_is_refused(small, tmp_path):
    study, history = _begun(small, tmp_path, 1)
    question, reply = history[0], history[1]
    other = replace(study, seed=study.seed + 1)
    with pytest.raises(FederationError, match="another study"):
        next_step(other, history, tmp_path)
    with pytest.raises(FederationError, match="no question"):
        next_step(study, [*history, replace(reply, answers="0" * 64)], tmp_path)
    changed = replace(reply, body={**reply.body, "key": "2"})
    with pytest.raises(FederationError, match="two different"):
        next_step(study, [*history, changed], tmp_path)
    site, cohort = small.sites["site_1"], small.sites["site_1"]
    with pytest.raises(FederationError, match="another study"):
        answer(replace(question, study="0" * 64), site, disclosure=_disclosure("site_1"))
    with pytest.raises(FederationError, match="site answers questions"):
        answer(reply, site, disclosure=_disclosure("site_1"))
    one = cohort.select(list(cohort.patient_ids[:1]))
    with pytest.raises(FederationError, match="1 patient"):
        answer(question, one, disclosure=_disclosure("site_1"))


def test_a_cohort_that_does_not_fit_is_found_before_names_leave(small, tmp_path):
    spec = tb.disease("survival", covariates=())  # which knows no relapse
    study = Study(spec, tuple(small.sites))
    question = next_step(study, [], tmp_path).questions[0]
    site = question.receiver
    with pytest.raises(FederationError, match=r"does not fit the study.*relapse"):
        answer(question, small.sites[site], disclosure=_disclosure(site))


def test_other_units_at_one_site_are_refused_with_both_names(small):
    found = {n: Labels.of(small.spec, c, 1) for n, c in small.sites.items()}
    name = next(k for k, unit in found["site_2"].units.items() if unit)
    units = {**found["site_2"].units, name: "furlong"}
    found["site_2"] = replace(found["site_2"], units=units)
    with pytest.raises(FederationError, match=f"{name}.*site_1.*site_2.*furlong"):
        Labels.joined(found)


@pytest.mark.parametrize(
    "sites", [("a", "b"), ("a", "a", "b"), ("a", "b", "server"), ("a b", "c", "d")]
)
def test_a_study_has_three_sites_of_different_names(small, sites):
    with pytest.raises(FederationError, match="3 to"):
        Study(small.spec, sites)


def test_joint_models_of_too_many_numbers_are_refused_before_anybody_is_asked():
    with pytest.raises(FederationError, match=r"at least \d+ numbers.*of_events"):
        Study(tb.disease("registry"), ("a", "b", "c"))


def test_independent_parts_of_a_posterior_are_found_and_tied_ones_are_not(small):
    model = assemble_population(small.spec, small.learnt, tb.load_priors("registry"), small.counts)
    whole = EventLikelihood(small.spec, small.learnt, small.coordinates, small.cohort)
    factor = Factor(small.coordinates, whole.expansion(small.somewhere(1)))
    with model:
        pm.Potential("sites", factor.tensor(small.coordinates.tensor(model)))
    apart = Blocks.of(compile_model(model).tapes, small.coordinates)
    assert len(set(apart.of_intensity)) == len(small.spec.graph.labels)
    with model:
        ends = small.coordinates.tensor(model)[np.array([m[0] for m in small.coordinates.members])]
        pm.Potential("tie", -0.1 * (ends[0] - ends[1]) ** 2)
    tied = Blocks.of(compile_model(model).tapes, small.coordinates)
    assert tied.of_intensity[0] == tied.of_intensity[1]
    assert len(set(tied.of_intensity)) == len(small.spec.graph.labels) - 1


@pytest.mark.parametrize("bend", [0.5, 2.0])
def test_a_function_that_is_not_the_likelihood_is_not_certified(small, bend):
    local = EventLikelihood(small.spec, small.learnt, small.coordinates, small.cohort)
    good = local.expansion(small.somewhere(2))
    rng = np.random.default_rng(2)
    values = small.somewhere(2) + rng.normal(0.0, 0.06, (1000, small.coordinates.size))
    totals = local.totals(values)
    blocks = Blocks.whole(None, len(small.spec.graph.labels))
    bad = replace(good, information=tuple(bend * m for m in good.information))
    found = Certificate.of(*Factor(small.coordinates, bad).against(values, totals), blocks)
    assert found.reasons
    right = Certificate.of(*Factor(small.coordinates, good).against(values, totals), blocks)
    assert right.ess > 3 * found.ess


@pytest.mark.slow
def test_three_sites_get_the_posterior_of_all_their_patients_together(small, tmp_path):
    study = Study(small.spec, tuple(small.sites), seed=drawn_seed(below=1000), minimum=0)
    history: list[Message] = []
    while (step := next_step(study, history, tmp_path)).posterior is None:
        for question in step.questions:
            site = question.receiver
            told = replace(_disclosure(site), minimum=0)  # what is held back is not pooled
            history += [question, answer(question, small.sites[site], disclosure=told)]
    posterior = load_federated(step.posterior.save(tmp_path / "posterior.nc"))
    assert posterior.verdict.usable, posterior.verdict.banner()
    plan = small.spec.plan(small.cohort, posterior.learnt)
    compiled = compile_model(assemble_plan(small.spec, plan, study.prior_set))
    fit = CompiledFit(small.spec, small.cohort, study.prior_set, plan, compiled).sample(seed=3)
    model = assemble_population(small.spec, posterior.learnt, study.prior_set, small.counts)
    coordinates = Coordinates.of(small.spec, posterior.learnt, model)
    mine = coordinates.values(posterior.datatree[POSTERIOR].to_dataset())
    theirs = coordinates.values(fit.datatree[POSTERIOR].to_dataset())
    some = (theirs.std(axis=0) > 1e-9) & ~np.char.startswith(coordinates.labels, "centre_effect")
    away = np.abs(mine.mean(axis=0) - theirs.mean(axis=0))[some] / theirs.std(axis=0)[some]
    assert np.quantile(away, 0.99) < 0.12
    site = posterior.at_site(small.sites["site_2"])
    forecast = site.twin(site.cohort.patient_ids[0], at=0).forecast(until=365.0, grid=2)
    assert np.isfinite(forecast["survival"]).all()
