"""How often forecasts of BCR-ABL1 held what came later, from the stored run of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import twinbayes as tb


def test_the_stored_coverage_is_of_this_model_and_right(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    stored = stored_evidence("cml_forecast", tb.disease("cml"))
    assert stored["interval"] == 0.9
    for part in ("under_treatment", "after_stop", "all"):
        assert stored[part]["below_limit"] > 50
        assert stored[part]["coverage"] == pytest.approx(0.9, abs=0.05), part
