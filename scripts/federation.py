"""Three centres of the simulated registry, asked through an engine and asked directly.

Run by `make federation-vantage6` and `make federation-nvflare`, in the engine's own environment.
Nothing leaves this machine: vantage6 has a network that is played in one process, NVFlare a
simulator with a process for each site. Ends with 1 unless all messages are the same to the byte,
and all draws.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
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
from twinbayes.federation import FederatedPosterior, Message, Study, load_federated
from twinbayes.federation.engines import exchange
from twinbayes.private_files import write_private

Folders = Mapping[str, Path]
Outcome = tuple[tuple[Message, ...], FederatedPosterior]
"""All messages in their order, and what came of them."""
Through = Callable[[Study, Folders, Path], Outcome]


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
    """Agree on a study of the centres: survival by age and sex, whatever comes before."""
    survival = tb.disease("survival").ignoring("complete_remission", "relapse")
    return Study(survival, tuple(folders), draws=1000)


def terms(site: str) -> dict[str, str]:
    """Write down a site's terms, with a secret that is none: the same in every run."""
    return {"secret": hashlib.sha256(site.encode()).hexdigest()}


def directly(agreed: Study, folders: Folders, place: Path) -> Outcome:
    """Ask the centres without an engine."""

    def carry(questions: Sequence[Message]) -> Iterator[Message]:
        for asked in questions:
            cohort = partial(tb.read_cohort, folders[asked.receiver])
            own = exchange.Terms.from_dict(terms(asked.receiver))
            reply = exchange.reply(asked.to_bytes(), cohort, own)
            yield Message.from_bytes(reply)

    messages: list[Message] = []
    place.mkdir()
    posterior = exchange.exchange(agreed, carry, place, keep=messages.append)
    return tuple(messages), posterior


def through_vantage6(agreed: Study, folders: Folders, place: Path) -> Outcome:
    """Ask the centres as nodes of a network that vantage6 plays in this process."""
    from vantage6.algorithm.mock.network import MockNetwork

    from twinbayes.federation.engines import vantage6

    place.mkdir(parents=True, exist_ok=True)
    network = MockNetwork(
        module_name="twinbayes.federation.engines.vantage6",
        datasets=[
            {"cohort": {"database": str(folder), "db_type": "other"}} for folder in folders.values()
        ],
    )
    for name, node in zip(folders, network.nodes, strict=True):
        node.env[vantage6.TERMS] = json.dumps(terms(name))
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
    file = write_private(place / "posterior.nc", base64.b64decode(result["posterior"]))
    messages = exchange.from_lines(base64.b64decode(result["history"]))
    return messages, load_federated(file)


def through_nvflare(agreed: Study, folders: Folders, place: Path) -> Outcome:
    """Ask the centres as clients of NVFlare's simulator, a process each."""
    from twinbayes.federation.engines import nvflare

    local = place / "local"  # the simulator copies it to every site
    local.mkdir(parents=True)
    settings = {
        name: {"cohort": str(folder.resolve()), **terms(name)} for name, folder in folders.items()
    }
    (local / nvflare.SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    allowed = {"format_version": 2, "class_allow_list": list(nvflare.CLASSES)}
    (local / "resources.json").write_text(json.dumps(allowed), encoding="utf-8")
    job = nvflare.write_job(agreed, place.parent / f"{place.name}-jobs")
    names = ",".join(agreed.sites)
    # `nvflare simulator` says that it is deprecated; its successor starts this, too.
    command = [sys.executable, "-m", "nvflare.private.fed.app.simulator.simulator", job.resolve()]
    command += ["-w", place.resolve(), "-c", names, "-t", str(len(agreed.sites))]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(f"The simulator ended with {code}; its logs lie in {place}.")
    [kept] = place.rglob(nvflare.HISTORY)
    return exchange.from_lines(kept.read_bytes()), load_federated(kept.with_name(nvflare.POSTERIOR))


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
        messages, posterior = THROUGH[chosen.engine](agreed, folders, place / "engine")
        seconds = time.perf_counter() - started
        direct, alone = directly(agreed, folders, place / "direct")
    chosen.out.mkdir(parents=True, exist_ok=True)
    write_private(chosen.out / "messages.jsonl", exchange.to_lines(messages))
    posterior.save(chosen.out / "posterior.nc")
    same = exchange.to_lines(messages) == exchange.to_lines(direct)
    same &= posterior.datatree.equals(alone.datatree)
    print(posterior)
    rounds = len({m.round for m in messages})
    print(
        f"{len(messages)} messages in {rounds} rounds through {chosen.engine}, {seconds:.1f} s; "
        f"{'the same' if same else 'NOT the same'} as without it."
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
