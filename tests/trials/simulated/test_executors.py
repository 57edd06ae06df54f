"""Where work is done changes no result, and workers may die."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import trial_workers
from twinbayes.errors import FitError, OptionError
from twinbayes.inference.samplers.short_run import Sampling
from twinbayes.trials import TrialDesign, Truth
from twinbayes.trials.simulated.executors import run_chunks
from twinbayes.trials.simulated.operating import operating_characteristics, plan_of
from twinbayes.trials.simulated.trials import AnalysisDecision, run_trials

SQUARES = [0, 1, 4, 9, 16]
STUDY = TrialDesign(
    sizes=(6, 12, 30), truth=Truth(scenario="exchangeable", value=0.3, heterogeneity=0.3)
)
SHORT = Sampling(draws=40, tune=40, chains=2, retries=0)
DECISION = AnalysisDecision(threshold=0.2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Dask cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as made:
        yield made


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_back_in_the_order_of_the_work(workers: int) -> None:
    assert run_chunks(trial_workers.square, range(5), workers=workers) == SQUARES


def test_a_pool_finishes_the_work_of_a_worker_that_was_killed(tmp_path: Path) -> None:
    work = partial(trial_workers.square_after_a_death, str(tmp_path / "dead"))
    assert run_chunks(work, range(5), workers=2) == SQUARES
    assert (tmp_path / "dead").exists()


def test_a_pool_whose_workers_always_die_says_so() -> None:
    with pytest.raises(FitError, match="ended 3 times before their work was done"):
        run_chunks(trial_workers.always_die, [1, 2], workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_the_callers(workers: int) -> None:
    with pytest.raises(ValueError, match="no 1"):
        run_chunks(trial_workers.refuse, [1], workers=workers)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"workers": 0}, OptionError, "at least 1, not 0"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, OptionError, "not both"),
        ({"scheduler": "somewhere"}, OptionError, "an address such as"),
    ],
)
def test_executors_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_chunks(trial_workers.square, [1], **options)


def test_a_cluster_gives_the_results_in_order_and_survives_a_killed_worker(
    cluster: Any, tmp_path: Path
) -> None:
    work = partial(trial_workers.square_after_a_death, str(tmp_path / "dead"))
    assert run_chunks(work, range(5), scheduler=cluster.scheduler_address) == SQUARES
    assert (tmp_path / "dead").exists()


@pytest.mark.slow
def test_a_study_gives_the_same_bits_in_one_process_in_two_and_on_a_cluster(
    cluster: Any, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"seed": 4, "sampling": SHORT, "decision": DECISION}
    names, trials = ["none", "exnex"], 24
    alone = operating_characteristics(STUDY, names, trials, **options)
    pool = operating_characteristics(STUDY, names, trials, workers=2, **options)
    remote = operating_characteristics(
        STUDY, names, trials, scheduler=cluster.scheduler_address, **options
    )
    for other in (pool, remote):
        assert other.estimates.equals(alone.estimates)
        assert other.table().equals(alone.table())
        assert other.fits.equals(alone.fits)

    # The loss of a worker in the middle, and chunks of another size in another order.
    work = partial(
        trial_workers.run_after_a_death,
        str(tmp_path / "dead"),
        plan_of(STUDY, names, **options),
    )
    backwards = [range(k, k + 4) for k in range(20, -1, -4)]
    done = run_chunks(work, backwards, scheduler=cluster.scheduler_address)
    assert (tmp_path / "dead").exists()
    found = {(fit.analysis, fit.trial): fit.estimates for chunk in done for fit in chunk}
    for fit in run_trials(plan_of(STUDY, names, **options), range(trials)):
        assert found[fit.analysis, fit.trial].tobytes() == fit.estimates.tobytes()
