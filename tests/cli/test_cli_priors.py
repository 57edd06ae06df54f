"""The command line of priors: tables, JSON, exit codes, and entries that files can hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from twinbayes.cli import app as cli
from twinbayes.priors import check_priors, library_names, load_priors

MEANING = (
    "--name", "response_rate", "--parameter", "probability of response", "--scale", "probability",
    "--population", "nobody", "--protocol", "minutes of a made-up interview",
)  # fmt: skip


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["priors", *(str(a) for a in arguments)])


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == code
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def file_with(folder: Path, entry: str) -> Path:
    """Put an entry below `entries:` of a prior file, as the help says."""
    indented = "".join(f"  {line}\n" for line in entry.splitlines())
    head = "schema: twinbayes/prior/v1\nname: mine\nversion: 1\ndescription: A test.\nentries:\n"
    file = folder / "mine.yaml"
    file.write_text(head + indented, encoding="utf-8")
    return file


@pytest.mark.parametrize("command", ["list", "show", "check", "elicit"])
def test_each_command_explains_itself_with_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example:  twinbayes priors {command}" in result.output


def test_list_shows_sets_with_versions_and_statuses_and_the_entries_of_one() -> None:
    result = run("list")
    assert result.exit_code == 0
    for name in library_names():
        assert f"{name}/v1 " in result.output
    assert "15 default, 3 evidence" in result.output
    entries = run("list", "mds").output
    assert "survival_effect.azacitidine" in entries
    assert "0.7 Normal(mu=-0.545, sigma=0.25)" in entries
    found = answer("list", "aml")
    assert found["hash"] == load_priors("aml").content_hash
    assert [e["name"] for e in found["entries"]] == list(load_priors("aml"))
    sets = answer("list")["sets"]
    assert len(sets) == len(library_names())
    for one in sets:
        (line,) = [x for x in result.output.splitlines() if x.strip().startswith(one["set"])]
        assert line.rstrip().endswith(one["purpose"])
        assert len(one["purpose"]) > 30


def test_show_tells_every_field_and_the_quantiles() -> None:
    result = run("show", "aml", "covariate_scale.gene")
    assert result.exit_code == 0
    entry = load_priors("aml")["covariate_scale.gene"]
    for words in (
        "aml/v1:covariate_scale.gene ~ HalfNormal(sigma=0.5)", "q50 0.3372", "q97.5 1.121",
        entry.distribution_hash, "log hazard ratio", "Nature Genetics 2017",
    ):  # fmt: skip
        assert words in result.output
    found = answer("show", "mds", "survival_effect.azacitidine")
    assert set(load_priors("mds")["survival_effect.azacitidine"].to_dict()) <= set(found)
    assert found["shown_quantiles"]["q50"] == pytest.approx(-0.4938, abs=1e-4)


def test_check_passes_the_library_and_lists_all_faults_of_a_file(tmp_path: Path) -> None:
    assert run("check").exit_code == 0
    assert answer("check", "mds")["passed"] is True
    entry = yaml.safe_dump({"slope": {"distribution": "Normal", "arguments": {"mu": 0}}})
    file = file_with(tmp_path, entry)
    result = run("check", file)
    assert result.exit_code == 3
    assert "'status' is missing" in result.output
    assert "missing 'parameter', 'scale', 'unit', 'population', 'rationale'" in result.output
    found = answer("check", file, code=3)
    assert found["passed"] is False
    assert len(found["files"][0]["faults"]) >= 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "flu"), "Unknown priors 'flu'. Known: 'aml'"),
        (("show", "aml", "slope"), "prior 'slope' is unknown. Known:"),
        (("check", "nowhere.yaml"), "There is no prior file 'nowhere.yaml'"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert said in answer(*arguments, code=2)["message"]


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ((), "Give one of --interval, --quantiles or --chips"),
        (("--interval", "1,2,0.9", "--quantiles", "0.5=1"), "found --interval, --quantiles"),
        (("--interval", "1,2"), "write 3 numbers with commas"),
        (("--quantiles", "0.5:1"), "(no sign =): write PROBABILITY=VALUE"),
        (("--chips", "1,2"), "--chips and --bins need each other"),
        (("--bins", "1,2", "--interval", "1,2,0.9"), "--chips and --bins need each other"),
        (("--chips", "1,a", "--bins", "0,1,2"), "--chips '1,a': write numbers"),
        (("--interval", "1,2,0.9", "--weight", "1", "--weight", "2"), "--weight is given 2 times"),
        (("--interval", "2,1,0.9"), "'values' must ascend"),
    ],
)
def test_statements_that_make_no_sense_are_refused(statements: tuple[str, ...], said: str) -> None:
    result = run("elicit", *MEANING, "--family", "Normal", *statements)
    assert result.exit_code == 2
    assert said in result.stderr


def test_what_is_elicited_from_one_expert_is_an_entry_that_a_file_can_hold(tmp_path: Path) -> None:
    pytest.importorskip("preliz")
    statements = ("--quantiles", "0.1=0.1,0.5=0.2,0.9=0.4")
    result = run("elicit", *MEANING, "--family", "Beta", *statements)
    assert result.exit_code == 0
    file = file_with(tmp_path, result.stdout)
    assert check_priors(file).faults == ()
    entry = load_priors(file)["response_rate"]
    assert entry.elicitation is not None
    assert entry.elicitation.experts[0].values == (0.1, 0.2, 0.4)


@pytest.mark.parametrize("pooling", ["linear", "logarithmic"])
def test_experts_with_chips_are_pooled_by_role_and_weight(tmp_path: Path, pooling: str) -> None:
    pytest.importorskip("preliz")
    out = tmp_path / "entry.yaml"
    found = answer(
        "elicit", *MEANING, "--family", "Normal", "--bins=-2,-1,0,1,2", "--chips", "1,4,4,1",
        "--chips", "0,1,4,5", "--expert", "haematologist", "--expert", "statistician",
        "--weight", "1", "--weight", "3", "--pool", pooling, "--out", out,
    )  # fmt: skip
    file = file_with(tmp_path, out.read_text(encoding="utf-8"))
    assert check_priors(file).faults == ()
    entry = load_priors(file)["response_rate"]
    assert entry.text() == found["formula"]
    assert (len(entry.mixture) == 2) == (pooling == "linear")
    assert entry.elicitation is not None
    assert [e.role for e in entry.elicitation.experts] == ["haematologist", "statistician"]
    assert entry.elicitation.pooling == pooling
