"""Three centres of the simulated registry, asked through an engine and asked directly.

Run by `make federation-vantage6` and `make federation-nvflare`, in the engine's own environment.
Nothing leaves this machine: vantage6 has a network that is played in one process, NVFlare a
simulator with a process for each site. Ends with 1 unless all messages are the same to the byte.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import twinbayes as tb
from twinbayes.federation.engines import exchange
from twinbayes.federation.message import Message
from twinbayes.federation.site import Disclosure
from twinbayes.federation.study import Study
from twinbayes.private_files import write_private

Folders = Mapping[str, Path]
Through = Callable[[Study, Folders, Path], tuple[Message, ...]]


def centres(place: Path) -> dict[str, Path]:
    """Write the three largest centres of the registry, a cohort folder each."""
    registry = tb.datasets.registry()
    centre = registry.patients["centre"]
    return {
        str(name): registry.select(
            [p for p, c in zip(registry.patient_ids, centre, strict=True) if c == name]
        ).write(place / str(name))
        for name in centre.value_counts().index[:3]
    }


def study(folders: Folders) -> Study:
    """Agree on a study of the centres."""
    return Study(tuple(folders))


def directly(agreed: Study, folders: Folders, place: Path) -> tuple[Message, ...]:
    """Ask the centres without an engine."""

    def carry(questions: Sequence[Message]) -> Iterator[Message]:
        for asked in questions:
            cohort = partial(tb.read_cohort, folders[asked.receiver])
            reply = exchange.reply(asked.to_bytes(), cohort, disclosure=Disclosure())
            yield Message.from_bytes(reply)

    messages: list[Message] = []
    place.mkdir()
    exchange.exchange(agreed, carry, place, keep=messages.append)
    return tuple(messages)


def through_vantage6(agreed: Study, folders: Folders, place: Path) -> tuple[Message, ...]:
    """Ask the centres as nodes of a network that vantage6 plays in this process."""
    from vantage6.algorithm.mock.network import MockNetwork

    network = MockNetwork(
        module_name="twinbayes.federation.engines.vantage6",
        datasets=[
            {"cohort": {"database": str(folder), "db_type": "other"}} for folder in folders.values()
        ],
    )
    client = network.user_client
    # The played network finds a frame by the name of its database: both are called alike.
    frame = client.dataframe.create(label="cohort", name="cohort", method="tables")
    task = client.task.create(
        method="collect",
        organizations=[network.organization_ids[0]],
        arguments={
            "study": agreed.to_dict(),
            "organizations": dict(zip(folders, network.organization_ids, strict=True)),
        },
        databases=[{"type": "dataframe", "dataframe_id": frame["id"]}],
    )
    [result] = client.wait_for_results(task["id"])
    print(result["text"])
    return exchange.from_lines(base64.b64decode(result["history"]))


def through_nvflare(agreed: Study, folders: Folders, place: Path) -> tuple[Message, ...]:
    """Ask the centres as clients of NVFlare's simulator, a process each."""
    from twinbayes.federation.engines import nvflare

    local = place / "local"  # the simulator copies it to every site
    local.mkdir(parents=True)
    cohorts = {"cohorts": {name: str(folder.resolve()) for name, folder in folders.items()}}
    (local / nvflare.SETTINGS).write_text(json.dumps(cohorts), encoding="utf-8")
    allowed = {"format_version": 2, "class_allow_list": list(nvflare.CLASSES)}
    (local / "resources.json").write_text(json.dumps(allowed), encoding="utf-8")
    job = nvflare.write_job(agreed, place.parent / f"{place.name}-jobs")
    names = ",".join(agreed.sites)
    command = [Path(sys.executable).with_name("nvflare"), "simulator", job.resolve()]
    command += ["-w", place.resolve(), "-c", names, "-t", str(len(agreed.sites))]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(f"The simulator ended with {code}; its logs lie in {place}.")
    [kept] = place.rglob(nvflare.HISTORY)
    return exchange.from_lines(kept.read_bytes())


THROUGH: Final[dict[str, Through]] = {"vantage6": through_vantage6, "nvflare": through_nvflare}


def main(arguments: list[str]) -> int:
    """Ask both ways, compare, and write the messages; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=THROUGH)
    parser.add_argument("--out", type=Path, required=True, help="folder for the messages")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        folders = centres(place / "centres")
        agreed = study(folders)
        started = time.perf_counter()
        messages = THROUGH[chosen.engine](agreed, folders, place / "engine")
        seconds = time.perf_counter() - started
        direct = directly(agreed, folders, place / "direct")
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_private(chosen.out / "messages.jsonl", exchange.to_lines(messages))
    same = exchange.to_lines(messages) == exchange.to_lines(direct)
    rounds = len({m.round for m in messages})
    print(
        f"{len(messages)} messages in {rounds} rounds through {chosen.engine}, {seconds:.1f} s; "
        f"{'the same' if same else 'NOT the same'} as without it."
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
