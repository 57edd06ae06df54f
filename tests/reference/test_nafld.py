"""Fatty liver disease, 17,549 people: stored figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_states_of_women_and_men_are_occupied_as_seen(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    found = stored_evidence("nafld")
    spec = tb.disease("nafld")
    assert found["model"] == spec.content_hash
    assert found["priors"] == tb.load_priors(str(spec.priors)).distribution_hash
    assert (found["people"], found["usable"]) == (17549, True)
    assert set(found["largest_difference_by_sex"]) == {"men", "women"}
    assert max(found["largest_difference_by_sex"].values()) <= 0.02
    ratios = found["log_hazard_ratio_of_fatty_liver"]
    steps = [ratio for move, ratio in ratios.items() if not move.endswith("->dead")]
    assert len(steps) == 3
    assert all(mean > 3 * sd for mean, sd in steps)  # people with fatty liver gather comorbidities
