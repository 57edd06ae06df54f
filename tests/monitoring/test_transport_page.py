"""What may be seen of a fit that is moved: pages, the command, and few people hidden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import twinbayes as tb
from chance import drawn_seed
from twinbayes.cli import app as cli
from twinbayes.errors import OptionError
from twinbayes.inference import Fit
from twinbayes.monitoring import observed_expected
from twinbayes.monitoring.transport import as_shown
from twinbayes.names import TRANSPORT
from twinbayes.report.transport_page import write_transport_page

SEED = drawn_seed(__name__)


def test_few_people_are_hidden(survival: Fit, there: tb.Cohort, tmp_path: Path) -> None:
    dead = there.events.loc[there.events["event"] == "death", "patient_id"].unique()
    few = there.select([*dead[:3], *sorted(set(there.patient_ids) - set(dead))[:20]])
    out = survival.transport(few)
    assert out.manifest[TRANSPORT]["events"] == {"alive->dead": "<5"}
    assert out.manifest[TRANSPORT]["patients"] == str(few.n_patients)
    shown = as_shown(observed_expected({"as is": survival, "moved": out}, few))
    assert set(shown["observed"]) <= {"<5", "hidden"}
    assert shown[["expected", "ratio", "lower", "upper"]].isna().all(axis=None)
    page = write_transport_page(survival, out, few, tmp_path / "page.html", refit=survival)
    text = page.read_text(encoding="utf-8")
    assert "&lt;5" in text
    assert not any(p in text for p in few.patient_ids)
    with pytest.raises(OptionError, match="none that was moved"):
        write_transport_page(survival, survival.without_patients(), few, page)


def test_a_part_that_is_hidden_is_not_told_by_the_sum() -> None:
    rows = [("f", "all", 90, 33.0), ("f", "a", 90, 30.0), ("f", "b", 90, 3.0)]
    table = pd.DataFrame(rows, columns=["fit", "transition", "patients", "observed"])
    table = table.assign(expected=1.0, ratio=1.0, lower=1.0, upper=1.0)
    shown = as_shown(table)["observed"].tolist()
    assert shown[2] == "<5"
    assert "hidden" in shown[:2]


def test_the_command_moves_and_shows_a_page(
    survival: Fit, there: tb.Cohort, tmp_path: Path
) -> None:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(cli.app, ["transport", *map(str, arguments)])

    fit, folder = survival.save(tmp_path / "fit.nc"), tmp_path / "there"
    there.write(folder)
    out, page = tmp_path / "moved.nc", tmp_path / "moved.html"
    done = run(fit, "--cohort", folder, "--out", out, "--page", page, "--seed", SEED, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["usable"]
    back: Any = tb.load_fit(out)
    assert back.manifest[TRANSPORT]["learnt"] == "level"
    text = page.read_text(encoding="utf-8")
    assert "Observed against expected" in text
    assert not any(p in text for p in there.patient_ids)
    plain = run(fit, "--cohort", folder, "--out", out, "--page", page)
    assert plain.exit_code == 0
    assert "Page:" in plain.stdout
    assert run(fit, "--cohort", folder, "--out", out, "--agreement", "2").exit_code == 2
    assert run(fit, "--cohort", tmp_path / "none", "--out", out).exit_code == 2
    refused = run(fit, "--cohort", folder, "--out", out, "--learns", "all")
    assert refused.exit_code == 2
    assert "learns" in refused.stderr
