"""Calibration by simulation of event models: late entry, and a frailty. Stored figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from event_calibration import CONFIGURATIONS, spec_of


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_posteriors_are_calibrated_and_the_planted_flaw_is_found(
    name: str, stored_evidence: Callable[..., dict[str, Any]]
) -> None:
    found = stored_evidence("event_calibration")[name]
    assert found["model"] == spec_of(CONFIGURATIONS[name][0]).content_hash
    assert found["sets"] >= 100
    assert found["passes"]
    assert not found["with_the_flaw"]["passes"]
    assert set(found["mean_rank"]) > {"log-likelihood"}
    assert all(0.35 < mean < 0.65 for mean in found["mean_rank"].values())
