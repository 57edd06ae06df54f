"""The command `twinbayes twins`, on a stored fit that is not for use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import twinbayes as tb
from twinbayes.cli import app as cli
from twinbayes.inference import load_fit

STORED = Path(__file__).resolve().parents[1] / "data" / "registry_fit.nc"
pytest.importorskip("babel", reason="the extra `serve` is not installed")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["twins", *(str(a) for a in arguments)])


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    """Two patients who can be forecast."""
    from twinbayes.serve import Explorer

    fit: Any = load_fit(STORED)
    rows = Explorer(fit, fit.cohort, b"secret").rows
    file = tmp_path / "ids.txt"
    alive = [row.patient_id for row in rows if not row.has_ended]
    file.write_text("\n".join(alive[:2]), encoding="utf-8")
    return file


def test_sheets_of_a_fit_that_is_not_for_use_say_so_and_name_nobody(
    ids: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sheets"
    done = run(STORED, "--ids", ids, "--out", out, "--language", "it", "--json")
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    assert (told["usable"], told["patients"], len(told["files"])) == (False, 2, 2)
    assert "SIM0" not in done.output
    for file in out.iterdir():
        assert "NON UTILIZZABILE" in file.read_text(encoding="utf-8")
        assert "SIM0" not in file.name + file.read_text(encoding="utf-8")
    secret = tmp_path / "sheets.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    again = run(STORED, "--ids", ids, "--out", tmp_path / "again", "--secret-file", secret,
                "--format", "csv")  # fmt: skip
    assert again.exit_code == 3
    assert "NOT FOR USE" in again.stdout
    table = (tmp_path / "again" / "forecasts.csv").read_text(encoding="utf-8")
    assert {line.split(",")[0] for line in table.splitlines()[1:]} == {
        name.removesuffix(".html") for name in told["files"]
    }
    assert ",NOT FOR USE\n" in table


def test_faults_leave_nothing_behind(ids: Path, tmp_path: Path) -> None:
    ids.write_text(ids.read_text(encoding="utf-8") + "\nnobody\n", encoding="utf-8")
    refused = run(STORED, "--ids", ids, "--out", tmp_path / "sheets", "--json")
    assert refused.exit_code == 2
    [fault] = json.loads(refused.stdout)["faults"]
    assert (fault["row"], fault["problem"]) == (3, "nobody has this identifier")
    assert [*tmp_path.iterdir()] == [ids]


def test_what_cannot_be_is_refused_before_the_fit_is_read(
    ids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(*_arguments: Any) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(tb, "load_fit", reached, raising=False)
    out = tmp_path / "sheets"
    for options, said in (
        (("--format", "docx"), "'html', 'pdf', 'csv'"),
        (("--language", "xx"), "en, it"),
        (("--secret-file", out / "secret"), "does not belong among the sheets"),
        (("--ids", "gone.txt"), "gone.txt"),
    ):
        refused = run(STORED, "--out", out, *options)
        assert refused.exit_code == 2, refused.output
        assert said in refused.stderr
    monkeypatch.setenv("PATH", "")
    assert "Install Chromium" in run(STORED, "--out", out, "--format", "pdf").stderr
    full = run(STORED, "--out", tmp_path)
    assert (full.exit_code, "not an empty folder" in full.stderr) == (2, True)
    assert [*tmp_path.iterdir()] == [ids]


def test_the_help_of_each_of_twin_and_twins_names_the_other() -> None:
    assert "twinbayes twin --help" in " ".join(run("--help").output.split())
    other = CliRunner().invoke(cli.app, ["twin", "--help"]).output
    assert "twinbayes twins --help" in " ".join(other.split())


def test_sheets_are_of_the_records_with_what_has_become_known(ids: Path, tmp_path: Path) -> None:
    from twinbayes.serve import Person, Role, UpdateLog

    one, other = ids.read_text(encoding="utf-8").split()
    twin = load_fit(STORED).twin(one)
    seen = pd.DataFrame({"day": [twin.present[0].day + 200.0], "event": ["last_contact"]})
    log = UpdateLog.begin(tmp_path / "updates.jsonl")
    log.add(Person("ward 3", Role.CLINICIAN), twin.update(events=seen))
    tables = []
    for name, more in (("before", []), ("after", ["--updates", log.path])):
        out = tmp_path / name
        done = run(STORED, "--ids", ids, "--out", out, "--format", "csv", "--show-ids", *more)
        assert done.exit_code == 3, done.output
        tables.append((out / "forecasts.csv").read_text(encoding="utf-8").splitlines())
    before, after = ({p: [line for line in t if line.startswith(p)] for p in (one, other)}
                     for t in tables)  # fmt: skip
    assert after[other] == before[other]
    assert after[one] != before[one]
    missing = run(STORED, "--out", tmp_path / "no", "--updates", tmp_path / "nothing.jsonl")
    assert missing.exit_code == 2
    assert not (tmp_path / "no").exists()
