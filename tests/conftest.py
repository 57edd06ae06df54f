"""Fixtures shared by all tests; with TWINBAYES_REQUIRE_ALL=1 a skipped test has failed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before numpy is imported: chains and test workers already use every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

if TYPE_CHECKING:
    from twinbayes.inference import CompiledFit, Fit

ROOT = Path(__file__).resolve().parents[1]


def _require_all() -> bool:
    return os.environ.get("TWINBAYES_REQUIRE_ALL", "0") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With TWINBAYES_REQUIRE_ALL=1 a skipped test is a failed test."""
    report = yield
    if report.skipped and _require_all() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although TWINBAYES_REQUIRE_ALL=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference cases and published data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("TWINBAYES_SHARED", ROOT.parent / "shared"))
    if not (folder / "reference").is_dir():
        pytest.skip("no reference data: set TWINBAYES_SHARED to the folder that has them")
    return folder


@pytest.fixture(scope="session")
def reference(shared: Path) -> Callable[[str], dict[str, Any]]:
    """Return the reference case of a name, e.g. ``reference("rmst_pbc")``."""

    def load(name: str) -> dict[str, Any]:
        path = shared / "reference" / f"{name}.json"
        case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return case

    return load


@pytest.fixture(scope="session")
def registry_compiled() -> CompiledFit:
    """The registry's model, compiled once for all tests."""
    import twinbayes as tb
    from twinbayes.inference import compile_fit

    return compile_fit(tb.disease("registry"), tb.datasets.registry())


@pytest.fixture(scope="session")
def registry_fit(registry_compiled: CompiledFit) -> Fit:
    """A short fit of the registry: 2 chains of 100 draws, enough for tests of plumbing."""
    return registry_compiled.sample(draws=100, tune=100, chains=2, seed=1, progressbar=False)
