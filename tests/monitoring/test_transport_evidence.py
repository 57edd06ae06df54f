"""What fits that were moved to simulated centres of known truth showed holds its bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_intervals_of_moved_fits_hold_the_truth_as_often_as_they_say(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    """Of 90 % intervals, 88 to 92 % hold the truth."""
    found = stored_evidence("transport")["simulated"]
    assert len(found["fits"]) >= 10
    assert found["centres"] >= 100
    for part in (found["level"], found["hazard_to_one_year"]):
        assert 0.88 <= part["coverage"] <= 0.92
        assert part["standard_error"] < 0.02  # over networks
    assert found["weights_are_trusted"] > 0.8
