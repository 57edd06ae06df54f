"""Threads and progress bars: what a sampler may use of the machine and of the screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep BLAS and OpenMP to one thread while chains run side by side.

    With more, chains compete for the cores, and sums may be split differently from run to run,
    which would make the same seed give other draws.
    """
    with threadpool_limits(limits=1):
        yield


def usable_cores() -> int:
    """Count the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_for(chains: int, cores: int | None) -> int:
    """Return how many chains run at the same time."""
    return min(chains, usable_cores() if cores is None else cores)


def in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this process."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


def show_progress(wanted: bool) -> bool:
    """Show progress only if it is wanted and somebody can see it: a notebook or a terminal."""
    return wanted and (in_notebook() or sys.stderr.isatty())
