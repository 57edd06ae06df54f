"""CPU seconds of predictions, least and median of several runs; print one JSON object.

    python benchmarks/speed.py [--only NAME ...] [--runs N] [--fits FOLDER]

CPU seconds are those of this process, over all cores, after one run to warm up:

``dynamic``
    Forecasts of 100 patients at 51 times over 7 years from year 5, 250 draws of the joint model of
    PBC (see `dynamic_prediction.py`).
``landmark``
    Every score of the 202 patients at risk at year 5 (see `landmark_accuracy.py`).
``strangers``
    Forecasts from diagnosis, five years ahead with every draw, of 2,000 patients whom the fit of
    the simulated registry has not seen, some of their covariates missing. `missing` is the share of
    patients with at least one missing; `draws` of the fit.
``first_draw``
    Importing the package and fitting the simulated registry until one chain has made its first
    draws, each time in a new process.

Fits are made once and kept in `--fits`, by default a folder for temporary files. The first two need
the published files; set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import twinbayes as tb
from joint_pbc import pbc_312, pbc_folder, published_priors
from twinbayes.checks import landmark_accuracy
from twinbayes.datasets.simulated.simulate import simulate_registry
from twinbayes.names import DAYS_PER_YEAR, TERMINAL_EVENTS

FIVE_YEARS: Final = 5 * DAYS_PER_YEAR
STRANGERS: Final = 2000

_FIRST_DRAW: Final = """
import time
import twinbayes as tb
from twinbayes.inference.fitting import compile_fit
ready = compile_fit(tb.disease("registry"), tb.datasets.registry())
ready.compiled.sample(draws=4, tune=4, chains=1, progressbar=False)
"""

type Found = dict[str, float | int | list[float]]


def measured(work: Callable[[], object], runs: int) -> Found:
    """CPU seconds of `work`, once it has run."""
    work()
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return summary(seconds)


def summary(seconds: list[float]) -> Found:
    return {
        "least_cpu_s": round(min(seconds), 3),
        "median_cpu_s": round(statistics.median(seconds), 3),
        "runs": len(seconds),
    }


def stored(folder: Path, name: str, make: Callable[[], tb.Fit]) -> tb.Fit:
    """Read a fit of this name from the folder, or make it and leave it there."""
    file = folder / f"{name}.nc"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make().save(file)
    return tb.load_fit(file)


def joint_fit(folder: Path) -> tb.Fit:
    """Fit the joint model of the publication."""
    cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
    priors = published_priors()

    def make() -> tb.Fit:
        return tb.fit(pbc_312(), cohort, priors=priors, seed=1)

    return stored(folder, "joint", make)


def pbc_fit(folder: Path) -> tb.Fit:
    """Fit the disease as packaged."""
    cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")

    def make() -> tb.Fit:
        return tb.fit(tb.disease("pbc"), cohort, seed=1)

    return stored(folder, "pbc", make)


def dynamic(folder: Path, runs: int) -> Found:
    """Dynamic prediction of many patients."""
    fit = joint_fit(folder)
    ends = fit.cohort.events[fit.cohort.events["event"].isin(TERMINAL_EVENTS)]
    ids = [str(p) for p in ends.loc[ends["day"] > FIVE_YEARS, "patient_id"]][:100]
    until = 7 * DAYS_PER_YEAR
    times = np.linspace(0.0, until, 51)

    def work() -> object:
        return fit.twin(ids, at=FIVE_YEARS, draws=250).forecast(until, times)

    return {"patients": len(ids), "draws": 250, **measured(work, runs)}


def landmark(folder: Path, runs: int) -> Found:
    """Scores at a landmark."""
    fit = pbc_fit(folder)
    return measured(lambda: landmark_accuracy(fit, FIVE_YEARS, [2 * DAYS_PER_YEAR]), runs)


def strangers(folder: Path, runs: int) -> Found:
    """Forecasts of patients whom the fit has not seen."""
    registry = tb.datasets.registry()
    fit = stored(folder, "registry", lambda: tb.fit(tb.disease("registry"), registry, seed=1))
    cohort, _ = simulate_registry(seed=2, n_patients=STRANGERS)
    incomplete = cohort.covariates().isna().any(axis=1).mean()

    def work() -> object:
        return fit.twin(cohort, at=0.0).forecast(FIVE_YEARS)

    return {
        "patients": STRANGERS,
        "missing": round(float(incomplete), 3),
        "draws": fit.population.n_draws,
        **measured(work, runs),
    }


def first_draw(folder: Path, runs: int) -> Found:
    """A model and its data to the first draws, in new processes."""
    seconds = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", _FIRST_DRAW], check=True, cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return summary(seconds[1:])


MEASURES: Final = {m.__name__: m for m in (dynamic, landmark, strangers, first_draw)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--fits", type=Path, default=Path(tempfile.gettempdir()) / "twinbayes_speed"
    )
    options = parser.parse_args()
    options.fits.mkdir(parents=True, exist_ok=True)
    print(json.dumps({name: MEASURES[name](options.fits, options.runs) for name in options.only}))


if __name__ == "__main__":
    main()
