"""The stored fit of ten thousand patients is of the model that is shipped, and in its bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_ten_thousand_patients_are_fitted_in_half_an_hour_to_a_usable_verdict(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    stored = stored_evidence("scale", tb.disease("pbc"))
    largest = stored["runs"][-1]
    assert largest["patients"] == 10_000
    assert largest["visits"] >= 80_000
    assert largest["verdict"] == "usable"
    assert largest["seconds"] <= 1800  # of two cores with nothing else to do
    assert largest["peak_gib"] < 8
    mean, sd = largest["association"]
    assert abs(mean - largest["true_association"]) < 3 * sd
