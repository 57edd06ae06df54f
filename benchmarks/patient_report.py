"""CPU seconds of the command that writes a patient's report on a saved fit; print one JSON object.

    python benchmarks/patient_report.py [FIT] [--patient ID] [--at DAY] [--repeats N]

Of the whole process, imports counted, one process after the other; the first, which may compile
the package's kernels, is told apart. Without FIT: the small stored fit of the tests. The bar is
3 CPU seconds on a machine with nothing else to do: `load` tells how busy this one was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

STORED = Path(__file__).resolve().parents[1] / "tests" / "data" / "registry_fit.nc"
BAR_CPU_S = 3.0
_COMMAND = "import sys; sys.argv[0] = 'twinbayes'; from twinbayes.cli.app import app; app()"


def cpu_seconds(arguments: list[str]) -> float:
    """CPU seconds, user and system, of one process that runs the command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", _COMMAND, *arguments], stdout=subprocess.DEVNULL,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    if done.returncode not in (0, 3):  # usable, or not for use
        sys.exit(f"The command ended with {done.returncode}.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fit", nargs="?", type=Path, default=STORED)
    parser.add_argument("--patient", default="SIM00003")
    parser.add_argument("--at", type=float, default=0.0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "patient.html"
        arguments = ["twin", str(options.fit), "--patient", options.patient]
        arguments += ["--at", str(options.at), "--out", str(out)]
        first = cpu_seconds(arguments)
        again = [cpu_seconds(arguments) for _ in range(options.repeats)]
    print(
        json.dumps(
            {
                "first_cpu_s": round(first, 2),
                "least_cpu_s": round(min(again), 2),
                "median_cpu_s": round(median(again), 2),
                "bar_cpu_s": BAR_CPU_S,
                "load": round(os.getloadavg()[0], 1),
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
