"""Keys of parties: Ed25519, the private one in a file of its own, the public one on a card.

A card says who has which key in which study, and is signed with that key. Whose key it is, people
tell each other by its fingerprint, on another way than the card came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from twinbayes.errors import FederationError, SignatureError
from twinbayes.federation.message import canonical, parsed
from twinbayes.signing import SigningKey, fingerprint, is_signed

CARD: Final = "twinbayes.card/1"
"""Format and version of cards."""

KEY_FILE: Final = "private.key"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_FIELDS: Final = ("format", "study", "party", "key", "signature")
_HEX: Final = re.compile(r"[0-9a-f]+")


def require_party(name: object) -> str:
    """Return the name of a party, which files and folders are called by.

    Raises
    ------
    FederationError
        It is not made of up to 40 letters, digits, hyphens and underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FederationError(
            f"{str(name)[:40]!r} is no name of a party: use up to 40 letters, digits, hyphens "
            "and underscores, and begin with a letter or digit."
        )
    return name


@dataclass(frozen=True)
class Card:
    """Who has which public key in which study.

    Attributes
    ----------
    study
        SHA-256 of the study.
    party
        Name of the party.
    key
        The public key, 32 bytes.
    signature
        Of the rest, with the private key: nobody makes a card for a key of somebody else.
    """

    study: str
    party: str
    key: bytes
    signature: bytes = field(repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """Half of the SHA-256 of the key, as eight groups of four digits to be read aloud."""
        return fingerprint(self.key)

    def to_dict(self) -> dict[str, str]:
        """The card as plain data."""
        return {**_claim(self.study, self.party, self.key), "signature": self.signature.hex()}

    def to_bytes(self) -> bytes:
        """The card as a file."""
        return canonical(self.to_dict())

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether a signature of some bytes was made with the private key of this card."""
        return is_signed(data, signature, self.key)

    @classmethod
    def from_bytes(cls, data: bytes, what: str) -> Card:
        """Read a card; only bytes that `to_bytes` writes are taken.

        Raises
        ------
        FederationError
            They are no card, or it was changed.
        """
        card = cls.from_dict(parsed(data, what), what)
        if card.to_bytes() != data:
            raise FederationError(f"{what} was changed on its way. Have it sent again.")
        return card

    @classmethod
    def from_dict(cls, content: Any, what: str) -> Card:
        """Read a card from plain data.

        Raises
        ------
        FederationError
            It is no card, or not signed with the key that stands on it.
        """
        if (
            not isinstance(content, Mapping)
            or set(content) != set(_FIELDS)
            or not all(isinstance(content[name], str) for name in _FIELDS)
            or content["format"] != CARD
            or not all(_HEX.fullmatch(content[name]) for name in ("study", "key", "signature"))
            or [len(content[name]) for name in ("study", "key", "signature")] != [64, 64, 128]
        ):
            raise FederationError(
                f"{what} is no card of the format {CARD!r}. Give the file that the other party's "
                "outbox holds, and use the same version of twinbayes everywhere."
            )
        card = cls(
            content["study"],
            require_party(content["party"]),
            bytes.fromhex(content["key"]),
            bytes.fromhex(content["signature"]),
        )
        if not card.verify(card.signature, canonical(_claim(card.study, card.party, card.key))):
            raise FederationError(
                f"{what} is not signed with the key that stands on it: it was changed on its way. "
                "Have it sent again."
            )
        return card


class KeyPair(SigningKey):
    """A party's private key, and the card of its public one."""

    @classmethod
    def new(cls) -> Self:
        """Make a key.

        Raises
        ------
        FederationError
            The package cryptography is not installed.
        """
        try:
            return super().new()
        except SignatureError as error:
            raise FederationError(str(error)) from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a private key.

        Raises
        ------
        FederationError
            The file is missing, unreadable, or not its owner's alone.
        """
        try:
            return super().read(path)
        except SignatureError as error:
            raise FederationError(
                f"{error} In a federation, a party with a new key joins anew."
            ) from error

    def card(self, study: str, party: str) -> Card:
        """The card of the public key."""
        key = self.public
        return Card(study, party, key, self.sign(canonical(_claim(study, party, key))))


def _claim(study: str, party: str, key: bytes) -> dict[str, str]:
    return {"format": CARD, "study": study, "party": party, "key": key.hex()}
