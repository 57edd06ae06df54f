"""Quality-adjusted time is that of simulated paths, in the stored run of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import twinbayes as tb


def test_quality_adjusted_time_is_that_of_paths_on_three_diseases(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    stored = stored_evidence("quality_adjusted")
    for disease, model in stored["models"].items():
        assert tb.disease(disease).content_hash == model, "run benchmarks/quality_adjusted.py"
    assert len(stored["models"]) == 3
    rows = stored["rows"]
    for disease in stored["models"]:
        assert sum(row["disease"] == disease for row in rows) >= 10
    z = np.array([row["z"] for row in rows])
    off = [(row["days"] - row["paths_days"]) / row["error"] for row in rows if row["error"] > 0.5]
    np.testing.assert_allclose(off, [row["z"] for row in rows if row["error"] > 0.5], atol=0.05)
    # of right answers 95.4 % lie within two Monte Carlo errors, and their mean is near 0
    assert (np.abs(z) < 2.0).mean() >= 0.9
    assert np.abs(z).max() < 4.0
    assert abs(z.mean()) < 3.0 / np.sqrt(len(z))
