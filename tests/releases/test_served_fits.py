"""A fit that is withdrawn while it is served is served no more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from twinbayes.cli import app as cli
from twinbayes.errors import ReleaseError, StorageError
from twinbayes.releases import ReleaseLog, Signatory, Trusted, release_log_of
from twinbayes.signing import SigningKey

pytest.importorskip("cryptography", reason="the extra `federation` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
STORED = Path(__file__).parents[1] / "data" / "registry_fit.nc"


@pytest.mark.requirement("R-072")
def test_a_fit_that_is_withdrawn_while_it_is_served_is_refused_at_the_next_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Path(shutil.copy(STORED, tmp_path / "aml.nc"))
    keys = {name: SigningKey.new() for name in ("Author A", "Reviewer Böhm")}
    people = [Signatory(name, "reviewer", key.public.hex()) for name, key in keys.items()]
    trusted = tmp_path / "people.yaml"
    listed = [{"name": p.name, "role": p.role, "key": p.key} for p in people]
    trusted.write_text(json.dumps({"format": "twinbayes.trusted/1", "people": listed}))

    def sign(state: str, who: str) -> None:
        log = ReleaseLog.at(release_log_of(fit))
        log.add(state, fit, "a test", keys[who], Trusted(tuple(people)))

    for state, who in (("draft", "Author A"), ("reviewed", "Author A"),
                       ("released", "Reviewer Böhm")):  # fmt: skip
        sign(state, who)
    looked: list[str] = []

    def served(*given: Any) -> None:
        in_use = given[-1]
        in_use()
        sign("withdrawn", "Author A")
        for _again in range(2):  # and so it stays
            with pytest.raises(ReleaseError, match="was withdrawn"):
                in_use()
        release_log_of(fit).unlink()
        with pytest.raises(StorageError, match="missing"):
            in_use()
        looked.append("all")

    monkeypatch.setattr("twinbayes.serve.serving.serve", served)
    done = CliRunner().invoke(
        cli.app,
        ["serve", str(fit), "--audit", str(tmp_path / "audit.jsonl"), "--port", "18437",
         "--require", "released", "--trusted", str(trusted)],
    )  # fmt: skip
    assert done.exit_code == 0, (done.output, done.exception)
    assert looked == ["all"]
    assert "Released by Reviewer Böhm (reviewer)" in done.output
