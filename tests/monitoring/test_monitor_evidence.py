"""What streams past a fit in use showed holds its bars, and is of the model that is shipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import twinbayes as tb


@pytest.mark.requirement("R-061")
def test_a_true_fit_rarely_alarms_and_a_changed_disease_is_found(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    found = stored_evidence("monitor")
    assert found["model"] == tb.disease("registry").content_hash, (
        "The model has changed: run benchmarks/monitor.py FIT --write."
    )
    assert found["usable"]
    drawn = found["drawn_under_the_fit"]
    assert drawn["streams"] >= 10_000
    assert drawn["any_alarm"] <= found["alpha"] == 0.05
    known = found["hazard_that_is_known"]
    assert known["1"]["ever_alarm"] <= found["alpha"]
    assert known["1.5"]["median_events_to_alarm"] <= 60.0
    assert known["1.2"]["median_events_to_alarm"] <= 200.0
    streams = found["streams"]
    assert streams["as they were"]["ever_alarm"]["hazards"] <= found["alpha"]
    assert streams["hazards 1.5"]["ever_alarm"]["hazards"] > 0.9
    assert streams["starts 2"]["ever_alarm"]["hazards"] <= 0.05
