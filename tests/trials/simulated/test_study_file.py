"""Studies as files: read strictly, run by the command, written as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from twinbayes.cli import app as cli
from twinbayes.errors import OptionError
from twinbayes.inference.samplers.short_run import Sampling
from twinbayes.trials import AnalysisDecision, Truth
from twinbayes.trials.simulated.study_file import read_study

STUDY: dict[str, Any] = {
    "name": "two subgroups",
    "sizes": {"small": 6, "large": 30},
    "truth": {"scenario": "null", "value": 0.3},
    "analyses": ["none"],
    "decision": {"threshold": 0.3, "cut_off": 0.8},
    "sampling": {"draws": 40, "tune": 40, "chains": 2, "ess_min": 5.0, "rhat_max": 2.0},
    "trials": 2,
    "seed": 1,
}


def written(folder: Path, **changes: Any) -> Path:
    found = {key: value for key, value in (STUDY | changes).items() if value is not None}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")
    return path


def test_a_study_is_read_as_it_is_written(tmp_path: Path) -> None:
    read = read_study(written(tmp_path))
    assert read.design.labels == ("small", "large")
    assert read.design.sizes == (6, 30)
    assert read.design.truth == Truth(scenario="null", value=0.3)
    assert read.decision == AnalysisDecision(threshold=0.3, cut_off=0.8)
    assert read.sampling == Sampling(draws=40, tune=40, chains=2, ess_min=5.0, rhat_max=2.0)
    assert (read.trials, read.seed, read.level) == (2, 1, 0.9)


def test_analyses_may_have_names_and_options_of_their_pooling(tmp_path: Path) -> None:
    analyses = {"wary": {"pooling": "exnex", "weights": [0.2, 0.8]}, "one": {"pooling": "complete"}}
    specs = read_study(written(tmp_path, analyses=analyses)).analyses
    assert list(specs) == ["wary", "one"]
    assert specs["wary"].pooling.weights == (0.2, 0.8)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "study.yaml: key 'colour'. Known: 'name'"),
        ({"trials": None}, "study.yaml: missing trials"),
        ({"truth": {"scenario": "odd"}}, "Unknown scenario 'odd'"),
        ({"truth": {"scenario": "null", "worth": 1}}, "Unknown truth: key 'worth'"),
        ({"truth": 3}, "truth: expected keys and values"),
        ({"sizes": 6}, "sizes must be a list"),
        ({"sizes": [6, "x"]}, "a value is of the wrong kind"),
        ({"analyses": ["exnix"]}, "Unknown analyses: exnix: pooling 'exnix'"),
        ({"analyses": {"a": {"weights": [1]}}}, "analyses: a: needs a pooling"),
        ({"analyses": {"a": {"pooling": "exnex", "kind": "x"}}}, "Unknown analyses: a: key 'kind'"),
        ({"analyses": {"a": {"pooling": "exnex", "weights": [0.3, 0.3]}}}, "weights must sum to 1"),
        ({"analyses": []}, "analyses must list pooling strategies"),
        ({"decision": {"cut_off": 0.5}}, "decision: missing threshold"),
        ({"sampling": {"draw": 3}}, "Unknown sampling: key 'draw'"),
        ({"priors": "nowhere"}, "Unknown priors 'nowhere'"),
    ],
)
def test_a_study_with_a_fault_is_refused_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        read_study(written(tmp_path, **changes))


def test_files_that_are_no_studies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no study .study\.yaml."):
        read_study(tmp_path / "study.yaml")
    path = tmp_path / "study.yaml"
    for text, message in (
        ("a: [", "not valid YAML"),
        ("- 1", "keys and values at the top"),
        ("name: a\nname: b", "key 'name' appears twice"),
        ("name: a\ntruth: {value: 1, value: 2}", "key 'value' appears twice"),
    ):
        path.write_text(text)
        with pytest.raises(OptionError, match=message):
            read_study(path)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["simulate", *(str(a) for a in arguments)])


def test_the_command_writes_what_the_study_found(tmp_path: Path) -> None:
    out = tmp_path / "results" / "found.json"
    result = run(written(tmp_path), "--out", out, "--json")
    assert result.exit_code == 0, result.output
    stored, printed = json.loads(out.read_text()), json.loads(result.stdout)
    assert stored["table"] == printed["table"]
    assert stored["name"] == "two subgroups"
    assert stored["settings"]["trials"] == 2
    assert stored["versions"]["twinbayes"]
    [fits] = stored["fits"]
    assert (fits["analysis"], fits["trials"], fits["usable"]) == ("none", 2, 2)
    shown = run(written(tmp_path), "--out", out)
    assert "none: 2 of 2 fits usable, 0 not, 0 failed" in shown.output


def test_too_few_usable_fits_are_told_by_the_exit_code(tmp_path: Path) -> None:
    sampling = {"draws": 20, "tune": 20, "chains": 2, "retries": 0, "ess_min": 1e6}
    result = run(written(tmp_path, sampling=sampling), "--out", tmp_path / "found.json")
    assert result.exit_code == 3
    assert "none: 0 of 2 fits usable, 2 not, 0 failed" in result.output


def test_the_command_explains_itself_and_refuses_bad_input(tmp_path: Path) -> None:
    assert "Example:  twinbayes simulate" in run("--help").output
    study = written(tmp_path, trials=1)
    result = run(study, "--out", tmp_path / "found.json")
    assert result.exit_code == 2
    assert "n_trials must be a whole number" in result.output
    refused = run(written(tmp_path), "--scheduler", "tcp://127.0.0.1:9", "--workers", 2)
    assert refused.exit_code == 2


def test_the_study_on_the_page_about_simulation_can_be_read(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "simulation.md").read_text(encoding="utf-8")
    [text] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    read = read_study(path)
    assert read.design.discordant == ("osteosarcoma",)
    assert list(read.analyses) == ["none", "wary"]
