"""Wheels and source distributions are the same, byte for byte, wherever they are built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

IGNORED = shutil.ignore_patterns(
    ".*_cache", ".venv*", ".git", ".uv", ".hypothesis", "__pycache__", "out", "dist", "build",
    "*.egg-info", ".ipynb_checkpoints",
)  # fmt: skip


def built(source: Path, out: Path) -> dict[str, str]:
    """Build both distributions, and return the SHA-256 of each."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=source, check=True, capture_output=True, env=environment)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())}


@pytest.mark.requirement("R-074")
def test_two_builds_of_copies_with_other_times_rights_and_places_are_byte_identical(
    root: Path, tmp_path: Path
) -> None:
    copies = [tmp_path / "one" / "here", tmp_path / "two" / "there"]
    for k, copy in enumerate(copies):
        shutil.copytree(root, copy, ignore=IGNORED)
        for path in copy.rglob("*"):
            os.utime(path, (1_000_000_000 * (k + 1),) * 2)
            if path.is_file() and k:
                path.chmod(0o600)
    one, two = (built(copy, tmp_path / f"dist{k}") for k, copy in enumerate(copies))
    assert len(one) == 2
    assert {Path(name).suffix for name in one} == {".whl", ".gz"}
    assert one == two
