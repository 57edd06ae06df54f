"""No command writes over a file that it reads: exit code 2, before any work."""

from __future__ import annotations

from pathlib import Path
from shutil import copy
from typing import Any, Final

import pytest
from typer.testing import CliRunner

import twinbayes as tb
from twinbayes.cli import app as cli

STORED: Final = Path(__file__).resolve().parents[1] / "data" / "registry_fit.nc"
READ: Final = {
    "check": ("check", "{cohort}"),
    "check of a disease": ("check", "{cohort}", "--disease", "{disease}"),
    "fit": ("fit", "{cohort}", "--disease", "{disease}", "--priors", "{priors}"),
    "review": ("review", "{fit}", "--checks", "{checks}", "--effects", "{effects}"),
    "twin": ("twin", "{fit}", "--patient", "A"),
    "twin of somebody new": ("twin", "{fit}", "--new", "{cohort}"),
    "effect": ("effect", "{fit}", "--treatment", "x", "--landmark", "1"),
    "simulate": ("simulate", "{study}"),
    "disease show": ("disease", "show", "{disease}", "--cohort", "{cohort}"),
    "disease new": ("disease", "new", "x", "--like", "{disease}"),
}
FILES: Final = {
    "cohort": "cohort", "disease": "disease.yaml", "priors": "priors.yaml", "fit": "fit.nc",
    "checks": "checks.json", "effects": "effects.json", "study": "study.yaml",
}  # fmt: skip


def named(command: str) -> tuple[str, ...]:
    return tuple(part[1:-1] for part in READ[command] if part.startswith("{"))


@pytest.mark.parametrize(
    ("command", "own"), [(command, own) for command in READ for own in named(command)]
)
def test_a_file_that_is_read_is_not_written_over(
    command: str, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("work was begun")

    for name in ("fit", "load_fit", "disease"):
        monkeypatch.setattr(tb, name, reached, raising=False)
    for name in (
        "twinbayes.cohort.read_cohort",
        "twinbayes.trials.simulated.study_file.read_study",
    ):
        monkeypatch.setattr(name, reached)
    monkeypatch.chdir(tmp_path)
    Path("cohort").mkdir()
    for file in ("cohort/patients.csv", *[f for f in FILES.values() if f != "cohort"]):
        Path(file).write_text("kept")
    read = Path("cohort/patients.csv" if own == "cohort" else FILES[own])
    Path("link").symlink_to(read)
    for place in (read, read.resolve(), Path("link")):
        arguments = [part.format(**FILES) for part in READ[command]]
        result = CliRunner().invoke(cli.app, [*arguments, "--out", str(place)])
        assert result.exit_code == 2, result.output
        assert "not written over" in result.stderr
    assert read.read_text() == "kept"
    assert Path("link").is_symlink()


def test_the_priors_that_a_study_names_are_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    priors = tmp_path / "priors.yaml"
    copy(Path(STORED.parents[2] / "priors" / "basket" / "v1.yaml"), priors)
    before = priors.read_bytes()
    (tmp_path / "study.yaml").write_text(
        'name: x\nsizes: [5, 5]\ntruth: {scenario: "null", value: 0.2}\n'
        f"analyses: [none]\ntrials: 2\nseed: 1\npriors: {priors}\n"
    )
    result = CliRunner().invoke(
        cli.app, ["simulate", str(tmp_path / "study.yaml"), "--out", str(priors)]
    )
    assert result.exit_code == 2, result.output
    assert "not written over" in result.stderr
    assert priors.read_bytes() == before
