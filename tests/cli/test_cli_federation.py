"""The commands of federations: what they print, and their exit codes; the statistics are toys."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import federation_toy
import twinbayes as tb
from federation_toy import Toy
from federation_world import PATIENTS
from twinbayes.cli import app as cli
from twinbayes.cli.federating import federation as commands
from twinbayes.cli.federating import studies
from twinbayes.federation.exchange.numbers import Source
from twinbayes.federation.message import Message


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands.federation, [str(a) for a in arguments])


MANIFEST = {"federation": {"certificate": {"pareto_k": 0.1, "ess": 900.0}, "minimum": 2}}


def verdict_of_toys(usable: bool = True) -> SimpleNamespace:
    said = "usable" if usable else "do not use"
    return SimpleNamespace(usable=usable, banner=lambda: said, reasons=(), summary={})


def posterior_of(_: Path, usable: bool = True) -> SimpleNamespace:
    return SimpleNamespace(verdict=verdict_of_toys(usable), manifest=MANIFEST)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, where cohorts are lists and fits are means."""

    def stepping(study: Toy) -> Any:
        def step(history: Any, store: Path) -> Any:
            found = federation_toy.next_step(study, history, store)
            if found.posterior is not None:
                object.__setattr__(found.posterior, "verdict", verdict_of_toys())
                object.__setattr__(found.posterior, "manifest", MANIFEST)
            return found

        return step

    def answering(_: object, cohort: list[float], __: str | None = None) -> Any:
        def answer(question: Message) -> Message:
            return federation_toy.answer(question, cohort)

        return answer

    monkeypatch.setattr(studies, "new_study", lambda spec, sites, *_, **__: Toy(sites, spec))
    monkeypatch.setattr(commands, "description_of", lambda disease, *_: disease)
    monkeypatch.setattr(studies, "study_of", Toy.from_dict)
    monkeypatch.setattr(studies, "stepping", stepping)
    monkeypatch.setattr(studies, "answering", answering)
    monkeypatch.setattr(studies, "posterior_of", posterior_of)
    monkeypatch.setattr(commands, "cohort_of", lambda name, _: PATIENTS.get(name, [1.0]))
    monkeypatch.setattr(Source, "of", federation_toy.source_of)
    return tmp_path


def ok(done: Result, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def begin(place: Path) -> tuple[Path, dict[str, str]]:
    """The centre's folder, and the keys of sites that have joined but are not pinned."""
    centre = place / "centre"
    sites = ("--sites", "north, south")
    said = ok(run("start", "--disease", "toy", *sites, "--out", centre, "--json"))
    keys = {}
    for name in PATIENTS:
        joined = ok(
            run("join", said["invitation"], "--site", name, "--server-key", said["key"], "--out",
                place / name, "--json")
        )  # fmt: skip
        shutil.copy(joined["card"], centre / "inbox")
        keys[name] = joined["key"]
    return centre, keys


def carry(centre: Path, place: Path) -> None:
    for name in PATIENTS:
        for file in (centre / "outbox" / name).glob("*"):
            shutil.copy(file, place / name / "inbox")


def test_two_sites_and_a_centre_come_to_a_fit_by_commands_alone(place: Path) -> None:
    centre, keys = begin(place)
    assert ok(run("step", centre, "--json"))["asking_to_join"] == keys
    pins = [part for name, key in keys.items() for part in ("--pin", f"{name}={key}")]
    assert ok(run("step", centre, *pins, "--json"))["waiting"] == ["north", "south"]
    for number in range(2):
        carry(centre, place)
        for name in PATIENTS:
            (draft,) = ok(run("answer", place / name, name, "--json"))["drafts"]
            said = ok(run("release", place / name, "--by", "A. Rossi", "--draft", draft, "--json"))
            assert said["released"] == [draft]
            for file in (place / name / "outbox").glob("*.msg"):
                shutil.copy(file, centre / "inbox")
        assert ok(run("step", centre, "--json"))["finished"] == (number == 1)
    assert (centre / "posterior.nc").exists()
    assert "The study is finished" in ok(run("status", centre, "--json"))["next"]
    for arguments in ([centre], [place / "north", "north"], [place / "south", "--quick"]):
        verified = ok(run("verify", *arguments, "--json"))
        assert (verified["verified"], verified["problems"]) == (True, [])
    assert run("verify", place / "north", "--head", verified["head"], "--quick").exit_code == 2
    assert run("verify", place / "north").exit_code == 2
    said = run("verify", place / "north", "south")
    assert "not the one that north has answered from" in said.stdout
    assert "NOT verified: 1 problem." in said.stdout
    assert said.exit_code == 3


@pytest.mark.parametrize("usable", [True, False])
def test_a_step_after_the_end_says_so_and_does_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    centre, keys = begin(place)
    run("step", centre, *(part for n, k in keys.items() for part in ("--pin", f"{n}={k}")))
    for _ in range(2):
        carry(centre, place)
        for name in PATIENTS:
            run("answer", place / name, name)
            run("release", place / name, "--by", "A. Rossi")
            for file in (place / name / "outbox").glob("*.msg"):
                shutil.copy(file, centre / "inbox")
        ok(run("step", centre, "--json"))
    before = everything_in(centre)

    def never(_: object) -> Any:
        pytest.fail("nothing is to be sampled")

    with monkeypatch.context() as patched:
        patched.setattr(studies, "stepping", lambda _: never)
        patched.setattr(studies, "posterior_of", lambda path: posterior_of(path, usable))
        done = run("step", centre)
        again = run("step", centre, "--json")
    assert done.exit_code == (0 if usable else 3)
    assert "The study is finished, and posterior.nc is there. Nothing was done." in done.stdout
    assert ("usable" if usable else "do not use") in done.stdout
    assert f"Posterior: {centre / 'posterior.nc'}." in done.stdout
    told = json.loads(again.stdout)
    assert (told["finished"], told["usable"], told["asked"]) == (True, usable, 0)
    assert everything_in(centre) == before
    (centre / "posterior.nc").unlink()
    done = run("step", centre)
    assert done.exit_code == 0, done.output
    assert "finished before, and posterior.nc is missing" in done.stdout
    assert everything_in(centre) == before


def everything_in(folder: Path) -> dict[str, bytes]:
    """All files but the lock, which each command opens."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_who_looks_or_releases_waits_for_no_sampler(place: Path) -> None:
    centre, keys = begin(place)
    run("step", centre, *(part for n, k in keys.items() for part in ("--pin", f"{n}={k}")))
    carry(centre, place)
    run("answer", place / "north", "north")
    for arguments in (
        ["status", centre], ["status", place / "north", "--json"],
        ["release", place / "north", "--by", "A. Rossi"], ["verify", place / "north", "--quick"],
        ["verify", centre, "--quick"],
    ):  # fmt: skip
        program = (
            "import sys\n"
            "from twinbayes.cli import app\n"
            "try:\n"
            f"    app.app(['federation', *{[str(a) for a in arguments]!r}])\n"
            "except SystemExit as end:\n"
            "    assert not end.code, end.code\n"
            "heavy = {'pymc', 'pytensor', 'numba', 'scipy', 'pandas'} & set(sys.modules)\n"
            "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr)


def test_people_read_what_would_leave_and_what_to_do_next(place: Path) -> None:
    centre, keys = begin(place)
    done = run("step", centre)
    assert f"north asks to join with the key {keys['north']}" in done.stdout
    carry(centre, place)
    done = run("answer", place / "north", "north")
    assert "Round 0, counts, to server: 2 numbers, where 3 are held" in done.stdout
    assert "Nothing has left." in done.stdout
    assert f"release {place / 'north'} --by NAME" in run("status", place / "north").stdout
    assert "Released by A. Rossi" in run("release", place / "north", "--by", "A. Rossi").stdout
    assert "no draft" in run("release", place / "north", "--by", "A. Rossi").stdout
    said = run("answer", place / "north", "north").stdout
    assert said.startswith("Nothing is asked that is not answered.\nWaiting for: server\nNext: ")
    assert f"fit {place / 'north'} posterior.nc COHORT" in said
    said = run("status", centre).stdout
    assert "Waiting for: north, south" in said
    assert f"step {centre} --pin SITE=KEY" in said
    done = run("fit", centre, centre / "posterior.nc", "north", "--out", place / "fit.nc")
    assert "has no patients. Give that of a site" in done.output


def test_a_step_says_whose_cards_are_missing(place: Path) -> None:
    centre, _ = begin(place)
    assert f"2 new questions in {centre / 'outbox'}." in run("step", centre).stdout
    said = run("step", centre).stdout
    assert "No new question.\nWaiting for: north, south\nNext: Send outbox/invitation.json" in said


def test_what_is_refused_is_told_and_is_the_exit_code(place: Path) -> None:
    centre, _ = begin(place)
    run("step", centre)
    carry(centre, place)
    (place / "north" / "inbox" / "torn.msg").write_bytes(b"twinbayes")
    (place / "north" / "inbox" / "notes.txt").write_text("see you")
    done = run("answer", place / "north", "north")
    assert done.exit_code == 3
    assert "REFUSED: torn.msg is no signed message, or not whole" in done.stdout
    assert "neither a message nor a card: notes.txt" in done.stdout
    done = run("answer", place / "south", "somebody", "--json")
    assert ok(done, 2)["error"] == "FederationError"
    assert "1 patient: an answer would be" in done.stdout
    assert ok(run("step", centre, "--pin", "north", "--json"), 2)["error"] == "OptionError"
    assert ok(run("status", place, "--json"), 2)["error"] == "FederationError"


def test_a_flipped_byte_is_told_by_verify(place: Path) -> None:
    centre, _ = begin(place)
    run("step", centre)
    path = next((centre / "messages").iterdir())
    path.write_bytes(path.read_bytes().replace(b"patients", b"patienty"))
    done = run("verify", centre, "--json")
    assert "was altered after the ledger recorded it" in ok(done, 3)["problems"][0]


def test_the_commands_are_among_those_of_the_package_and_explain_themselves() -> None:
    done = CliRunner().invoke(cli.app, ["federation", "--help"])
    assert done.exit_code == 0
    for command in ("start", "join", "step", "answer", "release", "fit", "status", "verify"):
        assert command in done.output
        assert "Example:  twinbayes federation" in run(command, "--help").output


@pytest.mark.slow
def test_three_hospitals_come_from_the_first_command_to_a_twin(tmp_path: Path) -> None:
    registry = tb.datasets.simulated_registry()
    sites = dict(zip(("north", "south", "west"), registry.centres, strict=False))
    cohorts = {}
    patients = registry.patients.groupby("centre")["patient_id"].agg(list)
    for name, label in sites.items():
        cohorts[name] = registry.select(patients[label]).write(tmp_path / f"{name}_cohort")
    centre = tmp_path / "centre"
    events = [part for e in ("complete_remission", "relapse") for part in ("--ignore-event", e)]
    said = ok(run("start", "--disease", "survival", "--sites", ",".join(sites), *events, "--out",
                  centre, "--json"))  # fmt: skip
    pins = []
    for name in sites:
        joined = ok(run("join", said["invitation"], "--site", name, "--server-key", said["key"],
                        "--out", tmp_path / name, "--json"))  # fmt: skip
        (tmp_path / name / "inbox").rmdir()
        (tmp_path / name / "inbox").symlink_to(centre / "outbox" / name)
        (centre / "inbox" / name).symlink_to(tmp_path / name / "outbox")
        pins += ["--pin", f"{name}={joined['key']}"]
    done = ok(run("step", centre, *pins, "--json"))
    for _ in range(14):
        for name, cohort in cohorts.items():
            assert ok(run("answer", tmp_path / name, cohort, "--json"))["refused"] == []
            ok(run("release", tmp_path / name, "--by", "A. Rossi", "--json"))
        done = ok(run("step", centre, "--json"))
        if done["finished"]:
            break
    assert done["usable"], done
    assert ok(run("verify", centre, "--json"))["verified"]
    assert ok(run("verify", tmp_path / "north", cohorts["north"], "--json"))["verified"]
    out = tmp_path / "north.nc"
    joint = centre / "posterior.nc"
    assert ok(run("fit", tmp_path / "north", joint, cohorts["north"], "--out", out, "--json"))
    assert ok(run("fit", tmp_path / "north", joint, cohorts["south"], "--out", out, "--json"), 2)
    fitted = tb.load_fit(out)
    alive = fitted.cohort.events.query("event == 'last_contact'")["patient_id"].iloc[0]
    forecast = fitted.twin(alive).forecast(until=1e4, grid=[1e4])
    assert 0.0 < float(forecast["survival"].squeeze()) < 1.0
