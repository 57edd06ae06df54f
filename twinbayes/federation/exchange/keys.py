"""Keys of parties: Ed25519, the private one in a file of its own, the public one on a card.

A card says who has which key in which study, and is signed with that key. Whose key it is, people
tell each other by its fingerprint, on another way than the card came.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from twinbayes.errors import FederationError
from twinbayes.federation.message import canonical, parsed
from twinbayes.private_files import write_private

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
        return _fingerprint(self.key)

    def to_dict(self) -> dict[str, str]:
        """The card as plain data."""
        return {**_claim(self.study, self.party, self.key), "signature": self.signature.hex()}

    def to_bytes(self) -> bytes:
        """The card as a file."""
        return canonical(self.to_dict())

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether a signature of some bytes was made with the private key of this card."""
        from_key, invalid = _ed25519()[1:]
        try:
            from_key(self.key).verify(signature, data)
        except (invalid, ValueError):
            return False
        return True

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


@dataclass(frozen=True)
class KeyPair:
    """A party's private key, and the card of its public one."""

    _private: Any = field(repr=False)

    @classmethod
    def new(cls) -> KeyPair:
        """Make a key."""
        return cls(_ed25519()[0].generate())

    @classmethod
    def read(cls, path: Path) -> KeyPair:
        """Read a private key.

        Raises
        ------
        FederationError
            The file is missing, unreadable, or not its owner's alone.
        """
        private = _ed25519()[0]
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            key = load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, private):
                raise ValueError("no Ed25519 key")
        except (OSError, ValueError, TypeError) as error:
            raise FederationError(
                f"{path.name}: the private key cannot be read. Restore it from a copy; without "
                "one, the party has to join anew."
            ) from error
        if mode & 0o077:
            raise FederationError(
                f"{path.name}: others than its owner may read it. Take their rights away "
                "(chmod 600); if somebody may have read it, begin the study anew."
            )
        return cls(key)

    def write(self, path: Path) -> Path:
        """Write the private key, as PKCS#8 in PEM, for its owner alone."""
        from cryptography.hazmat.primitives import serialization as s

        content: bytes = self._private.private_bytes(
            s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()
        )
        return write_private(path, content)

    def sign(self, data: bytes) -> bytes:
        """Sign some bytes: the same 64 bytes each time."""
        signature: bytes = self._private.sign(data)
        return signature

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        key: bytes = self._private.public_key().public_bytes_raw()
        return key

    def secret(self, purpose: str) -> bytes:
        """32 bytes for a purpose, which follow from the private key: HMAC with SHA-256."""
        seed: bytes = self._private.private_bytes_raw()
        return hmac.digest(seed, purpose.encode("utf-8"), "sha256")

    @property
    def fingerprint(self) -> str:
        """That of the public key."""
        return _fingerprint(self.public)

    def card(self, study: str, party: str) -> Card:
        """The card of the public key."""
        key = self.public
        return Card(study, party, key, self.sign(canonical(_claim(study, party, key))))


def _fingerprint(key: bytes) -> str:
    digits = hashlib.sha256(key).hexdigest()[:32]
    return "-".join(digits[k : k + 4] for k in range(0, 32, 4))


def _claim(study: str, party: str, key: bytes) -> dict[str, str]:
    return {"format": CARD, "study": study, "party": party, "key": key.hex()}


def _ed25519() -> tuple[Any, Any, Any]:
    """The type of private keys, what makes a public one of bytes, and the error of a signature."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise FederationError(
            "Signatures need the package cryptography. Install twinbayes[federation]."
        ) from None
    return ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey.from_public_bytes, InvalidSignature
