"""What people release of real answers: counted as it is, with keys to compare, and no patient."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from federation_study import SITES, Told, cohort_of, network, secret_of, spec_of
from twinbayes.federation import Disclosure, Message, Study, answer, next_step
from twinbayes.federation.exchange import server, site
from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.numbers import Source, leaving, numbers_in
from twinbayes.federation.masks import fingerprint

ROUNDS = 3


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Folders after three rounds of a study whose patients have 200 telling names and remarks."""
    place, canaries, cohorts = tmp_path_factory.mktemp("released"), [], {}
    for name, table in network().items():
        ids = [f"canary{name}{k}" for k in range(25)]
        notes = [f"{one}note" for one in ids]
        table.loc[: len(ids) - 1, "patient_id"] = ids
        table["remark"] = [*notes, *[None] * (len(table) - len(notes))]
        canaries += [*ids, *notes]
        cohorts[name] = cohort_of(table, remark="|".join(notes))
    study = Study(spec_of("age_years", "mark"), SITES, draws=400)
    card, pins = server.start(place / "server", study), {}
    for name in SITES:
        invitation = place / "server" / "outbox" / server.INVITATION
        joined = site.join(place / name, invitation, name, card.fingerprint, Study.from_dict)
        pins[name] = joined.fingerprint
    for number in range(ROUNDS + 1):
        for name in SITES:
            for file in (place / name / "outbox").iterdir():
                shutil.copy(file, place / "server" / "inbox")
        server.step(
            PartyFolder(place / "server"), study,
            lambda history, store: next_step(study, history, store),
            pins=pins if number == 0 else None,
        )  # fmt: skip
        for name in SITES if number < ROUNDS else ():
            for file in (place / "server" / "outbox" / name).iterdir():
                shutil.copy(file, place / name / "inbox")
            rules, own = Disclosure(secret_of(name)), cohorts[name]

            def answering(
                question: Message, rules: Disclosure = rules, own: object = own
            ) -> Message:
                return answer(question, own, disclosure=rules)  # type: ignore[arg-type]

            site.answer(PartyFolder(place / name), study, answering, Source.of(own))
            site.release(PartyFolder(place / name), study, by="A. Rossi")
    return place, canaries


@pytest.mark.requirement("R-063")
def test_no_file_that_leaves_and_no_ledger_names_a_patient(told: tuple[Path, list[str]]) -> None:
    place, canaries = told
    assert len(set(canaries)) == 200
    files = [p for p in place.rglob("*") if p.is_file()]
    assert len([p for p in files if p.name == "ledger.jsonl"]) == 1 + len(SITES)
    for path in files:
        assert b"canary" not in path.read_bytes().lower(), path


def test_ledgers_count_masked_numbers(told: tuple[Path, list[str]]) -> None:
    place, _ = told
    lines = (place / "north" / "ledger.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    sent = {r["kind"]: r["numbers"] for r in records if r["event"] == "sent"}
    # Patients; 2 subgroups; 4 of each of 2 covariates; 1 pair; 1 event.
    assert sent == {"labels": 0, "counts": 1 + 2 + 8 + 1 + 1, "facts": 4 + 3 * 60}


def test_a_draft_tells_all_names_that_would_leave_in_full(early: Told) -> None:
    question = early.question("labels")
    given = next(m for m in early.messages if m.answers == question.digest)
    given = replace(given, body={"key": "0a" * 256})
    assert "key: 1 text: 0a0a0a0a… (512 hexadecimal digits)" in leaving(given, 150, 0, question)[1]
    names = {"levels": {"sex": ["female", "male"]}, "subgroups": ["x" * 60, *map(str, range(30))]}
    told = "\n".join(leaving(replace(given, body={"labels": names}), 150, 0, question))
    listed = ", ".join(names["subgroups"])
    assert f"labels: 36 texts: levels (sex (female, male)), subgroups ({listed})" in told


def test_a_draft_tells_the_fingerprint_of_all_keys_and_no_masked_bytes(early: Told) -> None:
    question = early.question("moments")
    given = next(m for m in early.messages if m.answers == question.digest)
    lines = "\n".join(leaving(given, 150, 0, question))
    assert fingerprint(question.body["keys"]) in lines
    assert f"{numbers_in(given.body)} numbers" in lines
    assert given.body["masked"]["u8"][:12] not in lines
