"""The ledger: chained, whole, without identifiers, and true when it is done again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import twinbayes as tb
from twinbayes import hash_chain
from twinbayes.cli import app as cli
from twinbayes.cohort import Cohort
from twinbayes.errors import StorageError, TwinError
from twinbayes.hash_chain import canonical
from twinbayes.inference import Fit
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Ledger, Twin, replay

YEAR = DAYS_PER_YEAR


def visits(*rows: tuple[float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["day", "value"])
    return frame.assign(marker="bilirubin")


@pytest.fixture(scope="module")
def story(
    joint_fit: Fit, strangers: Cohort, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Twin]]:
    """A ledger of four updates: of a stranger, twice, once with a late result; of one of the fit;
    and of two strangers at once."""
    path = tmp_path_factory.mktemp("ledger") / "updates.jsonl"
    ledger = Ledger.begin(path)
    first = joint_fit.twin(strangers.select(["q01"]), at=YEAR, draws=200).update(
        visits((1.5 * YEAR, 3.0), (1.7 * YEAR, 9.0))
    )
    second = first.update(visits((1.2 * YEAR, 2.0)), day=2.0 * YEAR)
    alive = joint_fit.cohort.events.query("event == 'last_contact'")["patient_id"].iloc[0]
    known = joint_fit.twin(alive)
    third = known.update(visits((known.present[0].day + 40.0, 2.0)))
    two = joint_fit.twin(strangers.select(["q03", "q04"]), at=YEAR)
    both = pd.concat([visits((1.6 * YEAR, 2.0)).assign(patient_id=p) for p in ("q04", "q03")])
    death = pd.DataFrame({"patient_id": ["q03"], "day": [1.9 * YEAR], "event": ["death"]})
    fourth = two.update(both, events=death)
    steps = [first, second, third, fourth]
    for step in steps:
        ledger.append(step)
    return path, steps


@pytest.fixture
def copy(story: tuple[Path, list[Twin]], tmp_path: Path) -> Ledger:
    for suffix in ("", ".head"):
        source = story[0].with_name(story[0].name + suffix)
        (tmp_path / source.name).write_bytes(source.read_bytes())
    return Ledger(tmp_path / story[0].name)


def now(story: tuple[Path, list[Twin]], fit: Fit) -> Cohort:
    """The registry today: everybody's latest record."""
    _, second, third, fourth = story[1]
    parts = [second.cohort, third.cohort, fourth.cohort]
    tables = {
        name: pd.concat([getattr(p, name) for p in parts], ignore_index=True)
        for name in ("patients", "events", "visits")
    }
    return replace(fit.cohort, **tables)


@pytest.mark.requirement("R-045")
def test_a_ledger_is_reproduced_bit_for_bit(story: tuple[Path, list[Twin]], joint_fit: Fit) -> None:
    records = Ledger(story[0]).records()
    assert [len(r["patients"]) for r in records] == [1, 1, 1, 2]
    assert replay(joint_fit, now(story, joint_fit), records) == []


def test_a_record_says_what_changed_and_what_moved_the_forecast(
    story: tuple[Path, list[Twin]],
) -> None:
    path, steps = story
    first, second, _, fourth = Ledger(path).records()
    entry = first["patients"][0]
    assert entry["counts"] == {"visits": 2, "events": 0, "treatments": 0}
    assert entry["last_day"] == [YEAR, 1.7 * YEAR]
    forecast = steps[0].forecast(5 * YEAR, [YEAR, 2 * YEAR, 5 * YEAR])
    assert [row[0] for row in entry["survival"]["after"]] == forecast["survival"][0].values.tolist()
    assert entry["reliability"]["surprise"] == steps[0].reliability()["surprise"].iloc[0]
    assert first["draws"] == 200
    without = [
        replace(
            steps[0],
            change=None,
            cohort=steps[0].cohort.with_rows(
                {"visits": steps[0].cohort.visits.drop(k).reset_index(drop=True)}
            ),
        ).forecast(5 * YEAR, [YEAR, 2 * YEAR, 5 * YEAR])
        for k in entry["added"]["visits"]
    ]
    shifts = [np.abs(forecast["survival"] - w["survival"]).max() for w in without]
    assert entry["moved_most"]["visit"] == entry["added"]["visits"][int(np.argmax(shifts))]
    assert abs(entry["moved_most"]["shift"]) == float(max(shifts))
    assert second["patients"][0]["before"] == entry["after"]
    assert fourth["patients"][1]["last_event"] == ["last_contact", "death"]
    assert second["previous"] == first["hash"]


def test_no_identifier_is_in_the_ledger(story: tuple[Path, list[Twin]], joint_fit: Fit) -> None:
    text = story[0].read_text()
    for patient in ("q01", "q03", "q04", *joint_fit.cohort.patient_ids):
        assert f'"{patient}"' not in text
        assert patient not in text.replace('"p', "")


@pytest.mark.requirement("R-045")
def test_another_record_or_another_fit_is_not_reproduced(
    story: tuple[Path, list[Twin]], joint_fit: Fit
) -> None:
    records, cohort = Ledger(story[0]).records(), now(story, joint_fit)
    assert cohort.visits is not None
    other = cohort.visits.copy()
    other.loc[other["patient_id"] == "q01", "value"] *= 1.01
    problems = replay(joint_fit, replace(cohort, visits=other), records)
    assert [p[:8] for p in problems] == ["record 0", "record 1"]
    assert "no patient of this cohort" in problems[0]
    refit = replace(joint_fit, manifest={"seed": 2})
    assert len(replay(refit, cohort, records)) == 4


def test_a_forecast_that_is_rewritten_with_a_whole_chain_is_not_reproduced(
    story: tuple[Path, list[Twin]], joint_fit: Fit
) -> None:
    records = json.loads(json.dumps(Ledger(story[0]).records()))
    records[2]["patients"][0]["survival"]["after"][0][0] += 1e-12
    problems = replay(joint_fit, now(story, joint_fit), records)
    assert problems == ["record 2: not reproduced: survival."]


def lines_of(ledger: Ledger) -> list[bytes]:
    return ledger.path.read_bytes().splitlines(keepends=True)


TAMPERING: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a digit changed": (lambda x: [x[0].replace(b"bilirubin", b"bilirubim"), *x[1:]], "altered"),
    "blanks added": (lambda x: [x[0].replace(b":", b": ", 1), *x[1:]], "altered"),
    "reordered": (lambda x: [x[1], x[0], *x[2:]], "does not follow"),
    "one removed": (lambda x: [x[0], *x[2:]], "truncated"),
    "last removed": (lambda x: x[:-1], "truncated"),
    "half of the last removed": (lambda x: [*x[:-1], x[-1][:-50]], "truncated"),
    "all removed": (lambda _: [], "truncated"),
    "one twice": (lambda x: [*x, x[-1]], "does not follow"),
    "rubbish behind": (lambda x: [*x, b"{}\n"], "altered"),
}


@pytest.mark.requirement("R-045")
@pytest.mark.parametrize("case", TAMPERING)
def test_tampering_is_detected_by_reading_and_by_appending(
    copy: Ledger, story: tuple[Path, list[Twin]], case: str
) -> None:
    change, message = TAMPERING[case]
    copy.path.write_bytes(b"".join(change(lines_of(copy))))
    with pytest.raises(StorageError, match=message):
        copy.records()
    before = copy.path.read_bytes()
    with pytest.raises(StorageError, match=message):
        copy.append(story[1][0])
    assert copy.path.read_bytes() == before


@pytest.mark.parametrize(
    ("suffixes", "named"),
    [
        ([".head"], r"^updates\.jsonl\.head: missing"),
        ([""], r"^updates\.jsonl: missing"),
        (["", ".head"], r"^updates\.jsonl and updates\.jsonl\.head: missing"),
    ],
)
def test_a_ledger_without_one_or_both_of_its_files_is_refused_and_not_begun_anew(
    copy: Ledger, story: tuple[Path, list[Twin]], suffixes: list[str], named: str
) -> None:
    for suffix in suffixes:
        copy.path.with_name(f"{copy.path.name}{suffix}").unlink()
    there = sorted(p.name for p in copy.path.parent.iterdir())
    with pytest.raises(StorageError, match=named):
        copy.records()
    with pytest.raises(StorageError, match=named):
        copy.append(story[1][0])
    assert sorted(p.name for p in copy.path.parent.iterdir()) == there


def test_an_emptied_ledger_without_its_head_is_not_a_new_one(
    copy: Ledger, story: tuple[Path, list[Twin]]
) -> None:
    copy.path.write_bytes(b"")
    copy.head_path.unlink()
    with pytest.raises(StorageError, match="cut off"):
        copy.append(story[1][0])


@pytest.mark.parametrize("suffix", ["", ".head"])
def test_a_ledger_is_begun_once(copy: Ledger, suffix: str) -> None:
    copy.path.with_name(f"{copy.path.name}{suffix}").unlink()
    with pytest.raises(StorageError, match="already there"):
        Ledger.begin(copy.path)
    with pytest.raises(StorageError, match="could not be begun"):
        Ledger.begin(copy.path.parent / "nowhere" / "updates.jsonl")


APPENDING = """
import sys
from twinbayes.twin.updates import ledger
ledger.describe_update = lambda twin: {"fit": {}, "patients": [], "note": twin}
kept = ledger.Ledger(sys.argv[1])
for k in range(int(sys.argv[2])):
    kept.append("x" * (k % 7) * 400)
"""


def test_a_ledger_is_read_while_two_processes_append_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, many = Ledger.begin(tmp_path / "updates.jsonl"), 60
    read = hash_chain._read

    def slowly(file: int) -> bytes:
        content = read(file)
        time.sleep(0.01)  # time enough for an append between the ledger and its head
        return content

    monkeypatch.setattr(hash_chain, "_read", slowly)
    command = [sys.executable, "-c", APPENDING, str(ledger.path), str(many)]
    writers = [subprocess.Popen(command) for _ in range(2)]
    seen = [0]
    while any(w.poll() is None for w in writers):
        seen.append(len(ledger.records()))
    assert [w.returncode for w in writers] == [0, 0]
    assert seen == sorted(seen)
    assert len(ledger.records()) == 2 * many
    assert len(set(seen)) > 5  # it was read in the middle


def test_a_head_that_cannot_be_written_leaves_the_ledger_as_it_was(
    copy: Ledger, story: tuple[Path, list[Twin]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        copy.append(story[1][0])
    monkeypatch.undo()
    assert copy.path.read_bytes() == before
    assert len(copy.records()) == 4


def test_an_end_cut_off_in_both_files_is_detected_by_a_hash_kept_elsewhere(copy: Ledger) -> None:
    records, lines = copy.records(), lines_of(copy)
    copy.path.write_bytes(b"".join(lines[:2]))
    head = json.loads(copy.head_path.read_text())
    head |= {"records": 2, "bytes": len(lines[0] + lines[1]), "hash": records[1]["hash"]}
    copy.head_path.write_text(canonical(head) + "\n")
    assert len(copy.records()) == 2
    assert len(copy.records(head=records[0]["hash"])) == 2
    with pytest.raises(StorageError, match="truncated"):
        copy.records(head=records[3]["hash"])


def test_an_interrupted_append_does_no_harm(copy: Ledger, story: tuple[Path, list[Twin]]) -> None:
    head = copy.head_path.read_bytes()
    whole = copy.path.read_bytes()
    record = copy.append(story[1][0])
    full = copy.path.read_bytes()
    copy.head_path.write_bytes(head)  # the line was written, its head was not
    assert copy.records()[-1] == record
    copy.path.write_bytes(full[: len(whole) + 100])  # a part of the line was written
    assert len(copy.records()) == 4
    copy.append(story[1][0])
    assert len(copy.records()) == 5
    assert len(copy.path.read_bytes()) == len(full)


def test_a_full_disk_leaves_the_ledger_as_it_was(
    copy: Ledger, story: tuple[Path, list[Twin]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.path.read_bytes()
    write = os.write

    def half(file: int, content: memoryview) -> int:
        if len(content) < 50:
            raise OSError(28, "No space left on device")
        return write(file, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StorageError, match="No space left"):
        copy.append(story[1][0])
    monkeypatch.undo()
    assert copy.path.read_bytes() == before
    assert len(copy.records()) == 4


def test_only_updates_are_recorded(joint_fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(TwinError, match="was not updated"):
        Ledger.begin(tmp_path / "x.jsonl").append(joint_fit.twin("p01"))


def test_the_command_verifies_a_ledger_and_says_what_is_wrong(
    story: tuple[Path, list[Twin]],
    copy: Ledger,
    joint_fit: Fit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tb, "load_fit", lambda _path: joint_fit, raising=False)
    folder = now(story, joint_fit).write(tmp_path / "cohort")
    command = ["twin", "verify", "x.fit", str(folder), str(copy.path), "--json"]
    done = CliRunner().invoke(cli.app, command)
    last = copy.records()[-1]["hash"]
    assert json.loads(done.stdout) == {
        "verified": True, "records": 4, "head": last, "problems": [],
    }  # fmt: skip
    assert done.exit_code == 0
    assert CliRunner().invoke(cli.app, [*command, "--head", last]).exit_code == 0
    assert CliRunner().invoke(cli.app, [*command, "--head", "0" * 64]).exit_code == 2
    early = now(story, joint_fit).until(300.0).write(tmp_path / "early")
    command[3] = str(early)
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 3
    assert len(json.loads(done.stdout)["problems"]) == 5
    copy.path.write_bytes(b"".join(lines_of(copy)[:-1]))
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"] == "StorageError"


def test_the_commands_of_twins_explain_themselves() -> None:
    for command in ("verify", "report"):
        done = CliRunner().invoke(cli.app, ["twin", command, "--help"])
        assert done.exit_code == 0
        assert "Example:  twinbayes twin" in done.output
