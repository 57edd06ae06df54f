"""Messages of a federation: typed, versioned JSON documents with one sequence of bytes each.

Nothing here knows what is asked, or how messages travel. A message is the same on every machine:
its keys are sorted, its numbers are written once, and its arrays are bytes in a stated order.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.showing import brief

FORMAT: Final = "twinbayes.federation/1"
"""Format and version of messages."""

SERVER: Final = "server"
"""Who asks. A site may not be called so."""

MOST_BYTES: Final = 1 << 26
"""Largest message that is read."""

_FIELDS: Final = ("format", "study", "kind", "round", "sender", "receiver", "answers", "body")


@brief
@dataclass(frozen=True)
class Message:
    """A question of the server, or a site's answer to one.

    Attributes
    ----------
    study
        SHA-256 of what all parties have agreed on, or of the proposal.
    kind
        What is asked or answered: one of the kinds of the schema.
    round
        Number of the exchange, from 0.
    sender, receiver
        Names of the parties.
    body
        Plain data; arrays as `packed` writes them.
    answers
        Digest of the question that this answers; None of a question.

    Examples
    --------
    >>> question = Message("0" * 64, "counts", 0, "server", "north", {"events": [3, 1]})
    >>> Message.from_bytes(question.to_bytes()) == question
    True
    >>> question.is_answer
    False
    """

    study: str
    kind: str
    round: int
    sender: str
    receiver: str
    body: Mapping[str, Any] = field(repr=False)
    answers: str | None = None

    @property
    def is_answer(self) -> bool:
        """Whether this answers a question."""
        return self.answers is not None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @cached_property
    def topic(self) -> str:
        """SHA-256 of what is asked, whoever is asked: the same for all sites of a round."""
        content = {name: getattr(self, name) for name in ("study", "kind", "round", "body")}
        return hashlib.sha256(canonical(content)).hexdigest()

    def to_bytes(self) -> bytes:
        """The message as canonical JSON in UTF-8: sorted keys, no blanks, no NaN."""
        content = {"format": FORMAT} | {name: getattr(self, name) for name in _FIELDS[1:]}
        return canonical(content)

    @classmethod
    def from_bytes(cls, data: bytes) -> Message:
        """Read a message; only the bytes that `to_bytes` would write are taken.

        Raises
        ------
        FederationError
            The bytes are no message of this version, or not in canonical form.
        """
        content = parsed(data, "The message")
        if not isinstance(content, dict) or set(content) != set(_FIELDS):
            raise FederationError(
                f"A message has the fields {', '.join(_FIELDS)}, and no others. Give the bytes "
                "that the other party sent."
            )
        if content.pop("format") != FORMAT:
            raise FederationError(
                f"The message is not of the format {FORMAT!r}: the other party has another "
                "version of twinbayes. Use the same version everywhere."
            )
        message = cls(**content)
        if message.to_bytes() != data:
            raise FederationError(
                "The message is not in canonical form: it was changed on its way, or written by "
                "something else. Ask the other party to send it again."
            )
        return message


def canonical(content: Any) -> bytes:
    """Plain data as the one sequence of bytes that stands for it.

    Raises
    ------
    FederationError
        A number is not finite, or something is no plain data.
    """
    try:
        text = json.dumps(
            content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as error:
        raise FederationError(
            f"A message holds plain data with finite numbers alone: {error}."
        ) from error


def parsed(data: bytes, what: str) -> Any:
    """Plain data from bytes that somebody else wrote.

    Raises
    ------
    FederationError
        Too long, no JSON in UTF-8, a key twice, a number that is not finite.
    """
    if len(data) > MOST_BYTES:
        raise FederationError(
            f"{what} has {len(data)} bytes; at most {MOST_BYTES} are read. Ask for fewer draws."
        )

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) < len(pairs):
            raise ValueError("a key stands there twice")
        return out

    def finite(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
        return value

    def short(text: str) -> int:
        if len(text) > 20:
            raise ValueError("an integer is too long")
        return int(text)

    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=once,
            parse_constant=finite,
            parse_float=finite,
            parse_int=short,
        )
    except (ValueError, RecursionError) as error:
        raise FederationError(f"{what} cannot be read: {error}. Have it sent again.") from error


def packed(values: Floats, *, single: bool = False) -> dict[str, Any]:
    """An array as plain data: its shape, and little-endian numbers in base64.

    Doubles; or numbers of single precision, for whoever goes on with what `unpacked` returns.

    Raises
    ------
    FederationError
        A number is not finite.
    """
    kind = "f4" if single else "f8"
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(values, dtype=f"<{kind}")
    if not np.isfinite(array).all():
        raise FederationError("A message holds finite numbers alone.")
    return {"shape": list(array.shape), kind: base64.b64encode(array.tobytes()).decode("ascii")}


def packed_integers(values: NDArray[np.uint64]) -> dict[str, Any]:
    """Integers (number,) below 2^64 as plain data: little-endian words in base64."""
    words = np.ascontiguousarray(values, dtype="<u8")
    return {"shape": list(words.shape), "u8": base64.b64encode(words.tobytes()).decode("ascii")}


def unpacked_integers(data: Any) -> NDArray[np.uint64]:
    """The integers that `packed_integers` wrote.

    Raises
    ------
    FederationError
        It is no such array.
    """
    given, raw = _bytes_of(data, "u8")
    if len(given) != 1:
        raise FederationError("Masked numbers of a message are one after the other.")
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64)


def _bytes_of(data: Any, key: str) -> tuple[tuple[int, ...], bytes]:
    """Shape and bytes of a packed array, whose kind says how many bytes a word has."""
    try:
        given = tuple(int(n) for n in data["shape"])
        raw = base64.b64decode(data[key], validate=True)
        if any(n < 0 for n in given) or len(raw) != int(key[1]) * math.prod(given):
            raise ValueError("its length is not that of its shape")
    except (TypeError, KeyError, ValueError) as error:
        raise FederationError(f"An array of the message cannot be read: {error}.") from error
    return given, raw


def unpacked(data: Any, *shape: int | None) -> Floats:
    """The array that `packed` wrote, of the shape that is due; None stands for any length.

    Raises
    ------
    FederationError
        It is no such array, of another shape, or holds numbers that are not finite.
    """
    kind = "f4" if isinstance(data, Mapping) and "f4" in data else "f8"
    given, raw = _bytes_of(data, kind)
    array = np.frombuffer(raw, dtype=f"<{kind}").reshape(given).astype(float)
    if len(given) != len(shape) or any(
        s is not None and s != n for s, n in zip(shape, given, strict=True)
    ):
        wanted = " by ".join("any" if s is None else str(s) for s in shape)
        raise FederationError(f"An array of the message has shape {given}; it must be {wanted}.")
    if not np.isfinite(array).all():
        raise FederationError("An array of the message holds a number that is not finite.")
    return array
