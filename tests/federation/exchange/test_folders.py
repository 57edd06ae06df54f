"""Folders: what is carried between them is taken once, in order, and told where it is refused."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from federation_toy import Toy, answer, make_answer, make_step
from federation_world import PATIENTS, World
from twinbayes.errors import FederationError
from twinbayes.federation.exchange import server, site
from twinbayes.federation.exchange.envelope import MOST_ENVELOPE, sealed
from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.keys import KeyPair
from twinbayes.federation.exchange.numbers import numbers_in
from twinbayes.federation.exchange.status import status_of
from twinbayes.federation.message import Message


def ledger_of(folder: PartyFolder) -> list[str]:
    return [r["event"] for r in folder.ledger.records()]


def test_two_rounds_give_the_result_that_all_values_together_give(told: World) -> None:
    values = [v for site_values in PATIENTS.values() for v in site_values]
    mean = sum(values) / len(values)
    losses = [sum((v - (mean + shift)) ** 2 for v in values) for shift in (-1, -0.5, 0, 0.5, 1)]
    assert (told["server"].path / "posterior.nc").read_text() == repr(
        float(losses.index(min(losses)))
    )


def test_every_party_has_recorded_what_it_sent_and_received(told: World) -> None:
    mine = told["north"].history()
    whole = told["server"].history()
    assert set(mine.messages) < set(whole.messages)
    assert [m.round for m in mine.in_order] == [0, 0, 1, 1]
    assert len(whole.in_order) == 8
    sent = [r for r in mine.records if r["event"] == "sent"]
    assert [(r["numbers"], r["held"], r["released_by"]) for r in sent] == [
        (2, 3, "A. Rossi"),
        (5, 3, "A. Rossi"),
    ]
    assert whole.finished is not None


def test_files_are_their_owners_alone(told: World) -> None:
    for party in ("server", "north"):
        for path in told[party].path.rglob("*"):
            if path.name not in ("posterior.nc", "mean.txt") and "inbox" not in path.parts:
                assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path.name


def test_nothing_is_in_the_outbox_before_somebody_releases_it(world: World) -> None:
    world.carry_out()
    made = make_answer(world.path / "north", world.study, PATIENTS["north"])
    assert made.summaries[0][0] == (
        "Round 0, counts, to server: 2 numbers, where 3 are held; 0 left before in this study."
    )
    assert "  withheld: 1 text: sex" in made.summaries[0]
    assert not list(world["north"].outbox.glob("*.msg"))
    assert "sent" not in ledger_of(world["north"])
    with pytest.raises(FederationError, match="name the person"):
        site.release(world["north"], world.study, by=" ")
    with pytest.raises(FederationError, match="no draft 'other'"):
        site.release(world["north"], world.study, by="A. Rossi", draft="other")
    (draft,) = site.release(world["north"], world.study, by="A. Rossi", draft=made.drafts[0].name)
    assert len(list(world["north"].outbox.glob("*.msg"))) == 1
    assert site.release(world["north"], world.study, by="A. Rossi") == []
    assert draft.answer == answer(draft_question(world), PATIENTS["north"])


def draft_question(world: World) -> Message:
    return world["north"].history().questions[0]


def test_an_answer_made_again_before_its_release_replaces_the_draft(world: World) -> None:
    world.carry_out()
    make_answer(world.path / "north", world.study, [1.0, 2.0])
    make_answer(world.path / "north", world.study, PATIENTS["north"])
    (draft,) = site.release(world["north"], world.study, by="A. Rossi")
    assert draft.answer.body["n"] == 3


def test_a_site_answers_from_the_same_data_throughout(world: World) -> None:
    world.one_round()
    world.carry_out()
    with pytest.raises(FederationError, match="not those that the site has answered from"):
        make_answer(world.path / "north", world.study, [1.0, 2.0])
    assert len(make_answer(world.path / "north", world.study, PATIENTS["north"]).drafts) == 1


def test_a_draft_that_was_altered_is_not_released(world: World) -> None:
    world.carry_out()
    make_answer(world.path / "north", world.study, PATIENTS["north"])
    (path,) = world["north"].drafts.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FederationError, match=r"\.draft"):
        site.release(world["north"], world.study, by="A. Rossi")


def test_the_same_files_again_do_no_harm(world: World) -> None:
    world.one_round()
    before = ledger_of(world["server"]), ledger_of(world["north"])
    for file in list(world["server"].inbox.glob("*.msg")):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
    assert world.step().refused == ()
    made = make_answer(world.path / "north", world.study, PATIENTS["north"])
    assert (made.drafts, made.refused) == ((), ())
    assert (ledger_of(world["server"]), ledger_of(world["north"])) == before


def test_linked_folders_need_nobody_who_carries(world: World) -> None:
    for name in world.study.sites:
        world[name].inbox.rmdir()
        world[name].inbox.symlink_to(world["server"].outbox / name)
        (world["server"].inbox / name).symlink_to(world[name].outbox)
    for number in range(2):
        world.answer_and_release()
        done = world.step()
        assert done.refused == ()
        assert (done.posterior is not None) == (number == 1)


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to nowhere", "too long"])
def test_what_is_no_file_to_be_read_is_refused_and_not_waited_for(world: World, kind: str) -> None:
    path = world["server"].inbox / "put.msg"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link to nowhere":
        path.symlink_to("nowhere")
    else:
        path.touch()
        os.truncate(path, MOST_ENVELOPE + 1)
    assert "put.msg: " in refusal(world)


def put_in(world: World, party: str, message: Message, keys: KeyPair) -> None:
    (world[party].inbox / "put.msg").write_bytes(sealed(message, keys))


def refusal(world: World) -> str:
    before = ledger_of(world["server"])
    (told_,) = world.step().refused
    assert ledger_of(world["server"]) == before
    return told_


def north_answer(world: World, number: int = 0) -> Message:
    asked = [q for q in world["server"].history().questions if q.receiver == "north"]
    return answer(asked[number], [7.0, 8.0])


def test_another_answer_to_an_old_question_is_refused_and_the_first_one_counts(
    world: World,
) -> None:
    world.one_round()
    put_in(world, "server", north_answer(world), world["north"].keys)
    assert "answers an old question: that of round 0" in refusal(world)
    assert world.one_round().posterior is not None


def test_an_answer_to_a_question_of_another_copy_is_refused(world: World) -> None:
    stray = replace(north_answer(world), answers="ab" * 32)
    put_in(world, "server", stray, world["north"].keys)
    assert "answers no question of this ledger" in refusal(world)


def test_a_site_cannot_answer_for_another(world: World) -> None:
    put_in(world, "server", north_answer(world), world["south"].keys)
    assert "in the name of north, but signed by south" in refusal(world)
    own = replace(north_answer(world), sender="south")
    put_in(world, "server", own, world["south"].keys)
    assert "but comes from south" in refusal(world)


@pytest.mark.requirement("R-065")
def test_a_message_of_an_unknown_key_is_refused(world: World) -> None:
    put_in(world, "server", north_answer(world), KeyPair.new())
    assert "which is nobody's here (known: north, server, south)" in refusal(world)


def test_a_message_that_was_changed_is_refused_and_taken_when_it_comes_whole(world: World) -> None:
    put_in(world, "server", north_answer(world), world["north"].keys)
    path = world["server"].inbox / "put.msg"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"n":2', b'"n":9'))
    assert "not what north signed" in refusal(world)
    path.write_bytes(whole)
    assert world.step().waiting == ("south",)


def test_a_message_for_somebody_else_is_refused(world: World) -> None:
    for file in (world["server"].outbox / "south").glob("*.msg"):
        shutil.copy(file, world["north"].inbox)
    made = make_answer(world.path / "north", world.study, PATIENTS["north"])
    assert "is for south, and this is the folder of north" in made.refused[0]


def test_questions_of_an_earlier_round_and_second_ones_of_a_round_are_refused(
    world: World,
) -> None:
    world.one_round()
    world.carry_out()
    make_answer(world.path / "north", world.study, PATIENTS["north"])
    old, new = world["north"].history().questions
    for question, words in (
        (replace(old, body={"of": "others"}), "is an old question: it is of round 0"),
        (replace(new, body={"of": "others"}), "asks in round 1 for 'scores' otherwise"),
        (replace(new, answers="ab" * 32), "is no question of the server"),
    ):
        put_in(world, "north", question, world["server"].keys)
        made = make_answer(world.path / "north", world.study, PATIENTS["north"])
        assert words in made.refused[0]
        assert len(world["north"].history().questions) == 2


def test_parties_of_another_study_do_not_meet(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", Toy(title="another")).begin()
    other.carry_out()
    other.answer_and_release()
    for file in other["north"].outbox.glob("*"):
        shutil.copy(file, world["server"].inbox / f"other {file.name}")
    refused = world.step().refused
    assert any("north.card is of another study" in r for r in refused)
    assert any("which is nobody's here" in r for r in refused)
    put_in(world, "server", replace(north_answer(world), study="ab" * 32), world["north"].keys)
    assert any("put.msg is of another study, abababababab" in r for r in world.step().refused)
    with pytest.raises(FederationError, match="its description is read as"):
        make_step(world.path / "server", other.study)


def test_the_rules_of_a_site_pass_through_and_leave_the_question_open(world: World) -> None:
    world.carry_out()
    with pytest.raises(FederationError, match="1 patient: an answer would be"):
        make_answer(world.path / "north", world.study, [1.0])
    assert len(world["north"].history().open) == 1
    assert not list(world["north"].drafts.iterdir())


def test_an_invitation_is_believed_with_the_key_that_people_told(
    world: World, tmp_path: Path
) -> None:
    invitation = world["server"].outbox / server.INVITATION
    key = world["server"].keys.fingerprint

    def join(name: str, told_key: str, path: Path = invitation) -> None:
        site.join(tmp_path / "again", path, name, told_key, Toy.from_dict)

    with pytest.raises(FederationError, match="somebody else's"):
        join("north", KeyPair.new().fingerprint)
    with pytest.raises(FederationError, match="no site of this study: north, south"):
        join("east", key)
    changed = tmp_path / "changed.json"
    changed.write_bytes(invitation.read_bytes().replace(b'"toy"', b'"yot"'))
    with pytest.raises(FederationError, match="changed on its way"):
        join("north", key, changed)
    changed.write_bytes(b"{}")
    with pytest.raises(FederationError, match="is no invitation"):
        join("north", key, changed)
    assert not (tmp_path / "again").exists()
    with pytest.raises(FederationError, match="could not be made"):
        site.join(world["north"].path, invitation, "north", key, Toy.from_dict)
    join("north", key.upper().replace("-", " "))


def test_a_site_is_pinned_by_the_key_that_people_told_and_keeps_it(tmp_path: Path) -> None:
    world, study = World(tmp_path, Toy()), Toy()
    card = server.start(tmp_path / "server", study)
    invitation = world["server"].outbox / server.INVITATION
    own = site.join(tmp_path / "north", invitation, "north", card.fingerprint, Toy.from_dict)
    late = site.join(tmp_path / "late", invitation, "north", card.fingerprint, Toy.from_dict)
    with pytest.raises(FederationError, match="No card of north"):
        world.step(pins={"north": own.fingerprint})
    shutil.copy(tmp_path / "north" / "outbox" / "north.card", world["server"].inbox)
    assert world.step().asking_to_join == {"north": own.fingerprint}
    with pytest.raises(FederationError, match=f"found: {own.fingerprint}"):
        world.step(pins={"north": late.fingerprint})
    done = world.step(pins={"north": own.fingerprint.replace("-", "").upper()})
    assert done.asking_to_join == {}
    assert world.step(pins={"north": own.fingerprint}).asked == 0
    shutil.copy(tmp_path / "late" / "outbox" / "north.card", world["server"].inbox / "x.card")
    assert "but north is known by" in world.step().refused[0]
    with pytest.raises(FederationError, match="keeps its key"):
        world.step(pins={"north": late.fingerprint})
    assert "south: has not joined" in status_of(world["server"], study).lines[1]


@pytest.mark.parametrize("sites", [(), ("north", "North"), ("server",), ("a/b",)])
def test_sites_need_names_of_their_own(tmp_path: Path, sites: tuple[str, ...]) -> None:
    with pytest.raises(FederationError):
        server.start(tmp_path / "server", Toy(sites))
    assert list(tmp_path.iterdir()) == []


def test_each_party_has_its_own_verbs(world: World, tmp_path: Path) -> None:
    with pytest.raises(FederationError, match="folder of the site north"):
        make_step(world.path / "north", world.study)
    with pytest.raises(FederationError, match="the server's folder, which asks"):
        make_answer(world.path / "server", world.study, [1.0, 2.0])
    with pytest.raises(FederationError, match="is no folder of a federation"):
        make_step(tmp_path / "nowhere", world.study)


def test_a_status_says_who_is_waited_for_and_what_to_do(world: World) -> None:
    def said(party: str) -> str:
        status = status_of(world[party], world.study)
        return f"{status.waiting} {status.lines} {status.next}"

    assert "WAITED FOR: round 0, counts" in said("server")
    assert "put its question into the inbox" in said("north")
    world.carry_out()
    make_answer(world.path / "north", world.study, PATIENTS["north"])
    assert "NOT RELEASED" in said("north")
    assert "Round 0, counts, to server: 2 numbers, where 3 are held" in said("north")
    assert "release FOLDER --by NAME" in said("north")
    site.release(world["north"], world.study, by="A. Rossi")
    assert "('server',)" in said("north")
    assert "2 numbers released in all, where 3 were held at the last release" in said("north")
    world.carry_back()
    world.step()
    assert status_of(world["server"], world.study).waiting == ("south",)
    world.one_round()
    world.one_round()
    assert "The study is finished: send posterior.nc to the sites" in said("server")
    assert "If it asks no more and sends posterior.nc" in said("north")


def test_numbers_are_counted_wherever_they_stand() -> None:
    body = {"a": [1, 2.5, "x", None], "b": {"shape": [2, 3], "f8": "…"}, "c": {"d": True}}
    assert numbers_in(body) == 2 + 6 + 1
