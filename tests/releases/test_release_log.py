"""Releases: states, two people, and what is found of logs that were tampered with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chance import drawn_seed
from twinbayes.errors import ReleaseError, StorageError
from twinbayes.hash_chain import FIRST, canonical
from twinbayes.releases import (
    ReleaseLog,
    Signatory,
    Trusted,
    release_log_of,
    release_state,
    require_in_use,
)
from twinbayes.releases import log as log_module
from twinbayes.releases.lines import MEANINGS, claim
from twinbayes.signing import SigningKey

pytest.importorskip("cryptography", reason="the extra `federation` is not installed")
SEED = drawn_seed(__name__)


class People:
    """Three people with keys, one of whom has two, and a stranger."""

    def __init__(self) -> None:
        self.keys = {name: SigningKey.new() for name in ("author", "reviewer", "second", "head")}
        self.stranger = SigningKey.new()
        who = {"author": ("Author A", "author"), "head": ("Head C", "head")}
        who |= dict.fromkeys(("reviewer", "second"), ("Reviewer Böhm", "reviewer"))
        self.trusted = Trusted(
            tuple(Signatory(*who[k], v.public.hex()) for k, v in self.keys.items())
        )


@pytest.fixture(scope="module")
def people() -> People:
    return People()


@pytest.fixture
def fit(tmp_path: Path) -> Path:
    path = tmp_path / "aml.nc"
    path.write_bytes(b"the content of a fit")
    return path


@pytest.fixture
def sign(people: People, fit: Path) -> Callable[..., dict[str, Any]]:
    def add(state: str, who: str, of: Path = fit) -> dict[str, Any]:
        log = ReleaseLog.at(release_log_of(of))
        return log.add(state, of, f"{state} in a test", people.keys[who], people.trusted)

    return add


@pytest.fixture
def released(sign: Callable[..., dict[str, Any]], fit: Path) -> Path:
    for state, who in (("draft", "author"), ("reviewed", "reviewer"), ("released", "head")):
        sign(state, who)
    return fit


def write_log(path: Path, records: list[dict[str, Any]]) -> None:
    """Write a log with its side file, as somebody would who knows how and has no key."""
    previous, lines = FIRST, []
    for k, record in enumerate(records):
        content = {**record, "record": k, "previous": previous}
        content.pop("hash", None)
        content["hash"] = previous = hashlib.sha256(canonical(content).encode()).hexdigest()
        lines.append(canonical(content).encode() + b"\n")
    text = b"".join(lines)
    path.write_bytes(text)
    head = {"format": 1, "records": len(records), "bytes": len(text), "hash": previous}
    path.with_name(f"{path.name}.head").write_text(canonical(head) + "\n")


def signed(records: list[dict[str, Any]], key: SigningKey, **changed: Any) -> dict[str, Any]:
    """A line that anybody with a key can make, whatever the rules are."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = {
        "format": 1, "record": len(records), "created": now, "kind": "release",
        "previous": records[-1]["hash"] if records else FIRST, "key": key.public.hex(),
        "why": "because", **changed,
    }  # fmt: skip
    line = {"meaning": MEANINGS[line["state"]], **line}
    return {**line, "signature": key.sign(claim(line)).hex()}


@pytest.mark.requirement("R-071")
def test_two_people_release_a_fit_and_one_withdraws_it(
    released: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    found = release_state(released, trusted=people.trusted)
    assert found.is_released
    assert found.faults == ()
    assert [line["state"] for line in found.lines] == ["draft", "reviewed", "released"]
    assert {line["fit"] for line in found.lines} == {
        hashlib.sha256(released.read_bytes()).hexdigest()
    }
    assert not release_state(released).is_released  # whose signatures, nobody has asked
    require_in_use(released)
    sign("withdrawn", "reviewer")
    found = release_state(released, trusted=people.trusted)
    assert (found.state, found.is_released, found.faults) == ("withdrawn", False, ())
    with pytest.raises(ReleaseError, match=r"withdrawn on .* by Reviewer Böhm \(reviewer\)"):
        require_in_use(released)


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([], ("reviewed", "reviewer")),
        ([], ("released", "head")),
        ([("draft", "author")], ("draft", "reviewer")),
        ([("draft", "author")], ("released", "head")),
        ([("draft", "author"), ("reviewed", "reviewer")], ("released", "reviewer")),
        ([("draft", "author"), ("reviewed", "reviewer")], ("released", "second")),
        ([("draft", "author"), ("reviewed", "reviewer")], ("reviewed", "head")),
        ([("draft", "author"), ("withdrawn", "author")], ("reviewed", "reviewer")),
        ([("draft", "author"), ("withdrawn", "author")], ("withdrawn", "reviewer")),
        ([("withdrawn", "author")], ("draft", "author")),
    ],
)
def test_steps_that_may_not_follow_are_refused_and_leave_nothing(
    fit: Path,
    sign: Callable[..., dict[str, Any]],
    steps: list[tuple[str, str]],
    last: tuple[str, str],
) -> None:
    for state, who in steps:
        sign(state, who)
    with pytest.raises(ReleaseError):
        sign(*last)
    assert len(release_state(fit).lines) == len(steps)


def test_a_key_that_nobody_trusts_signs_nothing(fit: Path, people: People) -> None:
    log = ReleaseLog.begin(release_log_of(fit))
    with pytest.raises(ReleaseError, match="nobody's in the file of trusted people"):
        log.add("draft", fit, "a reason", people.stranger, people.trusted)
    assert log.records() == []


@pytest.mark.requirement("R-071")
def test_a_line_of_a_stranger_does_not_count_and_a_fit_can_be_withdrawn_behind_it(
    fit: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    sign("draft", "author")
    records = ReleaseLog(release_log_of(fit)).records()
    line = signed(
        records, people.stranger, state="reviewed", fit=records[0]["fit"], name="Reviewer Böhm",
        role="reviewer",
    )  # fmt: skip
    write_log(release_log_of(fit), [*records, line])
    assert "not among those who are trusted" in release_state(fit, trusted=people.trusted).faults[0]
    with pytest.raises(ReleaseError, match="Line 2: signed by 'Reviewer Böhm'"):
        sign("released", "head")
    sign("withdrawn", "head")
    assert release_state(fit, trusted=people.trusted).state == "withdrawn"


def test_a_withdrawal_of_a_stranger_stops_use_and_does_not_hinder_that_of_people(
    released: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    records = ReleaseLog(release_log_of(released)).records()
    line = signed(
        records, people.stranger, state="withdrawn", fit=records[0]["fit"], name="X", role="y"
    )
    write_log(release_log_of(released), [*records, line])
    with pytest.raises(ReleaseError, match="withdrawn"):
        require_in_use(released)
    sign("withdrawn", "author")
    with pytest.raises(ReleaseError):
        sign("withdrawn", "reviewer")


def test_swapped_keys_are_found(fit: Path, people: People) -> None:
    digest = hashlib.sha256(fit.read_bytes()).hexdigest()
    line = signed(
        [], people.keys["author"], state="draft", fit=digest, name="Reviewer Böhm", role="reviewer"
    )
    write_log(release_log_of(fit), [line])
    [fault] = release_state(fit, trusted=people.trusted).faults
    assert "not among those who are trusted" in fault
    swapped = {**line, "key": people.keys["reviewer"].public.hex()}
    write_log(release_log_of(fit), [swapped])
    with pytest.raises(StorageError, match="line 1 is not what the key on it signed"):
        release_state(fit)


def test_the_log_of_another_fit_and_lines_of_it_are_refused(
    released: Path, people: People, sign: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    other = tmp_path / "other.nc"
    other.write_bytes(b"another fit")
    source, target = release_log_of(released), release_log_of(other)
    for suffix in ("", ".head"):
        target.with_name(target.name + suffix).write_bytes(
            source.with_name(source.name + suffix).read_bytes()
        )
    assert not release_state(other, trusted=people.trusted).is_released
    with pytest.raises(ReleaseError, match="not the one that was signed"):
        require_in_use(other)
    for suffix in ("", ".head"):
        target.with_name(target.name + suffix).unlink()
    sign("draft", "author", other)
    replayed = [*ReleaseLog(target).records(), ReleaseLog(source).records()[1]]
    write_log(target, replayed)
    with pytest.raises(StorageError, match="line 2 is not what the key on it signed"):
        release_state(other)


@pytest.mark.requirement("R-072")
def test_a_released_fit_whose_file_changed_is_refused(released: Path, people: People) -> None:
    released.write_bytes(released.read_bytes() + b".")
    assert not release_state(released, trusted=people.trusted).is_released
    with pytest.raises(ReleaseError, match="not the one that was signed"):
        require_in_use(released)


def test_a_fit_whose_file_changed_can_be_withdrawn(
    released: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    released.write_bytes(b"changed")
    sign("withdrawn", "author")
    assert release_state(released, trusted=people.trusted).state == "withdrawn"


@pytest.mark.requirement("R-073")
def test_a_thousand_flipped_bits_are_found(released: Path, people: People) -> None:
    log, dice = release_log_of(released), np.random.default_rng(SEED)
    whole, found = log.read_bytes(), 0
    for _ in range(1_000):
        place = int(dice.integers(len(whole)))
        changed = bytearray(whole)
        changed[place] ^= int(dice.integers(1, 256))
        log.write_bytes(changed)
        try:
            release_state(released, trusted=people.trusted)
        except StorageError:
            found += 1
    assert found == 1_000


@pytest.mark.requirement("R-073")
def test_fifty_logs_with_lines_moved_doubled_or_cut_are_found(
    released: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    sign("withdrawn", "author")
    log, dice, found = release_log_of(released), np.random.default_rng(SEED), 0
    lines = log.read_bytes().splitlines(keepends=True)
    for k in range(50):
        changed = list(lines)
        while changed == lines:
            if k % 3 == 0:
                changed = [changed[j] for j in dice.permutation(4)]
            elif k % 3 == 1:
                del changed[int(dice.integers(len(changed))) :]
            else:
                changed.insert(int(dice.integers(5)), lines[dice.integers(4)])
        log.write_bytes(b"".join(changed))
        try:
            release_state(released, trusted=people.trusted)
        except StorageError:
            found += 1
    assert found == 50


def test_whoever_rewrites_all_hashes_is_found_by_the_signatures(
    released: Path, people: People
) -> None:
    log = release_log_of(released)
    records = ReleaseLog(log).records()
    for k in range(3):
        for field, value in (("why", "another"), ("created", "2020-01-01T00:00:00+00:00")):
            changed = [dict(r) for r in records]
            changed[k][field] = value
            write_log(log, changed)
            with pytest.raises(StorageError, match="not what the key on it signed"):
                release_state(released)
    write_log(log, [records[0], records[2]])
    with pytest.raises(StorageError, match="line 2 is not what the key on it signed"):
        release_state(released)


def test_an_end_that_was_cut_off_with_the_side_file_made_to_fit_is_found_by_the_head_alone(
    released: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    head = sign("withdrawn", "author")["hash"]
    log = release_log_of(released)
    write_log(log, ReleaseLog(log).records()[:3])
    assert release_state(released, trusted=people.trusted).is_released
    with pytest.raises(StorageError, match="truncated"):
        release_state(released, trusted=people.trusted, head=head)


@pytest.mark.parametrize("why", ["", "a\nb", "a\0b", "x" * 2_001, "\u2028x"])
def test_reasons_are_one_line(fit: Path, people: People, why: str) -> None:
    log = ReleaseLog.begin(release_log_of(fit))
    with pytest.raises(ReleaseError, match="why"):
        log.add("draft", fit, why, people.keys["author"], people.trusted)


def test_a_clock_that_goes_backwards_is_refused_but_for_withdrawing(
    fit: Path,
    people: People,
    sign: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign("draft", "author")

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr(log_module, "datetime", Earlier)
    with pytest.raises(ReleaseError, match="Set the clock"):
        sign("reviewed", "reviewer")
    sign("withdrawn", "reviewer")
    assert release_state(fit, trusted=people.trusted).faults == ()


def test_logs_that_are_no_files_of_their_own_are_refused(
    released: Path, people: People, tmp_path: Path
) -> None:
    log = release_log_of(released)
    content, head = log.read_bytes(), log.with_name(f"{log.name}.head")

    def refused(words: str) -> None:
        for act in (lambda: release_state(released), lambda: require_in_use(released)):
            with pytest.raises(StorageError, match=words):
                act()

    log.unlink()
    refused("missing")
    log.mkdir()
    refused("could not be opened")
    log.rmdir()
    log.write_bytes(b"")
    refused("truncated")
    (tmp_path / "elsewhere").write_bytes(content)
    log.unlink()
    log.symlink_to(tmp_path / "elsewhere")
    refused("is a link")
    log.unlink()
    log.symlink_to(tmp_path / "nowhere")
    refused("missing")
    log.unlink()
    log.write_bytes(content + b"x" * (1 << 20))
    refused("at most")
    log.write_bytes(b"[" * 100_000 + b"\n")
    head.write_text(canonical({"format": 1, "records": 1, "bytes": 100_001, "hash": FIRST}) + "\n")
    refused("line 1 is altered")
    log.write_bytes(content)
    head.unlink()
    refused("missing")


def test_an_empty_log_is_no_state_and_a_read_only_folder_can_be_read(
    fit: Path, people: People, sign: Callable[..., dict[str, Any]]
) -> None:
    ReleaseLog.begin(release_log_of(fit))
    assert release_state(fit).state == "none"
    require_in_use(fit)
    sign("draft", "author")
    fit.parent.chmod(0o500)
    try:
        assert release_state(fit).state == "draft"
    finally:
        fit.parent.chmod(0o700)


def test_a_link_to_a_withdrawn_fit_is_refused_as_the_fit_is(
    fit: Path, sign: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    sign("withdrawn", "author")
    (tmp_path / "in").mkdir()
    link = tmp_path / "in" / "newest.nc"
    link.symlink_to(fit)
    with pytest.raises(ReleaseError, match="was withdrawn"):
        require_in_use(link)


def test_lines_of_other_logs_are_no_releases(fit: Path) -> None:
    log = ReleaseLog.begin(release_log_of(fit))
    log._append({"kind": "look"})
    with pytest.raises(StorageError, match="line 1 is none of a log of releases"):
        release_state(fit)
