"""Keys and signatures: Ed25519, the private key in a file that its owner alone can read."""

from __future__ import annotations

import hashlib
import hmac
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from twinbayes.errors import SignatureError
from twinbayes.private_files import write_private


@dataclass(frozen=True)
class SigningKey:
    """A private key."""

    _private: Any = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Make a key.

        Raises
        ------
        SignatureError
            The package cryptography is not installed.
        """
        return cls(_ed25519()[0].generate())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a private key.

        Raises
        ------
        SignatureError
            The file is missing, unreadable, no such key, or not its owner's alone.
        """
        private = _ed25519()[0]
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            key = load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, private):
                raise ValueError("no Ed25519 key")
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SignatureError(
                f"{path.name}: the private key cannot be read. Restore it from a copy."
            ) from error
        if mode & 0o077:
            raise SignatureError(
                f"{path.name}: others than its owner may read it. Take their rights away "
                "(chmod 600); where somebody may have read it, make a new key."
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
        return fingerprint(self.public)


def is_signed(data: bytes, signature: bytes, key: bytes) -> bool:
    """Whether a signature of some bytes was made with the private key of a public one."""
    from_key, invalid = _ed25519()[1:]
    try:
        from_key(key).verify(signature, data)
    except (invalid, ValueError):
        return False
    return True


def fingerprint(key: bytes) -> str:
    """Half of the SHA-256 of a public key: eight groups of four digits, to be read aloud."""
    digits = hashlib.sha256(key).hexdigest()[:32]
    return "-".join(digits[k : k + 4] for k in range(0, 32, 4))


def _ed25519() -> tuple[Any, Any, Any]:
    """The type of private keys, what makes a public one of bytes, and the error of a signature."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise SignatureError(
            "Signatures need the package cryptography. Install twinbayes[federation]."
        ) from None
    return ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey.from_public_bytes, InvalidSignature
