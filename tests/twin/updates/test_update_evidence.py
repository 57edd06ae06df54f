"""The stored comparison of updates with refits is of the model that is shipped, and in its bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_updates_are_those_of_refits_that_include_the_patient(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    stored = stored_evidence("update_against_refit", tb.disease("pbc"))
    assert all(stored["verdicts"])
    assert stored["patients"] == stored["single_refits"] == 30
    assert stored["draws"] >= 500
    assert stored["one_by_one"]["survival_mean"] <= 0.02
    assert stored["one_by_one"]["survival_interval"] <= 0.05
    assert stored["largest_pareto_k"] < 0.7
    assert stored["need_refit"] == 0
