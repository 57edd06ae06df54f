"""What stacks of simulated and published patients showed holds its bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_gains_are_seldom_claimed_where_there_are_none(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    found = stored_evidence("stacking")["simulated"]
    none, some = found["truth is a member"], found["truth is a mixture"]
    for part in (none, some):
        assert part["sets"] >= 60
        assert part["claimed_below_a_member"] == 0.0
        assert part["false_claims"] <= 0.1
        # An interval that lies above the truth is what makes a claim false.
        assert part["truth_below_interval"] <= 0.1
    assert none["claimed"] <= 0.1
    assert some["claimed"] > none["claimed"]


def test_a_stack_of_a_published_cohort_is_as_good_as_its_best_member(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    found = stored_evidence("stacking")["amlsg"]
    assert found["patients"] == 1540
    assert found["model"] == tb.disease("survival").content_hash, (
        "The model has changed: run benchmarks/stacking.py amlsg --write."
    )
    assert found["cpu_seconds"] <= 600.0
    for part in (found["trials"], found["folds"]):
        assert part["usable"]
        assert part["members"] == 8
        assert part["difference"] > -part["standard_error"]
        scores = {row["member"]: row["score"] for row in part["table"]}
        best = max(score for name, score in scores.items() if name != "stack")
        assert scores[part["best"]] == best
        claimed = part["gain"] != "none"
        assert claimed == (part["lower"] > 0.0)
        assert not claimed or scores["stack"] > best
