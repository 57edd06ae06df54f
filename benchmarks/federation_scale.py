"""Fit 100,000 simulated patients in shards; print one JSON object.

    python benchmarks/federation_scale.py [--patients N] [--shards N] [--seed N] [--write]

The model is that of transplants with six states and twelve transitions; patients are made up by
`synthetic_cohort`. Three runs of the same fit, told of as they end: in one process, on two workers
of Dask, and on two workers of which one is killed while draws are scored. Each has wall seconds of
the whole fit, those in which shards were evaluated, CPU seconds of all processes, and the largest
peak of memory.
`to_ideal` is the time in which two workers evaluated the shards over half of that of one process.
The seed is drawn unless one is given. `--write` keeps the figures as
docs/evidence/federation_scale.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import distributed
import numpy as np

import twinbayes as tb
from twinbayes.diseases.synthetic import synthetic_cohort
from twinbayes.federation import FederatedPosterior, fit_in_shards
from twinbayes.names import POSTERIOR

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "federation_scale.json"
WORKERS: Final = 2
_SCORING: Final = "_scored"  # how names of tasks begin that score draws


def used() -> tuple[float, float]:
    """CPU seconds and peak of memory (GiB) of this process."""
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime, found.ru_maxrss / 2**20


def measured(
    cohort: tb.Cohort, options: argparse.Namespace, client: Any = None
) -> tuple[FederatedPosterior, dict[str, Any]]:
    wall, (cpu, _) = time.perf_counter(), used()
    posterior = fit_in_shards(
        tb.disease("hsct"), cohort, shards=options.shards, client=client, seed=options.seed
    )
    after, peak = used()
    workers = [] if client is None else list(client.run(used).values())
    of = posterior.manifest["federation"]
    return posterior, {
        "seconds": round(time.perf_counter() - wall, 1),
        "evaluating_s": round(sum(r["seconds"] for r in of["rounds"]), 1),
        "cpu_s": round(after - cpu + sum(w[0] for w in workers), 1),
        "peak_gib": round(peak, 2),
        "peak_gib_of_a_worker": round(max((w[1] for w in workers), default=0.0), 2),
        "rounds": [r["kind"] for r in of["rounds"]],
        "verdict": posterior.verdict.banner(),
        "certificate": of["certificate"],
    }


def kill_one_that_scores(client: Any, killed: list[int]) -> None:
    """Kill the first worker that is seen to score draws."""
    pids = client.run(os.getpid)
    while not killed:
        for worker, tasks in client.processing().items():
            if any(str(task).startswith(_SCORING) for task in tasks):
                os.kill(pids[worker], signal.SIGKILL)
                killed.append(pids[worker])
                return
        time.sleep(0.05)


def on_workers(
    cohort: tb.Cohort, options: argparse.Namespace, *, kill: bool
) -> tuple[FederatedPosterior, dict[str, Any]]:
    killed: list[int] = []
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        if kill:
            watch = threading.Thread(
                target=kill_one_that_scores, args=(client, killed), daemon=True
            )
            watch.start()
        posterior, found = measured(cohort, options, client)
    return posterior, found | ({"killed": len(killed)} if kill else {})


def told(
    result: tuple[FederatedPosterior, dict[str, Any]],
) -> tuple[FederatedPosterior, dict[str, Any]]:
    """Tell of a run as soon as it has ended."""
    print(json.dumps(result[1]), file=sys.stderr, flush=True)
    return result


def same(a: FederatedPosterior, b: FederatedPosterior) -> bool:
    """Whether all draws of two posteriors are the same, to the last bit."""
    mine, theirs = (p.datatree[POSTERIOR].to_dataset() for p in (a, b))
    return all(np.array_equal(mine[v].values, theirs[v].values) for v in mine.data_vars)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    spec = tb.disease("hsct")
    cohort = synthetic_cohort(spec, n_patients=options.patients, seed=options.seed)
    alone, one = told(measured(cohort, options))
    shared, two = told(on_workers(cohort, options, kill=False))
    survived, three = told(on_workers(cohort, options, kill=True))
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "model": spec.content_hash,
        "priors": tb.load_priors("hsct").distribution_hash,
        "patients": cohort.n_patients,
        "events": len(cohort.events),
        "shards": options.shards,
        "seed": options.seed,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "one_process": one,
        "two_workers": two | {"same_draws": same(alone, shared)},
        "worker_killed": three | {"same_draws": same(alone, survived)},
        "to_ideal": round(WORKERS * two["evaluating_s"] / one["evaluating_s"], 3),
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
