"""How often forecasts of BCR-ABL1 held what came later, from the stored run of the benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import twinbayes as tb

STORED = Path(__file__).parents[2] / "docs" / "evidence" / "cml_forecast.json"


def test_the_stored_coverage_is_of_this_model_and_right() -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    current = (tb.disease("cml").content_hash, tb.load_priors("cml").content_hash)
    assert (stored["model"], stored["priors"]) == current, (
        "The model or its priors have changed: run benchmarks/cml_forecast.py --write."
    )
    assert stored["interval"] == 0.9
    for part in ("under_treatment", "after_stop", "all"):
        assert stored[part]["below_limit"] > 50
        assert stored[part]["coverage"] == pytest.approx(0.9, abs=0.05), part
