"""The ledger of a party: what came in, what left and who released it, and whose keys are known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from twinbayes.federation.exchange.keys import Card
from twinbayes.federation.exchange.numbers import Source
from twinbayes.federation.message import Message
from twinbayes.hash_chain import HashChain

BEGAN: Final = "began"
PINNED: Final = "pinned"
SENT: Final = "sent"
RECEIVED: Final = "received"
FINISHED: Final = "finished"


class ExchangeLedger(HashChain):
    """The ledger at a path.

    Examples
    --------
    >>> from twinbayes.federation.exchange.ledger import ExchangeLedger
    >>> ledger = ExchangeLedger.begin("ledger.jsonl")
    >>> ledger.began("north", "0" * 64, b"{}", {})["event"]
    'began'
    """

    def began(
        self, party: str, study: str, study_file: bytes, policy: Mapping[str, int]
    ) -> dict[str, Any]:
        """Record whose ledger this is, in which study, and the party's own rules.

        Parameters
        ----------
        party, study
            Whose, and the SHA-256 of the study.
        study_file
            The study as a file; its hash is recorded.
        policy
            What the party has decided for the whole study, by name.
        """
        return self._append(
            {"event": BEGAN, "party": party, "study": study, "study_file": sha256(study_file),
             "policy": dict(policy)}
        )  # fmt: skip

    def pinned(self, card: Card) -> dict[str, Any]:
        """Record that a party's key is known from now on."""
        return self._append(
            {"event": PINNED, "party": card.party, "fingerprint": card.fingerprint,
             "card": sha256(card.to_bytes())}
        )  # fmt: skip

    def received(self, message: Message, envelope: bytes) -> dict[str, Any]:
        """Record a message that came in."""
        return self._append({"event": RECEIVED, **_described(message, envelope)})

    def sent(
        self,
        message: Message,
        envelope: bytes,
        *,
        numbers: int,
        source: Source | None,
        by: str | None,
    ) -> dict[str, Any]:
        """Record a message before it leaves.

        Parameters
        ----------
        message, envelope
            The message, and its signed file.
        numbers
            How many numbers leave with it.
        source
            The data behind it; None of a server, which holds no patients.
        by
            Who released it; None of a server.
        """
        return self._append(
            {"event": SENT, **_described(message, envelope), "numbers": numbers,
             "held": None if source is None else source.held,
             "data": None if source is None else source.fingerprint, "released_by": by}
        )  # fmt: skip

    def finished(self, name: str, content: bytes) -> dict[str, Any]:
        """Record the file of the posterior."""
        return self._append({"event": FINISHED, "file": name, "sha256": sha256(content)})


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _described(message: Message, envelope: bytes) -> dict[str, Any]:
    return {
        "message": message.digest, "envelope": sha256(envelope), "answers": message.answers,
        "kind": message.kind, "round": message.round, "sender": message.sender,
        "receiver": message.receiver,
    }  # fmt: skip
