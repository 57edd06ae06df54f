"""Several places that are not there, or cannot be written to, are told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

import twinbayes as tb
from twinbayes.cli.app import app
from twinbayes.errors import CohortError

COMMANDS: Final = {
    "check": (
        ("check", "gone", "--disease", "gone.yaml"), ("cohort 'gone'", "disease 'gone.yaml'")
    ),
    "fit": (
        ("fit", "gone", "--disease", "gone.yaml", "--priors", "lost.yaml", "--out", "{folder}"),
        ("'gone'", "disease 'gone.yaml'", "priors 'lost.yaml'", "a folder has this name"),
    ),
    "review": (
        ("review", "gone.nc", "--checks", "gone.json", "--effects", "lost.json"),
        ("fit 'gone.nc'", "checks 'gone.json'", "effects 'lost.json'"),
    ),
    "effect": (
        ("effect", "gone.nc", "--treatment", "x", "--landmark", "1", "--out", "{folder}"),
        ("fit 'gone.nc'", "a folder has this name"),
    ),
    "twin": (("twin", "gone.nc", "--new", "gone"), ("fit 'gone.nc'", "new 'gone'")),
    "twin verify": (
        ("twin", "verify", "gone.nc", "gone", "gone.jsonl"),
        ("fit 'gone.nc'", "cohort 'gone'", "ledger 'gone.jsonl'"),
    ),
    "disease check": (
        ("disease", "check", "gone.yaml", "--cohort", "gone"),
        ("disease 'gone.yaml'", "cohort 'gone'"),
    ),
    "disease show": (
        ("disease", "show", "gone.yaml", "--cohort", "gone"),
        ("disease 'gone.yaml'", "cohort 'gone'"),
    ),
    "federation answer": (
        ("federation", "answer", "lost", "gone"),
        ("folder 'lost'", "cohort 'gone'"),
    ),
    "federation verify": (
        ("federation", "verify", "lost", "gone"),
        ("folder 'lost'", "cohort 'gone'"),
    ),
    "federation fit": (
        ("federation", "fit", "lost", "gone.nc", "gone", "--out", "mine.nc"),
        ("folder 'lost'", "posterior 'gone.nc'", "cohort 'gone'"),
    ),
    "import": (
        ("import", "gone", "--mapping", "gone.yaml", "--out", "made"),
        ("gone.yaml: mapping-unreadable: there is no such file", "gone: source-missing: there is"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_all_that_is_missing_is_told_at_once(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    arguments, said = COMMANDS[command]
    result = CliRunner().invoke(app, [a.format(folder="there") for a in arguments])
    assert result.exit_code == 2, result.output
    for text in said:
        assert text in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_embedded_data_and_diseases_of_the_package_are_no_missing_places() -> None:
    result = CliRunner().invoke(app, ["check", "registry", "--disease", "nowhere.yaml"])
    assert "nowhere.yaml" in result.output
    assert "there is nothing of this name" not in result.output


def test_an_import_has_the_faults_of_the_mapping_and_of_the_source_in_one_table(
    tmp_path: Path,
) -> None:
    (tmp_path / "map.yaml").write_text("schema: twinbayes/mapping/v1\n", encoding="utf-8")
    with pytest.raises(CohortError) as refused:
        tb.import_cohort(tmp_path / "gone", tmp_path / "map.yaml")
    faults = refused.value.faults
    assert faults is not None
    assert set(faults["table"]) == {"gone", "map.yaml"}
    assert faults.loc[faults["table"] == "gone", "rule"].tolist() == ["source-missing"]
    assert faults["remedy"].notna().all()
    with pytest.raises(CohortError) as alone:
        tb.import_cohort("sqlite:///gone", tmp_path / "map.yaml")
    assert alone.value.faults is not None
    assert set(alone.value.faults["table"]) == {"map.yaml"}
