"""The history of an exchange: the records of a ledger, and the messages that they speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from twinbayes.errors import FederationError
from twinbayes.federation.exchange.ledger import (
    FINISHED,
    PINNED,
    RECEIVED,
    SENT,
    sha256,
)
from twinbayes.federation.message import SERVER, Message


@dataclass(frozen=True)
class History:
    """What one party has sent and received, in order.

    Attributes
    ----------
    records
        Of the ledger; the first says who the party is.
    messages
        By digest, every message of the records.
    """

    records: tuple[Mapping[str, Any], ...]
    messages: Mapping[str, Message] = field(repr=False)

    def after(self, record: Mapping[str, Any], message: Message) -> History:
        """The history with one more message."""
        return History((*self.records, record), {**self.messages, message.digest: message})

    @property
    def party(self) -> str:
        """Whose history it is."""
        return str(self.records[0]["party"])

    @property
    def study(self) -> str:
        """SHA-256 of the study."""
        return str(self.records[0]["study"])

    @property
    def policy(self) -> Mapping[str, int]:
        """What the party has decided for the whole study."""
        found: Mapping[str, int] = self.records[0]["policy"]
        return found

    @property
    def data(self) -> str | None:
        """Fingerprint of the data behind what was released; None before."""
        found = [r["data"] for r in self.records if r["event"] == SENT]
        return found[-1] if found else None

    @property
    def held(self) -> int | None:
        """How many numbers those data hold; None before, and of the server."""
        found = [r["held"] for r in self.records if r["event"] == SENT]
        return found[-1] if found else None

    @property
    def is_of_server(self) -> bool:
        """Whether the party asks."""
        return self.party == SERVER

    @cached_property
    def carried(self) -> tuple[Mapping[str, Any], ...]:
        """Records of messages."""
        return tuple(r for r in self.records if r["event"] in (SENT, RECEIVED))

    @cached_property
    def in_order(self) -> tuple[Message, ...]:
        """Questions and answers, in the order of the ledger."""
        return tuple(self.messages[r["message"]] for r in self.carried)

    @cached_property
    def questions(self) -> tuple[Message, ...]:
        """All questions."""
        return tuple(m for m in self.in_order if not m.is_answer)

    @cached_property
    def answers(self) -> dict[str, Message]:
        """By digest of the question, the answer that counts."""
        return {m.answers: m for m in self.in_order if m.answers is not None}

    @cached_property
    def open(self) -> tuple[Message, ...]:
        """Questions that have no answer here."""
        return tuple(q for q in self.questions if q.digest not in self.answers)

    @cached_property
    def pinned(self) -> dict[str, str]:
        """By party, the fingerprint of its key."""
        return {r["party"]: r["fingerprint"] for r in self.records if r["event"] == PINNED}

    @property
    def released(self) -> int:
        """Numbers that have left in all."""
        return sum(r["numbers"] for r in self.records if r["event"] == SENT)

    @property
    def finished(self) -> Mapping[str, Any] | None:
        """The record of the last file of a fit."""
        found = [r for r in self.records if r["event"] == FINISHED]
        return found[-1] if found else None

    def has_made(self, content: bytes) -> bool:
        """Whether a file of a fit has this content."""
        digest = sha256(content)
        return any(r["event"] == FINISHED and r["sha256"] == digest for r in self.records)

    def time_of(self, message: Message) -> str:
        """When a message was recorded."""
        return next(str(r["created"]) for r in self.carried if r["message"] == message.digest)

    def admit(self, message: Message, name: str) -> bool:
        """Whether a message that came in is new; False where it is here already.

        Raises
        ------
        FederationError
            It is for somebody else, or nobody asked for it, or it was answered or asked otherwise.
        """
        if message.receiver != self.party:
            raise FederationError(
                f"{name} is for {message.receiver}, and this is the folder of {self.party}. Put "
                "it into the other inbox."
            )
        if message.digest in self.messages:
            return False
        if self.is_of_server:
            self._admit_answer(message, name)
        else:
            self._admit_question(message, name)
        return True

    def _admit_answer(self, message: Message, name: str) -> None:
        asked = {q.digest: q for q in self.questions}
        question = asked.get(message.answers or "")
        if question is None:
            raise FederationError(
                f"{name} answers no question of this ledger: {message.sender} was asked by "
                "another copy of this folder, or this one was restored from an old copy. Go on "
                "with the copy that asked."
            )
        if (question.receiver, question.round) != (message.sender, message.round):
            raise FederationError(
                f"{name} answers the question of round {question.round} to {question.receiver}, "
                f"but comes from {message.sender} for round {message.round}. Each site answers "
                "its own questions: have it sent again."
            )
        before = self.answers.get(question.digest)
        if before is not None:
            latest = max(q.round for q in self.questions)
            raise FederationError(
                f"{name} answers an old question: that of round {question.round} was answered by "
                f"{message.sender} on {self.time_of(before)} with other content, and the study is "
                f"in round {latest}. The first answer counts. If it was wrong, all parties begin "
                "anew."
            )

    def _admit_question(self, message: Message, name: str) -> None:
        if message.is_answer or message.sender != SERVER:
            raise FederationError(
                f"{name} is no question of the server. Sites answer the server alone: remove it."
            )
        latest = max((q.round for q in self.questions), default=-1)
        if message.round < latest:
            raise FederationError(
                f"{name} is an old question: it is of round {message.round}, and round {latest} "
                "was asked already. Have the server go on with the copy of its folder that asked "
                "last."
            )
        again = [q for q in self.questions if (q.round, q.kind) == (message.round, message.kind)]
        if again:
            raise FederationError(
                f"{name} asks in round {message.round} for {message.kind!r} otherwise than the "
                f"question of {self.time_of(again[0])}. One question is answered once: have the "
                "server go on with the copy of its folder that asked first."
            )
