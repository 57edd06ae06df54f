"""`twinbayes serve` with a review, signatures and another fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import twinbayes as tb
from small_review import small_review
from twinbayes.cli import app as cli
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.serve import AuditLog

uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
STORED = Path(__file__).parents[1] / "data" / "registry_fit.nc"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["serve", *(str(a) for a in arguments)])


def verified(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["verify", *(str(a) for a in arguments)])


def test_signatures_without_a_review_are_refused_before_the_fit_is_read(tmp_path: Path) -> None:
    fit, audit = tmp_path / "no_fit.nc", tmp_path / "audit.jsonl"
    fit.write_text("no fit")
    done = run(fit, "--audit", audit, "--signatures", tmp_path / "signatures.jsonl")
    assert done.exit_code == 2
    assert "give it too (--review)" in " ".join(done.output.split())
    done = run(fit, "--audit", audit, "--review", tmp_path / "none.html")
    assert done.exit_code == 2
    done = run(fit, "--audit", audit, "--review", fit, "--signatures", audit)
    assert done.exit_code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"no_fit.nc"}


def test_the_workbench_is_served_with_the_files_that_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []

    def served(server: Any, sockets: Any) -> None:
        paths.extend(route.path for route in server.config.app.routes)
        for one in sockets:
            one.close()

    monkeypatch.setattr(uvicorn.Server, "run", served)
    review = small_review(tmp_path / "review.html", manifest_hash(tb.load_fit(STORED).manifest))
    signatures = tmp_path / "signatures.jsonl"
    options = ("--audit", tmp_path / "audit.jsonl", "--port", 18_431, "--review", review)
    done = run(STORED, *options, "--signatures", signatures, "--other-fit", STORED)
    assert done.exit_code == 0, done.output
    assert {"/review", "/review/open", "/review/signatures.csv", "/compare"} <= set(paths)
    assert signatures.read_bytes() == b""
    small_review(review, "0" * 64)
    done = run(STORED, *options)
    assert done.exit_code == 2
    assert "a review of another fit" in " ".join(done.output.split())


def test_a_chain_is_whole_or_says_what_is_not(tmp_path: Path) -> None:
    log = AuditLog.begin(tmp_path / "audit.jsonl")
    lines = [log.add(None, f"page {k}", status=401) for k in range(3)]
    whole = log.path.read_bytes()
    found = verified(log.path, "--head", lines[1]["hash"], "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"whole": True, "records": 3, "head": lines[2]["hash"]}
    assert lines[2]["hash"] in verified(log.path).output
    first = whole[: whole.index(b"\n") + 1]
    for spoilt in (whole.replace(b"page 1", b"page 7"), whole[:-1], b"", first):
        log.path.write_bytes(spoilt)
        found = verified(log.path, "--json")
        assert found.exit_code not in (0, 3)
        assert "audit.jsonl" in found.output
    log.path.write_bytes(whole)
    assert verified(log.path, "--head", "0" * 64).exit_code not in (0, 3)
    assert verified(tmp_path / "none.jsonl").exit_code not in (0, 3)
