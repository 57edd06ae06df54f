"""Machine code on disk is used while no kernel has changed, and never after."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import twinbayes
from twinbayes.machine import jit

CALLEE = """
from twinbayes.machine.jit import jit
from twinbayes.machine.settings import OFFSET

@jit()
def rate(x):
    return {factor} * x + OFFSET
"""
CALLER = """
from twinbayes.machine.jit import jit
from twinbayes.machine.callee import rate

@jit()
def total(x):
    return rate(x) + 1.0
"""
CALL = (
    "from twinbayes.machine.caller import total; total(2.0);"
    "print(total(2.0), sum(total.stats.cache_hits.values()), end='')"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of what kernels need, with one kernel that calls another of another file."""
    own = Path(twinbayes.__file__).parent
    copy = tmp_path / "twinbayes"
    (copy / "machine").mkdir(parents=True)
    for name in ("__init__.py", "machine/__init__.py", "machine/jit.py"):
        shutil.copy(own / name, copy / name)
    (copy / "machine" / "caller.py").write_text(CALLER)
    (copy / "machine" / "callee.py").write_text(CALLEE.format(factor=3.0))
    (copy / "machine" / "settings.py").write_text("OFFSET = 0.0\n")
    return tmp_path


def call(package: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, "-c", CALL], cwd=package, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_caller_is_compiled_anew_when_what_it_calls_has_changed(package: Path) -> None:
    assert call(package) == "7.0 0"
    assert call(package) == "7.0 1"  # from disk
    (package / "twinbayes" / "machine" / "callee.py").write_text(CALLEE.format(factor=5.0))
    assert call(package) == "11.0 0"
    assert call(package) == "11.0 1"


def test_a_caller_is_compiled_anew_when_a_constant_of_what_it_calls_has_changed(
    package: Path,
) -> None:
    assert call(package) == "7.0 0"
    (package / "twinbayes" / "machine" / "settings.py").write_text("OFFSET = 0.5\n")
    assert call(package) == "7.5 0"
    assert call(package) == "7.5 1"


def test_what_kernels_are_made_of_counts_whether_or_not_it_is_compiled_by_itself() -> None:
    own = Path(twinbayes.__file__).resolve().parent
    found = {path.relative_to(own).as_posix() for path in jit.kernel_files()}
    assert {
        "machine/jit.py",
        "machine/native.py",
        "machine/special.py",
        "machine/tape/instructions.py",
        "model/events/likelihood/kernel.py",
    } <= found
    assert "cli/app.py" not in found


def test_other_files_do_not_cost_a_compilation(package: Path) -> None:
    call(package)
    (package / "twinbayes" / "words.py").write_text("x = 1\n")
    assert call(package) == "7.0 1"


def test_every_kernel_of_the_package_is_compiled_here() -> None:
    own = Path(twinbayes.__file__).parent
    elsewhere = {
        path.relative_to(own).as_posix()
        for path in own.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("numba.njit", "numba.cfunc"))
    }
    assert elsewhere <= {"machine/jit.py"}
    assert jit.kernel_version() == int(jit.kernel_hash()[:15], 16)


def test_what_is_no_source_file_beside_the_sources_does_no_harm(package: Path) -> None:
    call(package)
    folder = package / "twinbayes"
    (folder / ".#words.py").symlink_to("nobody@nowhere:1")  # a lock of an editor
    (folder / "._words.py").write_bytes(b"\x00\xff")
    (folder / "latin.py").write_bytes("# é\n".encode("latin-1"))
    (folder / "folder.py").mkdir()
    assert call(package) == "7.0 1"
