"""A study of two sites in folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation_toy import Toy
from federation_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A study in which round 0 was asked and is not answered."""
    return World(tmp_path, Toy()).begin()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A finished study, for reading alone."""
    world = World(tmp_path_factory.mktemp("told"), Toy()).begin()
    world.one_round()
    world.one_round()
    return world
