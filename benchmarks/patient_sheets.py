"""CPU seconds of 50 patient sheets in one process, after the fit is loaded; print one JSON object.

    python benchmarks/patient_sheets.py [FIT] [--sheets N] [--language CODE]

Of the embedded registry's patients who can be forecast, and where there are fewer than N, of the
first ones once more under other pseudonyms. Files are written, as `twinbayes twins` does. The
first sheet, which may compile the package's kernels, is told apart. Without FIT: the small stored
fit of the tests, whose posterior has few draws. The bar is 60 CPU seconds on a machine with
nothing else to do: `load` tells how busy this one was.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import datetime
from pathlib import Path

import twinbayes as tb
from twinbayes.private_files import write_private
from twinbayes.serve import Explorer
from twinbayes.serve.language import language_of
from twinbayes.serve.pages.page import Reading
from twinbayes.serve.pages.sheet import sheet_html

STORED = Path(__file__).resolve().parents[1] / "tests" / "data" / "registry_fit.nc"
BAR_CPU_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fit", nargs="?", type=Path, default=STORED)
    parser.add_argument("--sheets", type=int, default=50)
    parser.add_argument("--language", default="en")
    options = parser.parse_args()
    fit = tb.load_fit(options.fit)
    started, last = time.process_time(), time.process_time()
    each: list[float] = []
    compared = 0
    with tempfile.TemporaryDirectory() as folder:
        while len(each) < options.sheets:
            explorer = Explorer(fit, fit.cohort, b"a secret" + str(len(each)).encode())
            reading = Reading(explorer, language_of(options.language), False)
            for row in [row for row in explorer.rows if not row.has_ended]:
                html = sheet_html(reading, row.pseudonym, datetime.now().astimezone())
                write_private(Path(folder) / f"{row.pseudonym}.html", html)
                compared += 'class="comparison"' in html
                each.append(time.process_time() - last)
                last = time.process_time()
                if len(each) == options.sheets:
                    break
    print(
        json.dumps(
            {
                "sheets": len(each),
                "with_comparison": compared,
                "draws": int(fit.verdict.summary["draws"] * fit.verdict.summary["chains"]),
                "cpu_s": round(time.process_time() - started, 2),
                "first_cpu_s": round(each[0], 2),
                "median_cpu_s": round(sorted(each)[len(each) // 2], 3),
                "bar_cpu_s": BAR_CPU_S,
                "load": round(os.getloadavg()[0], 1),
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
