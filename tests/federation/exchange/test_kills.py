"""Processes killed at any moment leave the earlier or the later state, and can be repeated."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import federation_toy
from chance import drawn_seed
from federation_toy import Toy, make_answer
from federation_world import PATIENTS, World
from twinbayes.federation.exchange import server, site
from twinbayes.federation.exchange.folder import PartyFolder
from twinbayes.federation.exchange.replay import faults

TOY = federation_toy.__file__

# Runs a verb in forks, each of which dies before its next change of the disk, one later each time.
KILLED_EVERYWHERE = """
import os, shutil, signal, sys
import federation_toy
verb, folder, first, every, *rest = sys.argv[1:]
left = 0
def dying(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
    if left is not None and (writes or event in ("os.rename", "os.remove", "os.mkdir")):
        dying()
write, fsync = os.write, os.fsync
def half(file, content):
    if left == 0:
        write(file, bytes(content[: len(content) // 2]))
    dying()
    return write(file, content)
def flushed(file):
    dying()
    return fsync(file)
for moment in range(int(first), 400, int(every)):
    copy = f"{folder}.{moment}"
    shutil.copytree(folder, copy)
    child = os.fork()
    if not child:
        left = moment
        os.write, os.fsync = half, flushed
        sys.addaudithook(watch)
        os._exit(federation_toy.main(verb, copy, *rest))
    ended = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(ended):
        print(moment, os.waitstatus_to_exitcode(ended))
        break
"""


def run_toy(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, TOY, *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ":".join([*sys.path])}


def state(folder: PartyFolder) -> tuple[list[object], list[str], list[str]]:
    """What a folder holds, without times: records, files to carry, and drafts."""
    changing = ("created", "hash", "previous")
    records: list[object] = [
        json.dumps({k: v for k, v in r.items() if k not in changing}, sort_keys=True)
        for r in folder.ledger.records()
    ]
    out = sorted(f"{p.name} {p.read_bytes().hex()}" for p in folder.outbox.rglob("*.msg"))
    return records, out, sorted(p.read_text() for p in folder.drafts.glob("*.draft"))


def prepared(world: World, verb: str) -> PartyFolder:
    """The folder in which a verb has most to do."""
    world.carry_out()
    if verb == "answer":
        return world["north"]
    make_answer(world.path / "north", world.study, PATIENTS["north"])
    if verb == "release":
        return world["north"]
    world.answer_and_release()
    world.carry_back()
    return world["server"]


@pytest.mark.parametrize(
    ("verb", "every"),
    [("answer", 2), ("release", 2), ("step", 7)]
    + [pytest.param(verb, 1, marks=pytest.mark.slow) for verb in ("answer", "release", "step")],
)
def test_a_process_killed_before_any_change_of_the_disk_is_repeated(
    world: World, verb: str, every: int
) -> None:
    first = drawn_seed(below=every)
    folder = prepared(world, verb)
    values = PATIENTS["north"] if verb == "answer" else []
    command = [sys.executable, "-c", KILLED_EVERYWHERE, verb, folder.path, first, every, *values]
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, env=environment(), check=True
    )
    moments, code = map(int, done.stdout.split())
    assert code == 0
    assert moments > 10
    whole = PartyFolder(Path(f"{folder.path}.{moments}"))
    before, after = state(folder), state(whole)
    assert before != after
    torn = 0
    for moment in range(first, moments, every):
        killed = PartyFolder(Path(f"{folder.path}.{moment}"))
        told = faults(killed)
        torn += len(told)
        assert all("of a record that was interrupted" in fault for fault in told)
        records, out, drafts = state(killed)
        assert records == after[0][: len(records)]
        assert len(records) >= len(before[0])
        assert set(out) <= set(after[1])
        assert set(drafts) <= {*before[2], *after[2]}
        recorded = "".join(map(str, records))  # nothing lies in the outbox that is not recorded
        assert all(name.split("-")[-1][:16] in recorded for name in out)
        assert federation_toy.main(verb, str(killed.path), *map(str, values)) == 0
        assert state(killed) == after
        assert faults(killed) == []
    assert torn > 0 or every > 1


def until(true: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def is_locked(folder: PartyFolder) -> bool:
    with (folder.path / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_site_killed_while_it_computes_has_let_nothing_go_and_answers_again(
    world: World,
) -> None:
    world.carry_out()
    process = run_toy("answer", world["north"].path, "wait=60", *PATIENTS["north"])
    until(lambda: len(world["north"].ledger.records()) > 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(world["north"].drafts.iterdir())
    assert not list(world["north"].outbox.glob("*.msg"))
    assert len(world["north"].history().open) == 1
    world.one_round()
    assert world.one_round().posterior is not None


def test_of_two_servers_that_step_at_once_one_is_told_to_wait(world: World) -> None:
    world.carry_out()
    world.answer_and_release()
    world.carry_back()
    folder = world["server"]
    first = run_toy("step", folder.path, "wait=1.5")
    until(lambda: is_locked(folder))
    assert federation_toy.main("step", str(folder.path)) == 2
    assert first.wait() == 0
    first.communicate()
    assert [q.round for q in folder.history().questions] == [0, 0, 1, 1]
    assert world.step().asked == 0


def test_a_folder_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.rename", full)
    with pytest.raises(Exception, match="No space left"):
        server.start(tmp_path / "server", Toy())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["answer", "release", "step"])
def test_processes_killed_at_random_moments_are_repeated(world: World, verb: str) -> None:
    folder = prepared(world, verb)
    values = PATIENTS["north"] if verb == "answer" else []
    whole = PartyFolder(shutil.copytree(folder.path, world.path / "whole"))
    began = time.monotonic()
    process = run_toy(verb, whole.path, *values)
    process.communicate()
    took = time.monotonic() - began
    after = state(whole)
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    generator = np.random.default_rng(seed)
    for k in range(60):
        killed = PartyFolder(shutil.copytree(folder.path, world.path / f"killed{k}"))
        while state(killed) != after:
            process = run_toy(verb, killed.path, *values)
            time.sleep(took * generator.uniform(0.5, 1.1))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            records = state(killed)[0]
            assert records == after[0][: len(records)], f"seed {seed}"
        assert faults(killed) == [], f"seed {seed}"


def test_a_release_by_a_second_person_at_the_same_time_happens_once(world: World) -> None:
    world.carry_out()
    make_answer(world.path / "north", world.study, PATIENTS["north"])
    processes = [run_toy("release", world["north"].path) for _ in range(2)]
    codes = [(p.communicate(), p.returncode)[1] for p in processes]
    assert 0 in codes
    assert set(codes) <= {0, 2}
    assert sum(r["event"] == "sent" for r in world["north"].ledger.records()) == 1
    assert site.release(world["north"], world.study, by="A. Rossi") == []


def ends(code: int, words: str, *command: object) -> None:
    process = run_toy(*command)
    _, said = process.communicate()
    assert process.returncode == code, said
    assert words in said


@pytest.mark.slow
def test_processes_refuse_what_is_not_in_order_and_go_on_with_the_rest(
    world: World, tmp_path: Path
) -> None:
    centre, north, south = (world[name].path for name in ("server", "north", "south"))
    other = World(tmp_path / "other", Toy(title="another")).begin()
    world.carry_out()
    ends(2, "1 patient: an answer would be", "answer", north, 1.0)
    restored = shutil.copytree(north, tmp_path / "restored")
    for path, values in ((restored, [7.0, 8.0]), (north, PATIENTS["north"])):
        ends(0, "", "answer", path, *values)
        ends(0, "", "release", path)
    (own,) = (north / "outbox").glob("*.msg")
    tampered = own.read_bytes().replace(b'"n":3', b'"n":4')
    (centre / "inbox" / "0.msg").write_bytes(tampered)
    ends(3, "not what north signed", "step", centre)
    for _ in range(2):  # the same answer again
        shutil.copy(own, centre / "inbox" / "0.msg")
        ends(0, "", "step", centre)
        shutil.copy(own, centre / "inbox" / "1.msg")
    (again,) = (restored / "outbox").glob("*.msg")
    shutil.copy(again, centre / "inbox" / "2.msg")
    ends(3, "answers an old question", "step", centre)
    (centre / "inbox" / "2.msg").unlink()
    other.carry_out()
    (strange,) = (other["south"].inbox).glob("*.msg")
    shutil.copy(strange, south / "inbox" / "0.msg")
    ends(3, "nobody's here", "answer", south, *PATIENTS["south"])
    ends(0, "", "release", south)
    world.carry_back()
    ends(0, "", "step", centre)
    assert [q.round for q in world["server"].history().questions] == [0, 0, 1, 1]
