"""The loop of every engine, and the bytes of a site: with a made-up server and a made-up site."""

from __future__ import annotations

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
NOTHING: Any = None


def question(site: str, number: int) -> Message:
    return Message("0" * 64, "sum", number, SERVER, site, {"add": number})


def answered(asked: Message) -> Message:
    body = {"sum": asked.body["add"] + len(asked.receiver)}
    return Message("0" * 64, "sum", asked.round, asked.receiver, SERVER, body, asked.digest)


def three_rounds(study: object, history: Sequence[Message], store: Path) -> SimpleNamespace:
    """Ask every site three times; what has an answer is not asked again."""
    done = {m.answers for m in history if m.is_answer}
    for number in range(3):
        left = [q for q in (question(site, number) for site in SITES) if q.digest not in done]
        if left:
            return SimpleNamespace(questions=left, fit=None, text=f"round {number}")
    total = sum(m.body["sum"] for m in history if m.is_answer)
    return SimpleNamespace(questions=[], fit=total, text="done")


def straight(questions: Sequence[Message]) -> Iterator[Message]:
    yield from map(answered, questions)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "next_step", three_rounds)


def test_sites_are_asked_until_there_is_a_fit_and_every_message_is_kept(tmp_path: Path) -> None:
    kept: list[Message] = []
    step = exchange.exchange(STUDY, straight, tmp_path, keep=kept.append)
    assert step.fit == 3 * (len("north") + len("south")) + 2 * (0 + 1 + 2)
    expected = [
        m for n in range(3) for s in SITES for m in (question(s, n), answered(question(s, n)))
    ]
    assert kept == expected


@pytest.mark.parametrize("broken", range(6))
def test_an_exchange_that_breaks_anywhere_goes_on_where_it_broke(
    tmp_path: Path, broken: int
) -> None:
    kept: list[Message] = []

    def breaks(questions: Sequence[Message]) -> Iterator[Message]:
        for asked in questions:
            if len(kept) == 2 * broken:
                raise FederationError("the line is dead")
            yield answered(asked)

    with pytest.raises(FederationError, match="the line is dead"):
        exchange.exchange(STUDY, breaks, tmp_path, keep=kept.append)
    history = exchange.from_lines(exchange.to_lines(kept))
    assert len(history) == 2 * broken
    step = exchange.exchange(STUDY, straight, tmp_path, history, keep=kept.append)
    whole: list[Message] = []
    assert step.fit == exchange.exchange(STUDY, straight, tmp_path, keep=whole.append).fit
    assert exchange.to_lines(kept) == exchange.to_lines(whole)


def test_a_server_without_questions_and_without_a_fit_stops_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = SimpleNamespace(questions=[], fit=None, text="two sites differ in their priors")
    monkeypatch.setattr(exchange, "next_step", lambda *_: stuck)
    with pytest.raises(FederationError, match="two sites differ in their priors"):
        exchange.exchange(STUDY, straight, tmp_path, keep=print)


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
        exchange.reply(question("north", 0).to_bytes(), cohort, disclosure=NOTHING)
    assert "Jane" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_question_that_was_changed_on_its_way_is_refused_before_any_patient_is_read() -> None:
    with pytest.raises(FederationError, match="canonical"):
        exchange.reply(question("north", 0).to_bytes() + b" ", nobody, disclosure=NOTHING)
