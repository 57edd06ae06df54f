"""The command line of disease files: begun, checked, shown, and used by the other commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import twinbayes as tb
from twinbayes.cli import app as cli
from twinbayes.diseases import DISEASES
from twinbayes.diseases.synthetic import synthetic_cohort


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def myeloma(tmp_path: Path) -> Path:
    path = tmp_path / "myeloma.yaml"
    assert run("disease", "new", "myeloma", "--out", path).exit_code == 0
    return path


@pytest.mark.parametrize("command", ["new", "check", "show"])
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    result = run("disease", command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout


def test_a_new_file_is_right_as_it_stands(myeloma: Path) -> None:
    spec = tb.disease(myeloma)
    assert (spec.name, spec.title) == ("myeloma", "Myeloma")
    found = answer("disease", "check", myeloma)
    assert found["hash"] == spec.content_hash
    assert found["synthetic"]
    assert {row["prior"] for row in found["priors"]} >= {"baseline_level", "treatment_effect"}
    level = next(row for row in found["priors"] if row["prior"] == "baseline_level")
    assert (level["origin"], level["shared"]) == ("overridden", True)


def test_all_that_the_template_has_in_notes_is_right_too(myeloma: Path) -> None:
    """Every commented key, uncommented."""
    lines = myeloma.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("schema:"))
    keys = (
        "# ignored_events:",
        "# trajectories:",
        "# associations:",
        "# reporting:",
        "#   ",
        "#     ",
    )
    open_lines = [
        line.removeprefix("# ") if line.startswith(keys) else line for line in lines[first:]
    ]
    myeloma.write_text("\n".join(open_lines) + "\n", encoding="utf-8")
    spec = tb.disease(myeloma)
    assert spec.graph.ignored_events == ("second_opinion",)
    assert spec.trajectories is not None
    assert len(spec.trajectories.markers) == 2
    assert spec.associations
    assert spec.reporting is not None
    assert answer("disease", "check", myeloma)["misfits"] == []


@pytest.mark.parametrize("name", sorted(DISEASES))
def test_a_file_may_begin_with_what_is_known_of_another_disease(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert run("disease", "new", "mine", "--like", name, "--out", path).exit_code == 0
    mine, known = tb.disease(path), tb.disease(name)
    assert mine.name == "mine"
    assert mine.events == known.events


def test_what_is_there_already_is_not_written_over(myeloma: Path) -> None:
    before = myeloma.read_text(encoding="utf-8")
    result = run("disease", "new", "other", "--out", myeloma)
    assert result.exit_code == 2
    assert "there already" in result.stderr
    assert myeloma.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "my disease"), "no name"),
        (("check", "none.yaml"), "does not exist"),
        (("check", "flu"), "Unknown disease"),
        (("check", "basket"), "aggregate data"),
        (("show", "pbc", "--cohort", "no_such_folder"), "not a folder"),
    ],
)
def test_bad_input_ends_with_2_and_a_reason(arguments: tuple[str, ...], said: str) -> None:
    result = run("disease", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_every_fault_of_a_file_is_told(myeloma: Path) -> None:
    text = myeloma.read_text(encoding="utf-8")
    myeloma.write_text(
        text.replace("windows: 4", "windows: x").replace("phase: here}", "phase: hear}"), "utf-8"
    )
    result = run("disease", "check", myeloma)
    assert result.exit_code == 2
    assert "3 faults" in result.stderr
    assert "line " in result.stderr


def test_a_disease_is_shown_in_words_with_its_priors_and_drawn(
    myeloma: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "states.png"
    result = run("disease", "show", myeloma, "--out", picture)
    assert result.exit_code == 0
    assert "stable->progressed" in result.stdout
    assert "baseline_level ~ Normal(mu=-7, sigma=2)  (overridden, one for all 5)" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600


def test_a_cohort_is_checked_and_fitted_with_a_file(myeloma: Path, tmp_path: Path) -> None:
    spec = tb.disease(myeloma)
    folder = synthetic_cohort(spec, n_patients=60, seed=5).write(tmp_path / "cohort")
    with (folder / "events.csv").open("a", encoding="utf-8") as events:
        events.write("p03,0.5,second_opinion\n")
    refused = run("check", folder, "--disease", myeloma)
    assert refused.exit_code == 2
    assert "--ignore-event" in refused.stderr
    ignoring = ("--disease", myeloma, "--ignore-event", "second_opinion")
    assert answer("check", folder, *ignoring)["misfits"] == []
    assert "stable" in answer("disease", "show", myeloma)["description"]
    fit = tmp_path / "fit.nc"
    quick = ("--draws", 20, "--tune", 20, "--chains", 2, "--seed", 1)
    assert run("fit", folder, *ignoring, *quick, "--out", fit).exit_code == 3
    back = tb.load_fit(fit)
    assert back.spec == spec.ignoring("second_opinion")
    assert back.priors["baseline_level"].arguments == {"mu": -7.0, "sigma": 2.0}
    assert back.priors.extends == "general/v1"


def test_scenarios_that_a_disease_cannot_have_are_refused_before_any_fit(myeloma: Path) -> None:
    text = myeloma.read_text(encoding="utf-8")
    for scenarios, said in (
        ("[drug on day 30 in stable, never drug]", "not understood"),
        ("[drg on day 30 in stable, no drug]", "treatment 'drg'"),
        ("[drug on day 30 in dead, no drug]", "may start 'dead'"),
    ):
        myeloma.write_text(text + f"\nreporting: {{scenarios: {scenarios}}}\n", encoding="utf-8")
        for command in (("disease", "check", myeloma), ("check", "registry", "--disease", myeloma)):
            result = run(*command)
            assert result.exit_code == 2
            assert said in result.stderr


def test_a_check_finds_what_a_fit_would_refuse(myeloma: Path, tmp_path: Path) -> None:
    spec = tb.disease(myeloma)
    folder = synthetic_cohort(spec, n_patients=60, seed=5).write(tmp_path / "cohort")
    text = myeloma.read_text(encoding="utf-8")
    entry = (
        "    covariate_scale.laboratory:\n      distribution: HalfNormal\n"
        "      arguments: {sigma: 1.0}\n      parameter: spread\n      scale: log hazard ratio\n"
        "      unit: '1'\n      population: nobody\n      rationale: a test\n"
    )
    myeloma.write_text(text.replace("  entries:\n", "  entries:\n" + entry, 1), encoding="utf-8")
    result = run("check", folder, "--disease", myeloma)
    assert result.exit_code == 2
    assert "covariate_scale.laboratory" in result.stderr


def test_a_treatment_that_nobody_started_is_told(myeloma: Path, tmp_path: Path) -> None:
    cohort = synthetic_cohort(tb.disease(myeloma), n_patients=60, seed=5)
    folder = cohort.write(tmp_path / "cohort")
    text = myeloma.read_text(encoding="utf-8")
    myeloma.write_text(text.replace("name: drug", "name: drugs"), encoding="utf-8")
    found = answer("check", folder, "--disease", myeloma)["misfits"]
    assert any("'drugs' is in the model and nobody started it" in m for m in found)
    assert any("Meant for 'drug'?" in m for m in found)
    cut = text.replace("  - {name: age_years, group: clinical}\n", "")
    myeloma.write_text(cut, encoding="utf-8")
    found = answer("check", folder, "--disease", myeloma)["misfits"]
    assert found == ["Covariates of the cohort in no term of the model: age_years."]


def test_show_prints_the_labels_of_states(myeloma: Path, tmp_path: Path) -> None:
    text = myeloma.read_text(encoding="utf-8")
    labels = (
        "reporting:\n  state_labels: {progressed: in progression, dead: {en: died, it: morti}}\n"
    )
    myeloma.write_text(text + labels, encoding="utf-8")
    found = answer("disease", "show", myeloma)
    assert found["state_labels"] == {"progressed": "in progression", "dead": "died"}
    assert "  dead: died\n" in run("disease", "show", myeloma).stdout
