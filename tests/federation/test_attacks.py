"""Attacks on the messages of small studies: what they find without the rules, and with them."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from federation_attacks import View, keys_of_its_own, unmasked
from federation_study import SITES, Told, before, cohort_of, driven, network, secret_of, spec_of
from twinbayes.errors import FederationError
from twinbayes.federation import Disclosure, Message, Study, answer
from twinbayes.federation.agreement.headcounts import Headcounts
from twinbayes.federation.agreement.labels import Labels
from twinbayes.federation.masks import fingerprint, masked, public_key, summed
from twinbayes.federation.message import unpacked_integers
from twinbayes.model import Term

TERMS = ("age_years", "sex", "mark")


def seen(
    tables: dict[str, pd.DataFrame], minimum: int, store: Path, kind: str = "expansion"
) -> Told:
    """Messages of a study until the second expansion, or before another kind is asked."""
    study = Study(spec_of(*TERMS), SITES, draws=400, minimum=minimum)
    cohorts = {site: cohort_of(table) for site, table in tables.items()}
    return driven(study, cohorts, store, before(kind, int(kind == "expansion")))


# --- one patient of the whole network ------------------------------------------------------


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_without_a_minimum_the_only_carrier_is_read_from_the_sums(
    seed: int, tmp_path: Path
) -> None:
    tables = network(seed=seed, carriers=0)
    tables["south"].loc[4, "mark"] = 1.0
    victim = tables["south"].loc[4]
    found = View(seen(tables, 0, tmp_path)).with_mark("mark")
    assert found.covariates["age_years"] == pytest.approx(victim.age_years, abs=1e-3)
    assert found.covariates["sex=male"] == pytest.approx(float(victim.sex == "male"), abs=1e-3)
    assert found.days == pytest.approx(victim.days, abs=1e-2)
    assert found.events == pytest.approx(float(victim.dead), abs=1e-3)


@pytest.mark.parametrize("n", [1, 4])
def test_with_it_nothing_but_counts_is_asked_of_few_carriers(n: int, tmp_path: Path) -> None:
    tables = network(carriers=0)
    for site in SITES[:n]:
        tables[site].loc[4, "mark"] = 1.0
    with pytest.raises(FederationError, match=r"mark \(spec\.without_covariates\('mark'\)\)"):
        seen(tables, 5, tmp_path)


def test_a_site_refuses_a_server_that_asks_for_few_carriers_all_the_same(tmp_path: Path) -> None:
    tables = network(carriers=0)
    tables["south"].loc[4, "mark"] = 1.0
    careless = seen(tables, 0, tmp_path, "moments")
    question = careless.question("facts")
    careful = Disclosure(secret_of(question.receiver), minimum=5)
    with pytest.raises(FederationError, match="0 patients stand behind"):
        answer(question, cohort_of(tables[question.receiver]), disclosure=careful)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_without_a_minimum_the_only_patient_of_a_subgroup_is_read_from_the_sums(
    seed: int, tmp_path: Path
) -> None:
    tables = network(seed=seed)
    tables["west"].loc[7, "subgroup"] = "three"
    victim = tables["west"].loc[7]
    view = View(seen(tables, 0, tmp_path))
    for found in (view.of_subgroup("three"), view.less_other_subgroups("three")):
        assert found.days == pytest.approx(victim.days, abs=1e-2)
        assert found.events == pytest.approx(float(victim.dead), abs=1e-3)
    direct = view.of_subgroup("three").covariates
    assert direct["age_years"] == pytest.approx(victim.age_years, abs=1e-3)


def test_with_it_neither_her_sums_nor_a_difference_tell_of_her(tmp_path: Path) -> None:
    tables = network()
    tables["west"].loc[7, "subgroup"] = "three"
    view = View(seen(tables, 5, tmp_path))
    nothing = view.of_subgroup("three")
    assert (nothing.events, nothing.days) == (0.0, 0.0)
    together = pd.concat(list(tables.values()))
    with_company = together[together.subgroup.isin(["two", "three"])]
    difference = view.less_other_subgroups("three")
    # What is left is of a whole other subgroup with her: 60 patients.
    smallest = min(with_company.days.sum(), together[together.subgroup != "two"].days.sum())
    assert difference.days > 0.9 * smallest


def test_a_lone_death_of_the_network_is_refused(tmp_path: Path) -> None:
    tables = network()
    for table in tables.values():
        table["dead"] = False
    tables["east"].loc[2, "dead"] = True
    with pytest.raises(FederationError, match=r"Fewer than 5 patients.*alive->dead"):
        seen(tables, 5, tmp_path)


def test_covariates_known_together_of_few_are_refused(tmp_path: Path) -> None:
    tables = network()
    for table in tables.values():
        first = np.arange(len(table)) < len(table) // 2
        table.loc[first, "age_years"] = np.nan
        table.loc[~first, "mark"] = np.nan
    tables["north"].loc[1, "age_years"] = 50.0
    with pytest.raises(FederationError, match="age_years and mark known of the same patient"):
        seen(tables, 5, tmp_path)


def test_windows_lie_where_enough_are_at_risk(tmp_path: Path) -> None:
    tables = network()
    tables["north"].loc[0, "days"] = 9_000.0
    together = pd.concat(list(tables.values()))
    told = driven(
        Study(spec_of(*TERMS), SITES, draws=400),
        {site: cohort_of(table) for site, table in tables.items()}, tmp_path, before("expansion"),
    )  # fmt: skip
    edges = told.question("moments").body["learnt"]["edges"][0]
    assert len(edges) == 5
    assert (together.days > edges[-2]).sum() >= 5
    assert edges[-2] < np.sort(together.days)[-5]


# --- what a person has written -------------------------------------------------------------


@pytest.mark.requirement("R-063")
@pytest.mark.slow
def test_no_identifier_and_nothing_of_other_columns_leaves(tmp_path: Path) -> None:
    tables, canaries = network(), []
    for site, table in tables.items():
        names = [f"canary{site}{k}" for k in range(25)]
        notes = [f"{name}note" for name in names]
        table.loc[: len(names) - 1, "patient_id"] = names
        table["remark"] = [*notes, *[None] * (len(table) - len(notes))]
        canaries += [*names, *notes]
    assert len(set(canaries)) == 200
    study = Study(spec_of(*TERMS), SITES, draws=400)
    cohorts = {
        site: cohort_of(table, remark="|".join(table["remark"].dropna()))
        for site, table in tables.items()
    }
    told = driven(study, cohorts, tmp_path, before("expansion", 1))
    sent = b"".join(m.to_bytes() for m in told.messages)
    raw = b"".join(
        unpacked_integers(m.body["masked"]).tobytes()
        for m in told.messages
        if m.is_answer and "masked" in m.body
    )
    assert b"canary" not in sent.lower()
    assert b"canary" not in raw.lower()
    assert not [c for c in canaries if c.encode() in sent]


def test_a_rare_level_that_is_not_declared_does_not_leave() -> None:
    table = network()["north"].assign(ward=1.0)
    table.loc[3, "ward"] = 77123.0
    spec = tb.disease("survival", covariates=(Term(name="ward", group="x", transform="category"),))
    with pytest.raises(FederationError, match="not declared") as refused:
        Labels.of(spec, cohort_of(table, ward=None), 5)
    assert "77123" not in str(refused.value)


# --- masks ---------------------------------------------------------------------------------


def test_without_one_answer_the_others_are_noise(early: Told) -> None:
    heads = Headcounts(early.study.spec, Labels.from_dict(early.question("counts").body["labels"]))
    answers = [unpacked_integers(m.body["masked"]) for m in early.answers("counts")[0]]
    truth = sum(heads.of_site(cohort_of(t)) for t in network().values())
    np.testing.assert_allclose(summed(answers), truth)
    for k in range(len(answers)):
        rest = summed(answers[:k] + answers[k + 1 :])
        assert np.median(np.abs(rest)) > 1e9


def test_a_server_with_keys_of_its_own_reads_a_site_that_has_compared_none(early: Told) -> None:
    question = next(m for m in early.messages if m.kind == "counts" and m.receiver == "north")
    cohort, secret = cohort_of(network()["north"]), secret_of("north")
    forged, secrets = keys_of_its_own(question, "north", public_key(secret))
    read = unmasked(answer(forged, cohort, disclosure=Disclosure(secret)), forged, secrets)
    labels = Labels.from_dict(question.body["labels"])
    np.testing.assert_allclose(read, Headcounts(early.study.spec, labels).of_site(cohort))


def test_a_site_that_has_compared_keys_refuses_it(early: Told) -> None:
    question = next(m for m in early.messages if m.kind == "counts" and m.receiver == "north")
    cohort, secret = cohort_of(network()["north"]), secret_of("north")
    compared = fingerprint(question.body["keys"])
    forged, _ = keys_of_its_own(question, "north", public_key(secret))
    careful = Disclosure(secret, keys=compared.replace("-", " ").upper())
    assert answer(question, cohort, disclosure=careful).is_answer
    with pytest.raises(FederationError, match="by telephone, without the server"):
        answer(forged, cohort, disclosure=careful)


@pytest.mark.parametrize("what", ["column", "window", "level"])
def test_a_site_refuses_columns_and_windows_of_the_servers_making(what: str, early: Told) -> None:
    question = next(m for m in early.messages if m.kind == "moments" and m.receiver == "north")
    body = copy.deepcopy(dict(question.body))
    columns = body["learnt"]["encoding"]["columns"]
    if what == "column":
        columns[0]["sources"] = ["age_years", "mark"]
    elif what == "level":
        columns[1]["level"] = "female"
    else:
        body["learnt"]["edges"][0][1] = 618.0
    forged = Message(question.study, question.kind, question.round, "server", "north", body)
    cohort, rules = cohort_of(network()["north"]), Disclosure(secret_of("north"))
    assert answer(question, cohort, disclosure=rules).is_answer
    with pytest.raises(FederationError, match="not those that follow from the sums"):
        answer(forged, cohort, disclosure=rules)


# --- what is not protected against ---------------------------------------------------------


@pytest.mark.slow
def test_the_follow_up_of_the_only_carrier_of_a_centre_is_told_by_its_centres_effect(
    tmp_path: Path,
) -> None:
    tables = network()
    tables["west"]["mark"] = 0.0
    tables["west"].loc[3, "mark"] = 1.0
    days = tables["west"].loc[3, "days"]
    view = View(seen(tables, 5, tmp_path))
    edges = view.learnt.edges[0]
    expected = view.rates @ np.clip(np.minimum(days, edges[1:]) - edges[:-1], 0.0, None)
    assert view.mark_at_centre("mark", "west") == pytest.approx(expected, abs=1e-5)


def test_one_question_answered_from_two_cohorts_tells_the_difference() -> None:
    """Why a site answers from the same data throughout a study: masks are those of the question."""
    keys = {site: public_key(secret_of(site)) for site in SITES}
    sent = [
        masked(numbers, "north", secret_of("north"), keys, "0" * 64)
        for numbers in (np.array([1203.0, 20.0]), np.array([1140.5, 19.0]))
    ]
    difference = (sent[0] - sent[1]).astype(np.int64) / 2.0**24
    np.testing.assert_allclose(difference, [62.5, 1.0])


def test_two_studies_with_and_without_a_patient_tell_her_covariates(tmp_path: Path) -> None:
    tables = network()
    fewer = tables | {"north": tables["north"].drop(index=6).reset_index(drop=True)}
    sums = [seen(t, 5, tmp_path, "moments").sums("facts")[0] for t in (tables, fewer)]
    assert (sums[0] - sums[1])[0] == pytest.approx(tables["north"].loc[6, "age_years"], abs=1e-5)


def test_a_study_begun_again_without_a_site_tells_that_sites_sums(tmp_path: Path) -> None:
    tables = network()
    cohorts = {site: cohort_of(table) for site, table in tables.items()}
    sums = []
    for sites in (SITES, SITES[:3]):
        study = Study(spec_of(*TERMS), sites, draws=400)
        sums.append(driven(study, cohorts, tmp_path, before("moments")).sums("facts")[0])
    assert (sums[0] - sums[1])[0] == pytest.approx(tables["east"].age_years.sum(), abs=1e-4)
