"""Serve the ward explorer on the embedded registry, all simulated, at this machine.

    python scripts/serve_demo.py [--out FOLDER] [--port PORT]

The fit is of the registry's events alone, which takes seconds, and is kept in the folder beside
the audit log and the updates of records.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import twinbayes as tb
from twinbayes.cli.app import app
from twinbayes.private_files import require_writable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/serve"))
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    place = require_writable(options.out / "registry.nc")
    if not place.exists():
        tb.fit(tb.disease("registry").of_events(), tb.datasets.registry()).save(place)
    sys.argv = ["twinbayes", "serve", str(place), "--audit", str(options.out / "audit.jsonl"),
                "--updates", str(options.out / "updates.jsonl"),
                "--port", str(options.port)]  # fmt: skip
    app()


if __name__ == "__main__":
    main()
