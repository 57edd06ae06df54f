"""The loop of every engine, and the bytes of a site: with a made-up server and a made-up site."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twinbayes.cohort import Cohort
from twinbayes.errors import CohortError, FederationError
from twinbayes.federation.engines import exchange
from twinbayes.federation.message import SERVER, Message

SITES = ("north", "south")
STUDY: Any = SimpleNamespace(digest="0" * 64)
TERMS = exchange.Terms(b"\x07" * 32)


def question(site: str, number: int) -> Message:
    return Message("0" * 64, "sum", number, SERVER, site, {"add": number})


def answered(asked: Message) -> Message:
    body = {"sum": asked.body["add"] + len(asked.receiver)}
    return Message("0" * 64, "sum", asked.round, asked.receiver, SERVER, body, asked.digest)


def three_rounds(study: object, history: Sequence[Message], store: Path) -> SimpleNamespace:
    """Ask every site three times; what has an answer is not asked again."""
    done = {m.answers for m in history if m.is_answer}
    for number in range(3):
        asked = [question(site, number) for site in SITES]
        if missing := [q.receiver for q in asked if q.digest not in done]:
            return SimpleNamespace(
                questions=asked, missing=missing, posterior=None, text=f"round {number}"
            )
    total = sum(m.body["sum"] for m in history if m.is_answer)
    return SimpleNamespace(questions=[], missing=[], posterior=total, text="done")


def straight(questions: Sequence[Message]) -> Iterator[Message]:
    yield from map(answered, questions)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "next_step", three_rounds)


def test_sites_are_asked_until_there_is_a_posterior_and_every_message_is_kept(
    tmp_path: Path,
) -> None:
    kept: list[Message] = []
    posterior = exchange.exchange(STUDY, straight, tmp_path, keep=kept.append)
    assert posterior == 3 * (len("north") + len("south")) + 2 * (0 + 1 + 2)
    expected = [
        message
        for n in range(3)
        for message in (
            *(question(site, n) for site in SITES),
            *(answered(question(site, n)) for site in SITES),
        )
    ]
    assert kept == expected


@pytest.mark.parametrize("broken", range(6))
def test_an_exchange_that_breaks_anywhere_goes_on_where_it_broke(
    tmp_path: Path, broken: int
) -> None:
    kept: list[Message] = []

    def breaks(questions: Sequence[Message]) -> Iterator[Message]:
        for asked in questions:
            if sum(m.is_answer for m in kept) == broken:
                raise FederationError("the line is dead")
            yield answered(asked)

    with pytest.raises(FederationError, match="the line is dead"):
        exchange.exchange(STUDY, breaks, tmp_path, keep=kept.append)
    history = exchange.from_lines(exchange.to_lines(kept))
    assert sum(m.is_answer for m in history) == broken
    posterior = exchange.exchange(STUDY, straight, tmp_path, history, keep=kept.append)
    whole: list[Message] = []
    assert posterior == exchange.exchange(STUDY, straight, tmp_path, keep=whole.append)
    assert exchange.to_lines(kept) == exchange.to_lines(whole)


def test_a_server_without_questions_and_without_a_posterior_stops_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = SimpleNamespace(
        questions=[], missing=[], posterior=None, text="two sites differ in their priors"
    )
    monkeypatch.setattr(exchange, "next_step", lambda *_: stuck)
    with pytest.raises(FederationError, match="two sites differ in their priors"):
        exchange.exchange(STUDY, straight, tmp_path, keep=print)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "hexadecimal"),
        ({"secret": "0f" * 31}, "at least 32"),
        ({"secret": "no digits" * 9}, "hexadecimal"),
        ({"secret": 7}, "known are secret, minimum, fewest_sites"),
        ({"secret": "0f" * 32, "minimun": 3}, "known are secret, minimum, fewest_sites"),
        ({"secret": "0f" * 32, "minimum": "3"}, "whole numbers"),
        ({"secret": "0f" * 32, "minimum": True}, "whole numbers"),
        ({"secret": "0f" * 32, "fewest_sites": -1}, "whole numbers"),
        (["secret"], "hexadecimal"),
    ],
)
def test_terms_that_are_none_are_refused_and_no_secret_is_shown(written: object, said: str) -> None:
    with pytest.raises(FederationError, match=said) as caught:
        exchange.Terms.from_dict(written)
    assert "0f0f" not in str(caught.value)
    assert "no digits" not in str(caught.value)


def test_every_study_has_a_secret_of_its_own_made_of_the_one_that_the_site_keeps() -> None:
    terms = exchange.Terms.from_dict({"secret": "0f" * 32, "minimum": 9, "fewest_sites": 4})
    one, again, other = (terms.disclosure(study) for study in ("1" * 64, "1" * 64, "2" * 64))
    assert one == again
    assert (one.minimum, one.fewest_sites) == (9, 4)
    assert len({one.secret, other.secret, terms.secret}) == 3
    assert one.secret.hex() == hmac.new(b"\x0f" * 32, b"1" * 64, "sha256").hexdigest()
    assert "0f" * 4 not in repr(terms) + repr(one)


def nobody() -> Cohort:
    raise CohortError("patients, row 7: 'Jane Doe' died before birth")


def broken_site(*_: object, **__: object) -> Message:
    raise ValueError("Jane Doe, 1961")


def refusing_site(*_: object, **__: object) -> Message:
    raise FederationError("the prior of beta is another one here")


@pytest.mark.parametrize(
    ("site", "cohort", "said"),
    [
        (answered, nobody, "CohortError"),
        (broken_site, lambda: None, "ValueError"),
        (refusing_site, lambda: None, "the prior of beta"),
    ],
)
def test_what_a_site_says_of_its_data_stays_there_and_what_it_says_of_the_question_goes_out(
    site: Callable[..., Message],
    cohort: Callable[[], Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "answer", site)
    with pytest.raises(FederationError, match=said) as caught:
        exchange.reply(question("north", 0).to_bytes(), cohort, TERMS)
    assert "Jane" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_question_that_was_changed_on_its_way_is_refused_before_any_patient_is_read() -> None:
    with pytest.raises(FederationError, match="canonical"):
        exchange.reply(question("north", 0).to_bytes() + b" ", nobody, TERMS)
