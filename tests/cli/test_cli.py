"""The command line: exit codes, errors without tracebacks, and clean JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import twinbayes as tb
from twinbayes.cli import answers
from twinbayes.cli import app as cli
from twinbayes.errors import FitError
from twinbayes.inference import Verdict

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "tests" / "data" / "registry_fit.nc"
COMMANDS = (
    "check", "fit", "review", "twin", "twins", "serve", "effect", "priors", "simulate", "demo",
)  # fmt: skip


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def verdict(*reasons: str) -> Verdict:
    summary = {
        "n_scalars": 3.0, "chains": 4.0, "draws": 10.0, "max_rhat": float("nan"),
        "min_ess_bulk": 500.0, "min_ess_tail": 500.0, "divergences": 0.0, "min_ebfmi": 0.9,
    }  # fmt: skip
    return Verdict(not reasons, reasons, pd.DataFrame(), summary)


class MadeUpFit(SimpleNamespace):
    """What commands ask of a fit."""

    def save(self, path: Path) -> Path:
        path.write_text("fit")
        return path


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> MadeUpFit:
    """A fit in place of every one that is made or loaded."""
    made = MadeUpFit(verdict=verdict(), manifest={"seed": 1})
    made.calls, made.specs = [], []

    def fit(spec: Any, cohort: Any, **options: Any) -> MadeUpFit:
        made.calls.append(("fit", spec.name, cohort.name, options))
        made.specs.append(spec)
        return made

    def page(name: str) -> Any:
        def write(_fit: Any, *arguments: Any, **options: Any) -> Path:
            made.calls.append((name, *arguments, options))
            return Path(arguments[-1])

        return write

    monkeypatch.setattr(tb, "fit", fit, raising=False)
    monkeypatch.setattr(tb, "load_fit", lambda _path: made, raising=False)
    monkeypatch.setattr(tb, "review", page("review"), raising=False)
    monkeypatch.setattr("twinbayes.report.twin_report", page("twin"))
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example:  twinbayes {command}" in result.output


def test_help_does_not_wait_for_heavy_packages() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from twinbayes.cli import app as cli;"
        "CliRunner().invoke(cli.app, ['fit', '--help']);"
        "print([m for m in ('pymc', 'arviz', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_check_tells_what_the_data_look_like(tmp_path: Path) -> None:
    page = tmp_path / "quality.html"
    result = run("check", "registry", "--out", page)
    assert result.exit_code == 0
    assert "240 patients" in result.output
    assert "SIM0" not in result.output
    html = page.read_text(encoding="utf-8")
    assert "DATA QUALITY · SIMULATED DATA" in html
    assert "SIM0" not in html


def test_check_lists_every_fault_and_no_patient(tmp_path: Path) -> None:
    folder = tb.datasets.registry().write(tmp_path / "cohort")
    events = pd.read_csv(folder / "events.csv")
    events.loc[0, "day"] = -5.0
    events.loc[1, "event"] = " padded"
    events.to_csv(folder / "events.csv", index=False)

    told = run("check", folder)
    assert told.exit_code == 2
    assert "before-origin" in told.stderr
    assert "Traceback" not in told.output
    assert "SIM0" not in told.output

    as_json = run("check", folder, "--json")
    assert as_json.exit_code == 2
    faults = json.loads(as_json.stdout)["faults"]
    assert {"before-origin", "padded"} <= {f["rule"] for f in faults}
    assert all(f["remedy"] for f in faults)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "no/such/folder"),
        ("check", "registry", "--adapter", "unknown"),
        ("fit", "registry", "--disease", "unknown", "--out", "x.nc"),
        ("review", "no_such_fit.nc"),
        ("twin", "no_such_fit.nc"),
        ("twin", "no_such_fit.nc", "--patient", "a", "--new", "b"),
        ("demo", "--data", "unknown"),
    ],
)
def test_bad_input_is_two_and_one_message(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as place:
        place.chdir(tmp_path)
        result = run(*arguments)
        as_json = run(*arguments, "--json")
    assert result.exit_code == as_json.exit_code == 2
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert json.loads(as_json.stdout)["message"] in result.stderr


def test_check_says_whether_a_disease_fits_and_what_a_misspelt_event_means(tmp_path: Path) -> None:
    registry = tb.datasets.registry()
    said = run("check", "registry", "--disease", "registry")
    assert said.exit_code == 0, said.output
    assert "The model 'registry' can be fitted to these data." in said.output
    events = registry.events
    relapses = events.index[events["event"] == "relapse"]
    wrong = events.assign(event=events["event"].where(events.index != relapses[3], "relaps"))
    folder = registry.with_rows({"events": wrong}).write(tmp_path / "cohort")
    assert run("check", folder).exit_code == 0
    said = run("check", folder, "--disease", "registry")
    assert said.exit_code == 2
    assert "'relaps' (meant for 'relapse'?)" in said.stderr
    assert run("check", "registry", "--disease", "basket").exit_code == 2


def test_a_cohort_of_one_sex_is_fitted_without_sex(fitted: MadeUpFit, tmp_path: Path) -> None:
    registry = tb.datasets.registry()
    women = registry.patients.loc[registry.patients["sex"] == "female", "patient_id"]
    folder = registry.select(list(women)).write(tmp_path / "women")
    said = run("check", folder, "--disease", "registry")
    assert said.exit_code == 2
    assert "--without sex" in said.stderr
    assert run("check", folder, "--disease", "registry", "--without", "sex").exit_code == 0
    out = tmp_path / "fit.nc"
    said = run("fit", folder, "--disease", "registry", "--without", "sex", "--out", out)
    assert said.exit_code == 0, said.output
    assert "sex" not in {getattr(t, "name", "") for t in fitted.specs[-1].events.covariates}
    assert (
        run("fit", folder, "--disease", "basket", "--without", "sex", "--out", out).exit_code == 2
    )


def test_fit_says_what_check_says_is_not_used(fitted: MadeUpFit, tmp_path: Path) -> None:
    said = run("check", "registry", "--disease", "registry").output.splitlines()
    lines = said[said.index("The model 'registry' can be fitted to these data.") + 1 :]
    assert lines[0] == "- visits: marker 'fatigue' is not modelled."
    asked = ("fit", "registry", "--disease", "registry", "--out", tmp_path / "fit.nc")
    assert run(*asked).stderr.splitlines() == lines
    answer = json.loads(run(*asked, "--json").stdout)
    assert [f"- {line}" for line in answer["misfits"]] == lines


def test_fit_saves_and_reports_the_verdict(fitted: MadeUpFit, tmp_path: Path) -> None:
    out = tmp_path / "new" / "registry.nc"
    result = run("fit", "registry", "--disease", "registry", "--seed", 7, "--out", out)
    assert result.exit_code == 0
    assert out.exists()
    assert result.stdout.startswith("USABLE")
    [(_, spec, cohort, options)] = fitted.calls
    assert (spec, cohort, options["seed"], options["priors"]) == (
        "registry", "simulated_registry", 7, None,
    )  # fmt: skip


@pytest.mark.requirement("R-067")
def test_what_is_not_for_use_exits_with_three_everywhere(fitted: MadeUpFit, tmp_path: Path) -> None:
    fitted.verdict = verdict("beta has R-hat above 1.01")
    commands = [
        ("fit", "registry", "--disease", "registry", "--out", tmp_path / "f.nc"),
        ("review", "f.nc", "--out", tmp_path / "r.html"),
        ("twin", "f.nc", "--patient", "A", "--out", tmp_path / "t.html"),
    ]
    for command in commands:
        result = run(*command)
        assert result.exit_code == 3, result.output
        assert "NOT FOR USE: beta has R-hat above 1.01" in result.output
        as_json = json.loads(run(*command, "--json").stdout)
        assert as_json["usable"] is False
        assert as_json["reasons"] == ["beta has R-hat above 1.01"]
        assert as_json["summary"]["max_rhat"] is None  # not a number is not JSON


def test_options_reach_the_patients_report(fitted: MadeUpFit, tmp_path: Path) -> None:
    out = tmp_path / "t.html"
    result = run("twin", "f.nc", "--patient", "A", "--at", 30, "--years", 2, "--out", out)
    assert result.exit_code == 0
    [(_, who, path, options)] = fitted.calls
    assert (who, path, options["at"], options["until"]) == ("A", out, 30.0, 730.5)
    assert options["show_patient_ids"] is False


@pytest.mark.parametrize(("usable", "code"), [(True, 0), (False, 3)])
def test_demo_says_where_everything_is(
    usable: bool, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = {
        "data": "registry", "simulated": True, "patients": 240, "usable": usable,
        "verdict": "USABLE" if usable else "NOT FOR USE: x", "reasons": [],
        "files": {"review": str(tmp_path / "review.html")},
    }  # fmt: skip
    monkeypatch.setattr("twinbayes.report.demo.run_demo", lambda *_a, **_k: done)
    result = run("demo", "--out", tmp_path)
    assert result.exit_code == code
    assert str(tmp_path / "review.html") in result.output
    assert "240 simulated patients" in result.output
    assert json.loads(run("demo", "--out", tmp_path, "--json").stdout) == done


def test_an_error_of_ours_is_a_message_and_one_of_nobodys_is_a_fault_of_the_program(
    fitted: MadeUpFit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(error: BaseException) -> Any:
        def call(*_arguments: Any, **_options: Any) -> None:
            raise error

        return call

    review = ("review", "f.nc", "--out", tmp_path / "r.html")
    monkeypatch.setattr(tb, "review", fails(FitError("the reason")))
    ours = run(*review)
    assert (ours.exit_code, ours.stderr) == (2, "FitError: the reason\n")
    monkeypatch.setattr(tb, "review", fails(KeyError("SIM00001")))
    crash = run(*review)
    assert crash.exit_code == 1
    assert crash.stderr.startswith("InternalError: KeyError: a fault of twinbayes")
    assert "twinbayes/cli/app.py:" in crash.stderr
    assert "SIM00001" not in crash.output
    as_json = json.loads(run(*review, "--json").stdout)
    assert as_json["error"] == "InternalError"
    monkeypatch.setattr(tb, "review", fails(KeyboardInterrupt()))
    assert run(*review).exit_code == 130


@pytest.mark.requirement("R-067")
def test_exit_codes_are_distinct_and_told_in_the_help_and_the_readme() -> None:
    codes = (
        answers.USABLE, answers.CRASHED, answers.BAD_INPUT, answers.NOT_FOR_USE,
        answers.INTERRUPTED, answers.TERMINATED,
    )  # fmt: skip
    assert codes == (0, 1, 2, 3, 130, 143)
    told = " ".join(run("--help").output.split())
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for text in (told, readme):
        assert "0 usable, 2 bad input, 3 not for use" in text
        assert "1 a fault of the program" in text


def test_the_version_is_that_of_the_package() -> None:
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"twinbayes {version('twinbayes')}\n")


def test_the_help_of_twin_shows_the_options_of_its_report() -> None:
    output = run("twin", "--help").output
    for option in ("--patient", "--new", "--at", "--scenario"):
        assert option in output
    assert "twin verify" in " ".join(output.split())
    assert "ledger" in run("twin", "verify", "--help").output


PLACED = {
    "check": ("registry",),
    "fit": ("registry", "--disease", "registry"),
    "review": ("no_such_fit.nc",),
    "twin": ("no_such_fit.nc", "--patient", "A"),
    "effect": ("no_such_fit.nc", "--treatment", "x", "--landmark", "1"),
    "simulate": ("no_such_study.yaml",),
    "demo": (),
}


@pytest.mark.parametrize("command", list(PLACED))
def test_a_place_that_cannot_be_written_is_found_before_anything_is_done(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def reached(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("work was begun")

    for name in ("twinbayes.cohort.read_cohort", "twinbayes.datasets.registry"):
        monkeypatch.setattr(name, reached)
    for name in ("fit", "load_fit"):
        monkeypatch.setattr(tb, name, reached, raising=False)
    (tmp_path / "file").write_text("kept")
    result = run(command, *PLACED[command], "--out", tmp_path / "file" / "below")
    assert result.exit_code == 2, result.output
    assert "could not be written" in result.stderr
    if command != "demo":  # its place is a folder
        assert "could not be written" in run(command, *PLACED[command], "--out", tmp_path).stderr
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    "options",
    [
        ("--target-accept", "1.5"), ("--target-accept", "1"), ("--target-accept", "0"),
        ("--target-accept", "nan"), ("--seed", "-1"), ("--seed", str(2**64)), ("--seed", "1.5"),
        ("--seed", "a"), ("--draws", "0"), ("--chains", "0"),
    ],
)  # fmt: skip
def test_odd_options_of_samplers_are_bad_input_before_sampling(
    options: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def reached(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("sampling was begun")

    monkeypatch.setattr("twinbayes.inference.samplers.nutpie.NutpieCompiled._run", reached)
    out = tmp_path / "fit.nc"
    result = run("fit", "registry", "--disease", "registry", "--out", out, *options)
    assert result.exit_code == 2, result.output
    assert options[0].strip("-").replace("-", "_") in result.stderr.replace("-", "_")
    assert not list(tmp_path.iterdir())


def test_an_empty_name_is_not_taken_for_none(tmp_path: Path) -> None:
    assert run("priors", "check", "").exit_code == 2
    out = tmp_path / "x.html"
    for option in ("--checks", "--effects"):
        assert run("review", STORED, option, "", "--out", out).exit_code == 2
    assert run("twin", STORED, "--patient", "", "--out", out).exit_code == 2
    assert run("twin", STORED, "--patient", "SIM00003", "--scenario", "", "--scenario", "policy",
               "--out", out).exit_code == 2  # fmt: skip
    assert not out.exists()


def test_check_writes_suspect_rows_for_their_owner_alone_and_prints_none(tmp_path: Path) -> None:
    folder = tb.datasets.simulated_registry().write(tmp_path / "cohort")
    events = pd.read_csv(folder / "events.csv")
    events = events.sample(frac=1.0, random_state=3).reset_index(drop=True)
    wrong = events.index[events["event"] == "death"][:3]
    events.loc[wrong, "day"] = 43_831.0
    events.to_csv(folder / "events.csv", index=False)
    out, page = tmp_path / "suspects.csv", tmp_path / "quality.html"

    told = run("check", folder, "--suspects", out, "--out", page)
    assert told.exit_code == 0
    assert "dates in place of days" in told.output
    assert "Rows: fewer than 5." in told.output
    shown = told.output + page.read_text(encoding="utf-8")
    assert "SIM0" not in shown
    assert out.stat().st_mode & 0o777 == 0o600
    listed = pd.read_csv(out).query("detector == 'dates as days'")
    # Rows as in the file, whose header is row 1, although the cohort has them in another order.
    assert sorted(listed["row"]) == sorted(wrong + 2)
    expected = events.loc[listed["row"] - 2, "patient_id"].tolist()
    assert listed["patient_id"].tolist() == expected

    as_json = json.loads(run("check", folder, "--json", "--suspects", out).stdout)
    assert as_json["suspects"] == str(out)
    (one,) = [f for f in as_json["findings"] if f["detector"] == "dates as days"]
    assert (one["table"], one["column"], one["patients"], one["rows"]) == (
        "events", "day", "<5", "<5",
    )  # fmt: skip


def test_suspect_rows_are_not_written_over_the_cohort_or_the_report(tmp_path: Path) -> None:
    folder = tb.datasets.simulated_registry().write(tmp_path / "cohort")
    assert run("check", folder, "--suspects", folder / "events.csv").exit_code == 2
    both = tmp_path / "both"
    assert run("check", folder, "--suspects", both, "--out", both).exit_code == 2
