"""Stored hit and false-alarm figures are of the detectors that are shipped, and in their bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from detectors import PUBLISHED, code_hash
from innocent_relatives import INNOCENT
from planted_errors import ERRORS

_FEWEST = 100  # registries


@pytest.fixture(scope="module")
def stored(stored_evidence: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("detectors")


def test_the_figures_are_of_the_detectors_as_they_are(stored: dict[str, Any]) -> None:
    assert stored["detectors"] == code_hash(), (
        "The detectors have changed: run benchmarks/detectors.py --write."
    )
    assert len(set(stored["seeds"])) >= _FEWEST


@pytest.mark.requirement("R-007")
def test_every_planted_error_is_found_in_95_of_100_registries(stored: dict[str, Any]) -> None:
    assert set(stored["errors"]) == set(ERRORS)
    found = {name: row["found"] / row["of"] for name, row in stored["errors"].items()}
    assert min(found.values()) >= 0.95, found


@pytest.mark.requirement("R-007")
def test_honest_registries_are_accused_in_5_of_100_at_the_most(stored: dict[str, Any]) -> None:
    assert set(stored["honest"]) == {"as simulated", *INNOCENT}
    accused = {name: row["accused"] / row["of"] for name, row in stored["honest"].items()}
    assert max(accused.values()) <= 0.05, accused


def test_of_published_cohorts_only_what_is_true_is_said(stored: dict[str, Any]) -> None:
    said = stored["published"]
    assert set(said) == set(PUBLISHED)
    # Two samples of one person: every covariate, event and day is the same.
    assert [line.split(":")[0] for line in said.pop("amlsg")] == ["patients.patient_id"]
    assert set(map(tuple, said.values())) == {()}
