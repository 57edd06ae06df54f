"""Keys, cards and envelopes: nobody is believed whose signature does not fit."""

from __future__ import annotations

import builtins
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chance import drawn_seed
from twinbayes.errors import FederationError
from twinbayes.federation.exchange.envelope import opened, sealed
from twinbayes.federation.exchange.keys import KEY_FILE, Card, KeyPair, require_party
from twinbayes.federation.message import Message

STUDY = "ab" * 32


@pytest.fixture(scope="module")
def keys() -> KeyPair:
    return KeyPair.new()


@pytest.fixture(scope="module")
def card(keys: KeyPair) -> Card:
    return keys.card(STUDY, "north")


def message(**changes: Any) -> Message:
    whole = Message(STUDY, "counts", 0, "north", "server", {"n": 3}, answers="cd" * 32)
    return replace(whole, **changes)


def test_a_message_comes_back_from_its_envelope_and_sealing_is_always_the_same(
    keys: KeyPair, card: Card
) -> None:
    envelope = sealed(message(), keys)
    assert opened(envelope, "x.msg", [card], STUDY) == message()
    assert sealed(message(), keys) == envelope
    assert envelope.endswith(message().to_bytes())


def test_any_flipped_byte_of_an_envelope_is_found(keys: KeyPair, card: Card) -> None:
    envelope = sealed(message(), keys)
    for place in range(len(envelope)):
        flipped = bytearray(envelope)
        flipped[place] ^= 1 + drawn_seed(below=255)
        with pytest.raises(FederationError):
            opened(bytes(flipped), "x.msg", [card], STUDY)


@pytest.mark.parametrize("cut", [0, 1, 100, 250, -1])
def test_a_part_of_an_envelope_is_none(keys: KeyPair, card: Card, cut: int) -> None:
    with pytest.raises(FederationError, match="not whole"):
        opened(sealed(message(), keys)[:cut], "x.msg", [card], STUDY)


def unread(_: bytes) -> None:
    raise AssertionError("a message was read before its signature was found to fit")


@pytest.mark.requirement("R-065")
def test_a_message_is_not_read_before_its_signature_fits(
    keys: KeyPair, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Message, "from_bytes", unread)
    with pytest.raises(FederationError, match="nobody's here"):
        opened(sealed(message(), KeyPair.new()), "x.msg", [card], STUDY)
    with pytest.raises(FederationError, match="not what north signed"):
        opened(sealed(message(), keys) + b" ", "x.msg", [card], STUDY)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "in another's name": ({"sender": "south"}, "in the name of south, but signed by north"),
    "of another study": ({"study": "cd" * 32}, "of another study, cdcdcdcdcdcd"),
    "a round that is text": ({"round": "0"}, "are not what a message has there"),
    "a round below 0": ({"round": -1}, "are not what a message has there"),
    "a kind with a bell": ({"kind": "count\a"}, "are not what a message has there"),
    "a body that is a list": ({"body": [1]}, "are not what a message has there"),
    "an answer to no digest": ({"answers": "x"}, "are not what a message has there"),
    "a receiver that is a path": ({"receiver": "../server"}, "is no name of a party"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_signed_message_that_is_not_in_order_is_refused(
    keys: KeyPair, card: Card, case: str
) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(FederationError, match=words):
        opened(sealed(message(**changes), keys), "x.msg", [card], STUDY)


def test_a_private_key_is_its_owners_alone_and_comes_back(tmp_path: Path, keys: KeyPair) -> None:
    path = keys.write(tmp_path / KEY_FILE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyPair.read(path).fingerprint == keys.fingerprint
    assert "PRIVATE KEY" in path.read_text()
    path.chmod(0o640)
    with pytest.raises(FederationError, match="others than its owner"):
        KeyPair.read(path)


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
def test_a_private_key_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / KEY_FILE
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(FederationError, match="cannot be read"):
        KeyPair.read(path)


def test_a_fingerprint_is_half_of_the_hash_of_the_key_that_openssl_sees(
    tmp_path: Path, keys: KeyPair
) -> None:
    command = [
        "openssl",
        "pkey",
        "-in",
        keys.write(tmp_path / KEY_FILE),
        "-pubout",
        "-outform",
        "DER",
    ]
    try:
        done = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    raw = done.stdout[-32:]  # RFC 8410: the key ends the structure
    hashed = subprocess.run(["sha256sum"], input=raw, capture_output=True, check=True).stdout
    assert keys.fingerprint.replace("-", "") == hashed.decode()[:32]
    assert keys.card(STUDY, "north").key == raw


def test_a_card_is_read_as_it_was_written_and_any_flipped_byte_is_found(card: Card) -> None:
    data = card.to_bytes()
    assert Card.from_bytes(data, "north.card") == card
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 + drawn_seed(below=255)
        with pytest.raises(FederationError):
            Card.from_bytes(bytes(flipped), "north.card")


def test_nobody_makes_a_card_for_the_key_of_somebody_else(card: Card) -> None:
    for changed in (replace(card, party="south"), replace(card, study="cd" * 32)):
        with pytest.raises(FederationError, match="not signed with the key"):
            Card.from_bytes(changed.to_bytes(), "x.card")


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a" * 41, "näh", "a b", 3, None])
def test_names_of_parties_are_names_of_files(name: object) -> None:
    with pytest.raises(FederationError, match="no name of a party"):
        require_party(name)


def without_cryptography(real: Callable[..., Any]) -> Callable[..., Any]:
    def importing(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest, **named)

    return importing


def test_without_the_package_for_signatures_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(builtins, "__import__", without_cryptography(builtins.__import__))
    for act in (KeyPair.new, lambda: KeyPair.read(tmp_path / KEY_FILE)):
        with pytest.raises(FederationError, match=r"Install twinbayes\[federation\]"):
            act()
