"""Stored figures of 100,000 patients in shards are of the model that is shipped, in their bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import twinbayes as tb


@pytest.fixture(scope="module")
def found(stored_evidence: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return stored_evidence("federation_scale", tb.disease("hsct"))


def test_a_hundred_thousand_patients_are_fitted_in_an_hour_to_a_usable_verdict(
    found: dict[str, Any],
) -> None:
    assert found["patients"] == 100_000
    for run in ("one_process", "two_workers", "worker_killed"):
        assert found[run]["verdict"] == "USABLE"
        assert found[run]["certificate"]["pareto_k"] < 0.5
        assert found[run]["seconds"] <= 3600
        assert found[run]["peak_gib"] + 2 * found[run]["peak_gib_of_a_worker"] <= 8


def test_two_workers_are_faster_than_one_process(found: dict[str, Any]) -> None:
    """Not by half: what they do beside evaluating is in their time too."""
    one, two = (found[run]["evaluating_s"] for run in ("one_process", "two_workers"))
    assert found["to_ideal"] == pytest.approx(2 * two / one, abs=0.01)
    assert two < one


def test_who_evaluates_shards_changes_no_draw(found: dict[str, Any]) -> None:
    assert found["two_workers"]["same_draws"]
    assert found["worker_killed"]["killed"] == 1
    assert found["worker_killed"]["same_draws"]
