"""Verification: any flipped byte is found, and everything can be done again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from federation_toy import Toy, answer, next_step, source_of
from federation_world import PATIENTS, World
from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.replay import faults, replay_answers, replay_questions
from twinbayes.federation.message import Message


def copied(told: World, party: str, tmp_path: Path) -> PartyFolder:
    return PartyFolder(shutil.copytree(told[party].path, tmp_path / party))


def test_a_thousand_flipped_bytes_are_found(told: World, tmp_path: Path) -> None:
    folder = copied(told, "north", tmp_path)
    files = [
        folder.ledger.path,
        folder.ledger.head_path,
        folder.path / "study.json",
        *(folder.path / "messages").iterdir(),
        *(folder.path / "cards").iterdir(),
    ]
    contents = [path.read_bytes() for path in files]
    ends = np.cumsum([len(c) for c in contents])
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    generator = np.random.default_rng(seed)
    assert faults(folder) == []
    found = 0
    for place in generator.integers(ends[-1], size=1000):
        k = int(np.searchsorted(ends, place, side="right"))
        flipped = bytearray(contents[k])
        flipped[place - ends[k]] ^= int(generator.integers(1, 256))
        files[k].write_bytes(flipped)
        found += bool(faults(folder))
        files[k].write_bytes(contents[k])
    assert found == 1000, f"seed {seed}"
    assert faults(folder) == []


def test_a_message_a_card_or_a_key_that_is_missing_or_exchanged_is_told(
    told: World, tmp_path: Path
) -> None:
    folder = copied(told, "north", tmp_path)
    for place in (*(folder.path / "messages").iterdir(), *(folder.path / "cards").iterdir()):
        content = place.read_bytes()
        place.unlink()
        assert f"{place.name}: is missing" in faults(folder)[0]
        place.write_bytes(content)
    shutil.copy(told["south"].path / "private.key", folder.path)
    (said,) = faults(PartyFolder(folder.path))
    assert "but north signs with" in said


def test_a_record_that_is_cut_short_is_told_and_removed_by_the_next(
    told: World, tmp_path: Path
) -> None:
    folder = copied(told, "north", tmp_path)
    with folder.ledger.path.open("ab") as file:
        file.write(b'{"answers":null')
    (said,) = faults(folder)
    assert "ends with 15 bytes of a record that was interrupted" in said
    folder.ledger.finished("x", b"")
    assert faults(folder) == []


def test_questions_and_answers_are_the_same_bytes_when_done_again(told: World) -> None:
    history = told["server"].history()
    assert replay_questions(history, lambda h, store: next_step(told.study, h, store)) == []
    for site, patients in PATIENTS.items():
        again = replay_answers(
            told[site].history(), lambda q, p=patients: answer(q, p), source_of(patients)
        )
        assert again == []


def test_another_cohort_is_told_once_with_the_remedy(told: World) -> None:
    others = [1.0, 2.0, 4.5, 5.0]
    (said,) = replay_answers(
        told["north"].history(), lambda q: answer(q, others), source_of(others)
    )
    own = source_of(PATIENTS["north"])
    assert said.startswith("The cohort is not the one that north has answered from")
    for part in (own.fingerprint[:12], source_of(others).fingerprint[:12], "holds 4 numbers"):
        assert part in said
    assert "the other held 3" in said
    assert "Give the cohort of the answers" in said


def test_other_statistics_are_told_round_by_round(told: World) -> None:
    history, source = told["north"].history(), source_of(PATIENTS["north"])
    problems = replay_answers(history, lambda q: answer(q, [1.0, 2.0, 4.5]), source)
    assert [p[:15] for p in problems] == ["round 0, counts", "round 1, scores"]
    (first, *_) = replay_answers(history, lambda q: answer(q, [1.0]), source)
    assert "1 patient" in first


def test_questions_made_by_other_statistics_are_told(told: World) -> None:

    def shifted(history: Sequence[Message], store: Path) -> Any:
        step = next_step(Toy(), history, store)
        return replace(
            step,
            questions=tuple(
                replace(q, body={**q.body, "more": 1}) if q.round else q for q in step.questions
            ),
        )

    problems = replay_questions(told["server"].history(), shifted)
    assert len(problems) == 2
    assert all("round 1, scores" in p and "not asked again" in p for p in problems)
