"""CPU seconds from a model and its data to the first draw; print one JSON object.

    python benchmarks/first_draw.py [--repeats N]

Of the joint model of PBC, 312 patients. `cold_cpu_s` is the first time in this process, imports
not counted and the package's own kernels cached on disk by an earlier run; `second_cpu_s` are the
same again, and `of_others_cpu_s` with other patients: the same model of every second patient.
Needs the published files (see README, "Data"); set TWINBAYES_SHARED to where they are.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import twinbayes as tb
from joint_pbc import pbc_folder
from twinbayes.inference.fitting import compile_fit


def seconds_to_first_draw(cohort: tb.Cohort) -> float:
    """CPU seconds of this process until one chain has made its first draws (four, the fewest)."""
    started = time.process_time()
    ready = compile_fit(tb.disease("pbc"), cohort, target_accept=0.85)
    ready.compiled.sample(draws=4, tune=4, chains=1, progressbar=False)
    return round(time.process_time() - started, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cohort = tb.read_cohort(pbc_folder(), adapter="pbc2")
    half = cohort.select(list(cohort.patient_ids)[::2])
    cold = seconds_to_first_draw(cohort)
    print(
        json.dumps(
            {
                "patients": cohort.n_patients,
                "cold_cpu_s": cold,
                "second_cpu_s": [seconds_to_first_draw(cohort) for _ in range(options.repeats)],
                "of_others_cpu_s": [seconds_to_first_draw(half) for _ in range(options.repeats)],
            }
        )
    )


if __name__ == "__main__":
    main()
