"""Forecast one patient and a whole cohort, and print one JSON object of measurements.

    python benchmarks/forecast_speed.py [--fit FILE]

Without a stored fit, the registry of the demonstration is fitted first, which is not timed (but
counts for the peak of memory). Forecasts are made at diagnosis, five years ahead, with every draw.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import twinbayes as tb
from twinbayes.inference.samplers.threads import usable_cores
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin import Twin

UNTIL = 5 * DAYS_PER_YEAR
REPEATS = 15


def seconds_of(twin: Twin, times: int | None) -> float:
    started = time.perf_counter()
    twin.forecast(UNTIL, times)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=Path, help="a stored fit")
    options = parser.parse_args()
    if options.fit is None:
        fit = tb.fit(tb.disease("registry"), tb.datasets.registry(), progressbar=False)
    else:
        fit = tb.load_fit(options.fit)
    first = fit.twin(fit.cohort.patient_ids[0], at=0.0)
    cold = seconds_of(first, 200)
    warm = [seconds_of(first, 200) for _ in range(REPEATS)]
    everybody = fit.twin(at=0.0)
    cpu = time.process_time()
    cohort = seconds_of(everybody, None)
    cpu = time.process_time() - cpu
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "disease": fit.spec.name,
                "states": len(fit.spec.graph.states),
                "draws": everybody.population.n_draws,
                "cores": usable_cores(),
                "one_patient_200_times_first_ms": round(1e3 * cold, 1),
                "one_patient_200_times_ms": round(1e3 * statistics.median(warm), 1),
                "patients": fit.cohort.n_patients,
                "cohort_s": round(cohort, 2),
                "cohort_cpu_s": round(cpu, 2),
                "cohort_cpu_ms_a_patient": round(1e3 * cpu / fit.cohort.n_patients, 1),
                "peak_gib": round(usage.ru_maxrss / 2**20, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
