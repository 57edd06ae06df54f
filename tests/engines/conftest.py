"""What tests of engines share: the centres and the study of `scripts/federation.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from twinbayes.federation import FederatedPosterior, Message


@pytest.fixture(scope="session")
def federation(root: Path) -> ModuleType:
    """The script that asks three centres with and without an engine."""
    place = root / "scripts" / "federation.py"
    spec = importlib.util.spec_from_file_location("federation_script", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def folders(federation: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Cohort folders of three centres, by name."""
    written: dict[str, Path] = federation.centres(tmp_path_factory.mktemp("centres"))
    return written


@pytest.fixture(scope="session")
def outcome(
    federation: ModuleType, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[tuple[Message, ...], FederatedPosterior]:
    """What comes of asking the centres without an engine."""
    place = tmp_path_factory.mktemp("direct") / "store"
    found: tuple[tuple[Message, ...], FederatedPosterior] = federation.directly(
        federation.study(folders), folders, place
    )
    return found


@pytest.fixture(scope="session")
def direct(outcome: tuple[tuple[Message, ...], FederatedPosterior]) -> tuple[Message, ...]:
    """All messages without an engine."""
    return outcome[0]


@pytest.fixture(scope="session")
def posterior(outcome: tuple[tuple[Message, ...], FederatedPosterior]) -> FederatedPosterior:
    """The posterior without an engine."""
    return outcome[1]
