"""A small fit of the simulated registry, and one file of each kind of evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.checks import CheckResult
from twinbayes.checks.result import TOPICS
from twinbayes.hash_chain import HashChain
from twinbayes.inference import Fit
from twinbayes.inference.densities.log_prior import used_priors
from twinbayes.inference.files.manifest import manifest_hash
from twinbayes.monitoring import MonitorLog, watch
from twinbayes.report import write_checks
from twinbayes.report.html.page import FIT_META
from twinbayes.report.required.context import FIELDS

ROOT = Path(__file__).resolve().parents[2]
FIT_FILE = ROOT / "tests" / "data" / "registry_fit.nc"


@dataclass(frozen=True)
class ReleaseLog(HashChain):
    """A log of releases, such as any room may keep."""

    def add(self, **content: str) -> None:
        """Append a record."""
        self._append(content)


@pytest.fixture(scope="session")
def fit() -> Fit:
    """A fit of 16 simulated patients, which is not for use."""
    found = tb.load_fit(FIT_FILE)
    assert isinstance(found, Fit)
    return found


@pytest.fixture(scope="session")
def priors_in_use(fit: Fit) -> frozenset[str]:
    """Entries that the model of the fit takes, for which it is built."""
    return used_priors(fit)


@pytest.fixture(autouse=True)
def _built_once(priors_in_use: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """All fits here have one model, which is built once."""
    monkeypatch.setattr("twinbayes.dossier.facts.fact.used_priors", lambda _: priors_in_use)


def registry_checks() -> list[CheckResult]:
    """One check for each topic."""
    return [
        CheckResult(f"about {topic}", "info", pd.DataFrame({"n": [40]}), f"Of {topic}.", topic)
        for topic in TOPICS
    ]


@pytest.fixture(scope="session")
def evidence(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each kind, but for effects, which take long."""
    folder = tmp_path_factory.mktemp("evidence")
    files = {
        name: folder / f"{name}.pdf"
        for name in ("protocol", "plan", "data_protection", "instructions", "declaration")
    }
    for name, path in files.items():
        path.write_bytes(name.encode())
    files |= {
        "lock": ROOT / "requirements.lock",
        "trace": folder / "trace.json",
        "calibration": ROOT / "docs" / "evidence" / "sbc.json",
        "checks": write_checks(folder / "checks.json", registry_checks()),
        "sbom": folder / "sbom.json",
        "crate": folder / "ro-crate-metadata.json",
        "releases": folder / "releases.jsonl",
        "monitor": folder / "monitor.jsonl",
        "review": folder / "review.html",
    }
    matrix = json.loads((ROOT / "docs" / "trace" / "matrix.json").read_text(encoding="utf-8"))
    for requirement in matrix["requirements"]:
        for test in requirement["tests"]:
            test["result"] = "passed"
    files["trace"].write_text(json.dumps({**matrix, "run": "tests.xml"}), encoding="utf-8")
    files["sbom"].write_text('{"bomFormat": "CycloneDX", "components": [{}]}', encoding="utf-8")
    files["crate"].write_text('{"@graph": [{}, {}]}', encoding="utf-8")
    ReleaseLog.begin(files["releases"]).add(state="released", fit=manifest_hash(fit.manifest))
    MonitorLog.begin(files["monitor"]).add_look(watch(fit).look(tb.datasets.registry()))
    files["review"].write_text(
        f'<meta name="{FIT_META}" content="{manifest_hash(fit.manifest)}">'
        '<section id="x" data-status="provided" data-outcome="none"></section>',
        encoding="utf-8",
    )
    return files


@pytest.fixture(scope="session")
def said() -> dict[str, object]:
    """A statement in every field."""
    fixed = {"influence": "low", "consequence": "high"}
    every = {name: fixed.get(name, f"What is said of {label}.") for name, (_, label) in
             FIELDS.items()}  # fmt: skip
    return {**every, "probast": ["D1: yes, all of them", "E18: no information"]}


@pytest.fixture
def rewrite() -> Callable[[Path, str, str], None]:
    """Replace text in a file that can be written by its owner."""

    def change(path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change
