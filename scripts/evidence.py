"""Run the slow tests and write what they found to `docs/evidence/tests.json`.

Each entry gives the test, its outcome, its seconds and the figures that it recorded with pytest's
`record_property`. The file is dated and carries a hash of the package's sources, so that a reader
can tell which code the evidence is about.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree  # our own junit file, written a moment ago
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "evidence" / "tests.json"
VERSIONS_OF = ("twinbayes", "pymc", "pytensor", "nutpie", "numba", "numpy", "arviz")


def source_hash(root: Path = ROOT) -> str:
    """Hash the package, its priors and its schemas: what the evidence is about."""
    digest = hashlib.sha256()
    for folder in ("twinbayes", "priors", "data_schemas"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def entry(case: ElementTree.Element) -> dict[str, Any]:
    """Turn one junit test case into a row of evidence."""
    outcome = next((c.tag for c in case if c.tag in ("failure", "error", "skipped")), "passed")
    return {
        "test": f"{case.get('classname')}::{case.get('name')}",
        "outcome": outcome,
        "seconds": round(float(case.get("time", "0")), 1),
        "figures": {p.get("name"): p.get("value") for p in case.iterfind("properties/property")},
    }


def main() -> int:
    """Run the tests, write the evidence, and return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        tests = [sys.executable, "-m", "pytest", "-m", "slow or sbc", f"--junitxml={junit}"]
        code = subprocess.run([*tests, *sys.argv[1:]], cwd=ROOT, check=False).returncode
        if not junit.exists():
            return code
        cases = ElementTree.parse(junit).getroot().iter("testcase")  # noqa: S314
        rows = sorted((entry(case) for case in cases), key=lambda row: str(row["test"]))
    evidence = {
        "written": datetime.now(UTC).date().isoformat(),
        "source_sha256": source_hash(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in VERSIONS_OF},
        "tests": rows,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(evidence, indent=1) + "\n", encoding="utf-8")
    print(f"Wrote {TARGET.relative_to(ROOT)}: {len(rows)} tests")
    return code


if __name__ == "__main__":
    sys.exit(main())
