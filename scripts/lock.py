"""Write `requirements.lock` from `pyproject.toml`: every version pinned, with hashes.

The lock names no index and no download host, so that it can be installed from any mirror. Versions
already in the lock are kept where they still fit; `--upgrade` takes the newest.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# CUDA wheels are gigabytes and depend on the machine's driver; engines want other versions of what
# the rest needs, and each other's; tests in a browser need one.
NOT_LOCKED = {"gpu", "vantage6", "nvflare", "browser"}


def main(arguments: list[str]) -> int:
    """Run uv's resolver for every platform and every locked extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = sorted(set(project["optional-dependencies"]) - NOT_LOCKED)
    command = [
        str(Path(sys.executable).with_name("uv")),
        *("pip", "compile", "--quiet", "--universal", "--generate-hashes"),
        *("--no-emit-index-url", "--no-header", "--python-version", "3.12"),
        *(part for extra in extras for part in ("--extra", extra)),
        *("--output-file", "requirements.lock", "pyproject.toml", *arguments),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
