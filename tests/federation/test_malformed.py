"""Messages of somebody else's making: refused in our words, whatever stands in them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from chance import drawn_seed
from federation_study import Told, cohort_of, network, secret_of
from twinbayes.errors import FederationError
from twinbayes.federation import Disclosure, answer, next_step

BAD = (
    None, [], {}, "", "x", -1, 0, 1e308, 2**63, True, [None], [[1]], {"a": {}}, "é" * 5,
    {"shape": [1], "f8": "AAAA"}, {"shape": [10**9], "f8": ""},
)  # fmt: skip


def _places(of: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    keys = of if isinstance(of, dict) else range(min(len(of), 3)) if isinstance(of, list) else ()
    for key in keys:
        yield from _places(of[key], (*at, key))


def _spoilt(body: Any, rng: random.Random) -> Any:
    """The body with one thing taken out or replaced, more often outside the study's own text."""
    out = copy.deepcopy(body)
    place = rng.choice([p for p in _places(out) if p[0] != "study" or rng.random() < 0.1])
    inside = out
    for key in place[:-1]:
        inside = inside[key]
    if isinstance(inside, dict) and rng.random() < 0.2:
        del inside[place[-1]]
    else:
        inside[place[-1]] = rng.choice(BAD)
    return out


def test_a_malformed_question_is_answered_or_refused_in_our_words(early: Told) -> None:
    seed = drawn_seed()
    rng = random.Random(seed)  # noqa: S311 - no secret
    cohorts = {s: cohort_of(t) for s, t in network().items()}
    questions = [m for m in early.messages if not m.is_answer]
    refused = 0
    for _ in range(80):
        question = rng.choice(questions)
        mine = Disclosure(secret=secret_of(question.receiver))
        bad = replace(question, body=_spoilt(question.body, rng))
        try:
            answer(bad, cohorts[question.receiver], disclosure=mine)
        except FederationError:
            refused += 1
    assert refused > 40, seed


def test_a_malformed_message_stops_the_server_in_our_words(early: Told, tmp_path: Path) -> None:
    seed = drawn_seed()
    rng = random.Random(seed)  # noqa: S311 - no secret
    refused = 0
    for _ in range(40):
        one = rng.choice(early.messages)
        others = [m for m in early.messages if m.round <= one.round and m is not one]
        try:
            next_step(early.study, [*others, replace(one, body=_spoilt(one.body, rng))], tmp_path)
        except FederationError:
            refused += 1
    assert refused > 10, seed
