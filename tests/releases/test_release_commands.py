"""`twinbayes release`, and who refuses a fit that was withdrawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import twinbayes as tb
from twinbayes.cli import app as cli
from twinbayes.errors import ReleaseError, StorageError
from twinbayes.releases import ReleaseLog, read_trusted, release_log_of, release_state
from twinbayes.signing import SigningKey

pytest.importorskip("cryptography", reason="the extra `federation` is not installed")
STORED = Path(__file__).parents[1] / "data" / "registry_fit.nc"
type Run = Callable[..., Result]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


@pytest.fixture
def fit(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORED, tmp_path / "aml.nc"))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    lines = []
    for name, role in (("Author A", "author"), ("Reviewer Böhm", "reviewer"), ("Head C", "head")):
        out = tmp_path / f"{name.split()[0].lower()}.key"
        done = run("release", "key", "--out", out, "--json")
        assert done.exit_code == 0, done.output
        lines.append({"name": name, "role": role, "key": json.loads(done.stdout)["key"]})
    path = tmp_path / "people.yaml"
    path.write_text(json.dumps({"format": "twinbayes.trusted/1", "people": lines}))
    return path


@pytest.fixture
def sign(fit: Path, people: Path) -> Run:
    def act(verb: str, who: str, **more: Any) -> Result:
        options = [part for k, v in more.items() for part in (f"--{k}", v)]
        return run("release", verb, fit, "--key", people.with_name(f"{who}.key"), "--trusted",
                   people, "--why", "a test", *options)  # fmt: skip

    return act


@pytest.mark.requirement("R-072")
def test_a_fit_is_drafted_reviewed_released_served_withdrawn_and_refused(
    fit: Path, people: Path, sign: Run, tmp_path: Path
) -> None:
    serving = ("serve", fit, "--audit", tmp_path / "audit.jsonl", "--require", "released")
    assert sign("review", "reviewer").exit_code == 2
    for verb, who in (("draft", "author"), ("review", "reviewer")):
        assert sign(verb, who).exit_code == 0
    refused = sign("release", "reviewer")
    assert refused.exit_code == 2
    assert "Two people are needed" in refused.output
    assert run("release", "show", fit, "--trusted", people).exit_code == 3
    refused = run(*serving, "--trusted", people)
    assert refused.exit_code == 2
    assert "Not released (reviewed)" in refused.output
    assert "needs --trusted" in run(*serving).output
    inspected = run("share", fit, "--out", tmp_path / "shared.nc")
    assert "Not released (reviewed)" in inspected.output
    assert sign("release", "head").exit_code == 0
    shown = run("release", "show", fit, "--trusted", people, "--json")
    assert shown.exit_code == 0
    head = json.loads(shown.stdout)["head"]
    verified = ("release", "verify", fit, "--trusted", people, "--head", head)
    assert run(*verified).exit_code == 0
    assert sign("withdraw", "reviewer").exit_code == 0
    assert run(*verified).exit_code == 0
    commands = (
        serving[:4], ("share", fit, "--out", tmp_path / "a.nc"),
        ("review", fit, "--out", tmp_path / "a.html"),
        ("twin", fit, "--patient", "SIM00001", "--out", tmp_path / "a.html"),
        ("twins", fit, "--out", tmp_path / "sheets"),
        ("monitor", fit, "--log", tmp_path / "m.jsonl", "--stream", "registry"),
        ("effect", fit, "--treatment", "x", "--landmark", 1),
    )  # fmt: skip
    for command in commands:
        done = run(*command)
        assert done.exit_code == 2, command
        assert "was withdrawn on" in done.output, command
    with pytest.raises(ReleaseError, match="was withdrawn"):
        tb.load_fit(fit)
    assert {p.name for p in tmp_path.iterdir()} & {
        "audit.jsonl",
        "a.nc",
        "a.html",
        "m.jsonl",
    } == set()


def test_what_is_no_fit_is_not_put_forward(fit: Path, sign: Run) -> None:
    fit.write_bytes(b"no fit")
    assert sign("draft", "author").exit_code == 2
    assert not release_log_of(fit).exists()


def test_a_log_may_lie_elsewhere(fit: Path, people: Path, sign: Run, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere.jsonl"
    assert sign("draft", "author", log=place).exit_code == 0
    assert run("release", "show", fit, "--log", place).exit_code == 3
    assert release_state(fit).state == "none"
    assert release_state(fit, log=place).state == "draft"


def test_keys_are_not_written_over_and_strangers_sign_nothing(
    fit: Path, people: Path, sign: Run, tmp_path: Path
) -> None:
    assert run("release", "key", "--out", people.with_name("author.key")).exit_code == 2
    assert run("release", "key", "--out", tmp_path / "eve.key").exit_code == 0
    done = sign("draft", "eve")
    assert done.exit_code == 2
    assert "nobody's in the file of trusted people" in done.output
    assert not release_log_of(fit).exists()


def test_of_many_who_sign_at_once_one_alone_gets_through(fit: Path, people: Path) -> None:
    trusted = read_trusted(people)
    key = SigningKey.read(people.with_name("author.key"))
    ReleaseLog.begin(release_log_of(fit))

    def add(_: int) -> bool:
        try:
            ReleaseLog(release_log_of(fit)).add("draft", fit, "a test", key, trusted)
        except (ReleaseError, StorageError):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(32))) == 1
    assert len(release_state(fit, trusted=trusted).lines) == 1


def test_a_folder_that_cannot_be_written_to_is_told(
    fit: Path, people: Path, sign: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twinbayes.hash_chain.os.open", full)
    done = sign("draft", "author")
    assert done.exit_code == 2
    assert "could not be begun" in done.output
