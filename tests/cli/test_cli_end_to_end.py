"""The command line from one command into the next, on a stored fit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

import twinbayes as tb
from twinbayes.cli import app as cli

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "tests" / "data" / "registry_fit.nc"
COMMANDS = ("check", "fit", "review", "twin", "effect", "priors", "simulate", "demo")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def test_an_effect_goes_from_its_command_into_the_review(tmp_path: Path) -> None:
    effects, page = tmp_path / "effects.json", tmp_path / "review.html"
    told = run(
        "effect", STORED, "--treatment", "allogeneic_transplant", "--landmark", 120, "--state",
        "remission", "--years", 1, "--summary", "rmst_difference", "--allow-unsupported",
        "--out", effects,
    )  # fmt: skip
    assert told.exit_code == 3, told.output  # the stored fit has few draws
    assert "Population: all patients who are alive" in told.stdout
    assert "SIM0" not in effects.read_text(encoding="utf-8")
    shown = run("review", STORED, "--effects", effects, "--out", page)
    assert shown.exit_code == 3, shown.output
    html = page.read_text(encoding="utf-8")
    assert "<h3>Rmst difference: allogeneic transplant on day 120 in remission</h3>" in html
    assert "NOT FOR USE" in html
    bad = run("effect", STORED, "--treatment", "drug", "--landmark", 30, "--summary", "odds",
              "--out", effects)  # fmt: skip
    assert bad.exit_code == 2
    assert "Known: 'risk_difference'" in bad.stderr
    effects.write_text("[NaN]", encoding="utf-8")
    broken = run("review", STORED, "--effects", effects, "--out", page)
    assert (broken.exit_code, broken.stderr[:28]) == (2, "StorageError: effects.json: ")


def test_scenarios_are_chosen_in_words_and_a_report_not_for_use_says_so(tmp_path: Path) -> None:
    out = tmp_path / "patient.html"
    chosen = ("--scenario", "allogeneic_transplant on day 200 in remission", "--scenario", "policy")
    twin = ("twin", STORED, "--patient", "SIM00003", "--at", 0, "--years", 1, "--out", out)
    assert run(*twin, *chosen).exit_code == 3
    page = out.read_text(encoding="utf-8")
    assert "allogeneic transplant after 200 days if then in remission" in page
    assert "the registry&#x27;s own policy" in page
    assert "can be used for this patient" not in page
    assert out.stat().st_mode & 0o777 == 0o600
    for wrong in (chosen[:2], (*chosen, "--scenario", "policy"), ("--scenario", "x") * 2,
                  ("--scenario", "no drug", "--scenario", "policy")):  # fmt: skip
        refused = run(*twin, *wrong)
        assert refused.exit_code == 2, refused.output
        assert "cenario" in refused.stderr or "Unknown treatment" in refused.stderr


def test_of_somebody_who_died_the_report_says_which_day_to_give(tmp_path: Path) -> None:
    events = tb.load_fit(STORED).cohort.events
    died = events[events["event"] == "death"].iloc[0]
    result = run("twin", STORED, "--patient", died["patient_id"], "--out", tmp_path / "x.html")
    assert result.exit_code == 2
    assert "nothing to forecast" in result.stderr
    assert f"before day {died['day']:g}" in result.stderr
    assert str(died["patient_id"]) not in result.stderr


def test_a_terminated_command_ends_as_such_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """At every moment: before, while and after the draws are taken, and while files are written."""
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    code = (
        "import os, signal, threading, time\n"
        "import twinbayes as tb\n"
        "from twinbayes.cli.app import app\n"
        "def slow(fd, real=os.fsync):\n"
        "    print('writing', flush=True)\n"
        "    for _ in range(600): time.sleep(0.05)\n"
        "os.fsync = slow\n"
        f"fit = tb.load_fit({str(STORED)!r})\n"
        "tb.fit = lambda *a, **k: fit\n"
        "app()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "fit", "registry", "--disease", "registry", "--out",
         str(out / "fit.nc")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert [p.stat().st_mode & 0o777 for p in out.iterdir()] == [0o600]
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert not list(out.iterdir())
    assert not list(scratch.rglob("*"))
