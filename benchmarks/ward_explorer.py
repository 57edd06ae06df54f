"""Seconds until pages of the ward explorer are there, one person alone and twenty at once.

    python benchmarks/ward_explorer.py [FIT] [--draws N] [--users N] [--pages N] [--seed N]
                                       [--reading SECONDS]

A server on this machine, asked over HTTP as a browser asks. First pages are of patients whom nobody
has looked at before, drawn by the seed, which is drawn itself where it is not given; what-ifs are
of patients whose page was shown. Twenty people at once are told twice: `at_once`, each asks for the
next page as soon as the last one is there; `reading`, each reads it first, for a time drawn from an
exponential distribution of that mean. Prints one JSON object: medians and 95 % quantiles of wall
seconds, and CPU seconds a page. `load` and `turn_cpu_s` (1,000,000 turns of an empty sum) tell how
busy and how fast this machine was. Without FIT: the small stored fit of the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

import twinbayes as tb
from twinbayes.serve import AuditLog, Explorer, LocalAccess, Person, Role, create_app

STORED = Path(__file__).resolve().parents[1] / "tests" / "data" / "registry_fit.nc"


def served(explorer: Explorer, folder: Path) -> tuple[uvicorn.Server, str]:
    """A server in a thread, and its address."""
    audit = AuditLog.begin(folder / "audit.jsonl")
    access = LocalAccess(Person("benchmark", Role.CLINICIAN))
    app = create_app(explorer, access, audit, most_a_minute=1_000_000)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    return server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def told(seconds: list[float], cpu: float) -> dict[str, float]:
    """What is printed of one kind of page."""
    return {
        "pages": len(seconds),
        "median_s": round(float(np.median(seconds)), 3),
        "p95_s": round(float(np.quantile(seconds, 0.95)), 3),
        "cpu_s_a_page": round(cpu / len(seconds), 3),
    }


async def asked(
    address: str, paths: list[str], users: int, pauses: Iterator[float] | None = None
) -> dict[str, float]:
    """Ask for all pages, each of so many people one after the other, with a pause before each."""
    seconds: list[float] = []
    before = repeat(0.0) if pauses is None else pauses

    async def one(client: httpx.AsyncClient, mine: list[str]) -> None:
        for path in mine:
            await asyncio.sleep(next(before))
            began = time.perf_counter()
            answer = await client.get(address + path)
            answer.raise_for_status()
            seconds.append(time.perf_counter() - began)

    began = time.process_time()
    async with httpx.AsyncClient(timeout=600.0) as client:
        await asyncio.gather(*(one(client, paths[k::users]) for k in range(users)))
    return told(seconds, time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fit", nargs="?", type=Path, default=STORED)
    parser.add_argument("--draws", type=int, default=1_000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--pages", type=int, default=40, help="of each kind")
    parser.add_argument("--reading", type=float, default=10.0, help="mean seconds on a page")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    options = parser.parse_args()
    fit = tb.load_fit(options.fit).thinned(options.draws)
    began = time.process_time()
    explorer = Explorer(fit, fit.cohort, secrets.token_bytes(32))
    living = [row.pseudonym for row in explorer.rows if not row.has_ended]
    explorer.prepare()
    started = time.process_time() - began
    rng = np.random.default_rng(options.seed)
    order = [living[k] for k in rng.permutation(len(living))]
    treatments = [t.name for t in fit.spec.graph.treatments]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        server, address = served(explorer, Path(folder))
        # The first of all may compile kernels: it is told apart.
        found["first_of_all"] = asyncio.run(asked(address, [f"/patients/{order[0]}"], 1))
        new, *crowds = (order[1 + k * options.pages :][: options.pages] for k in range(3))
        found["first_page"] = asyncio.run(asked(address, [f"/patients/{p}" for p in new], 1))
        if treatments:
            can = [p for p in new if explorer.treatments(explorer.outlook(p).twin)]
            paths = [f"/patients/{p}/what-if?wait=30" for p in can[-32:]]
            if paths:
                found["what_if"] = asyncio.run(asked(address, paths, 1))
        pauses = iter(lambda: float(rng.exponential(options.reading)), None)
        for name, crowd, waits in zip(("at_once", "reading"), crowds, (None, pauses), strict=True):
            if crowd:
                paths = [f"/patients/{p}" for p in crowd]
                found[f"first_page_{options.users}_{name}"] = asyncio.run(
                    asked(address, paths, options.users, waits)
                )
        server.should_exit = True
    began = time.process_time()
    sum(1 for _ in range(1_000_000))
    print(
        json.dumps(
            {
                "patients": fit.cohort.n_patients,
                "draws": int(
                    np.prod([fit.datatree["posterior"].sizes[d] for d in ("chain", "draw")])
                ),
                "start_cpu_s": round(started, 2),
                **found,
                "seed": options.seed,
                "bars_s": {"first_page_p95": 1.0, "what_if": 0.5},
                "load": round(os.getloadavg()[0], 1),
                "turn_cpu_s": round(time.process_time() - began, 3),
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
