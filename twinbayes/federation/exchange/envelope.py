"""Envelopes: a message as a file, with its signature; nothing of it is read before that fits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from twinbayes.errors import FederationError
from twinbayes.federation.exchange.keys import Card, KeyPair, require_party
from twinbayes.federation.message import MOST_BYTES, Message

_FIRST: Final = b"twinbayes.envelope/1\n"
_HEADER: Final = re.compile(
    re.escape(_FIRST) + rb"key ((?:[0-9a-f]{4}-){7}[0-9a-f]{4})\nsignature ([0-9a-f]{128})\n"
)
_KIND: Final = re.compile(r"[a-z][a-z0-9 _-]{0,39}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

MOST_ENVELOPE: Final = MOST_BYTES + 1024
"""Largest file that is read."""


def sealed(message: Message, keys: KeyPair) -> bytes:
    """Sign a message; the same bytes each time.

    Raises
    ------
    FederationError
        The message is no plain data.
    """
    data = message.to_bytes()
    signature = keys.sign(_FIRST + data).hex()
    return b"%skey %s\nsignature %s\n%s" % (
        _FIRST, keys.fingerprint.encode(), signature.encode(), data,
    )  # fmt: skip


def opened(data: bytes, name: str, cards: Iterable[Card], study: str) -> Message:
    """Return the message of an envelope, after its signature was found to fit.

    Parameters
    ----------
    data
        The whole file.
    name
        What errors call it.
    cards
        The parties that are known.
    study
        SHA-256 of the study.

    Raises
    ------
    FederationError
        It is no envelope, or changed, or of a party that is not known, or a message in somebody
        else's name, or of another study.
    """
    header = _HEADER.match(data)
    if header is None:
        raise FederationError(
            f"{name} is no signed message, or not whole: wait until it is copied, or have it sent "
            "again."
        )
    fingerprint = header[1].decode()
    known = {card.fingerprint: card for card in cards}
    if fingerprint not in known:
        parties = ", ".join(sorted(card.party for card in known.values())) or "nobody"
        raise FederationError(
            f"{name} is signed with the key {fingerprint}, which is nobody's here (known: "
            f"{parties}). Ask who sent it, and for a message signed with the key that was agreed "
            "on."
        )
    card, rest = known[fingerprint], data[header.end() :]
    if not card.verify(bytes.fromhex(header[2].decode()), _FIRST + rest):
        raise FederationError(
            f"{name} is not what {card.party} signed: it was changed on its way, or is not whole. "
            "Have it sent again; where that happens twice, find out who changes it."
        )
    message = Message.from_bytes(rest)
    _require_plain(message, name)
    if message.sender != card.party:
        raise FederationError(
            f"{name} is in the name of {message.sender}, but signed by {card.party}. Nobody "
            f"speaks for others: ask {card.party} how it came about."
        )
    if message.study != study:
        raise FederationError(
            f"{name} is of another study, {message.study[:12]}; here is {study[:12]}. Put it into "
            "the folder of that study, or have all parties begin from the same invitation."
        )
    return message


def _require_plain(message: Message, name: str) -> None:
    """Refuse a message whose fields are not of their types."""
    found: tuple[object, ...] = (message.round, message.kind, message.study, message.answers)
    number, kind, study, answers = found
    if (
        not isinstance(number, int)
        or isinstance(number, bool)
        or number < 0
        or not isinstance(kind, str)
        or not _KIND.fullmatch(kind)
        or not isinstance(message.body, dict)
        or not isinstance(study, str)
        or not _DIGEST.fullmatch(study)
        or not (answers is None or (isinstance(answers, str) and _DIGEST.fullmatch(answers)))
    ):
        raise FederationError(
            f"{name}: round, kind, study, body or answers are not what a message has there. Use "
            "the same version of twinbayes everywhere."
        )
    require_party(message.sender)
    require_party(message.receiver)
