"""Where simulated trials are run: in this process, on all cores, or on a Dask cluster.

Work is cut into chunks whose results depend on the chunk alone, and comes back in their order, so
that nothing depends on who did what when. A worker that dies is replaced, and its chunks are done
again.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from twinbayes.errors import FitError, OptionError

ATTEMPTS: Final = 3
"""How often a chunk is started before it is given up because workers die of it."""
_SCHEMES: Final = ("tcp://", "tls://", "ucx://", "inproc://")


def run_chunks[C, R](
    work: Callable[[C], R], chunks: Sequence[C], *, workers: int = 1, scheduler: str | None = None
) -> list[R]:
    """Do all chunks and return their results in order.

    Parameters
    ----------
    work
        A function that other processes can import, or a `functools.partial` of one.
    chunks
        What it is called with, one after the other.
    workers
        Processes of this machine; 1 is this process itself.
    scheduler
        Address of a Dask scheduler instead, such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    OptionError
        `workers` or `scheduler` make no sense, or both are given.
    FitError
        Dask is not installed or does not answer, or workers died again and again.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise OptionError(f"workers must be a whole number of at least 1, not {workers!r}.")
    if scheduler is not None:
        if workers != 1:
            raise OptionError("Give either workers, of this machine, or a scheduler, not both.")
        if not scheduler.startswith(_SCHEMES):
            raise OptionError(
                f"scheduler is an address such as 'tcp://127.0.0.1:8786', not {scheduler!r}."
            )
        return _on_dask(work, chunks, scheduler)
    if workers == 1:
        return [work(chunk) for chunk in chunks]
    return _in_pool(work, chunks, workers)


def _in_pool[C, R](work: Callable[[C], R], chunks: Sequence[C], workers: int) -> list[R]:
    # Spawned, not forked: samplers and compiled code have threads that a fork would break.
    context = multiprocessing.get_context("spawn")
    done: dict[int, R] = {}
    for _ in range(ATTEMPTS):
        waiting = [k for k in range(len(chunks)) if k not in done]
        if not waiting:
            break
        with ProcessPoolExecutor(min(workers, len(waiting)), mp_context=context) as pool:
            futures: dict[int, Future[R]] = {}
            try:
                for k in waiting:
                    futures[k] = pool.submit(work, chunks[k])
                for k, future in futures.items():
                    done[k] = future.result()
            except BrokenProcessPool:
                finished = {k: f for k, f in futures.items() if f.done() and not f.exception()}
                done |= {k: f.result() for k, f in finished.items()}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if len(done) < len(chunks):
        raise FitError(
            f"Worker processes ended {ATTEMPTS} times before their work was done. Use fewer "
            "workers where memory is short; in a script, start the study under "
            "`if __name__ == '__main__':`."
        )
    return [done[k] for k in range(len(chunks))]


def _on_dask[C, R](work: Callable[[C], R], chunks: Sequence[C], scheduler: str) -> list[R]:
    try:
        import distributed
    except ImportError as error:
        raise FitError(
            "A scheduler needs the package distributed: pip install 'twinbayes[dask]'."
        ) from error
    library: Any = distributed  # typed in parts only
    try:
        client: Any = library.Client(scheduler, timeout="10s", set_as_default=False)
    except OSError as error:
        raise FitError(
            f"No Dask scheduler answers at {scheduler}. Start one with `dask scheduler`."
        ) from error
    with client:
        # Not pure: a study that is run twice is done twice.
        futures = [client.submit(work, chunk, pure=False, retries=ATTEMPTS) for chunk in chunks]
        try:
            results: list[R] = client.gather(futures)
        except library.KilledWorker as error:
            raise FitError(
                "Workers of the cluster ended again and again during the same trials; see their "
                "logs, and give them more memory."
            ) from error
    return results
