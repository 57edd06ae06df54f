"""Stored fits of ever more patients are of the model that is shipped, and in their bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import twinbayes as tb


def test_ten_thousand_patients_are_fitted_in_half_an_hour_to_a_usable_verdict(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    largest = stored_evidence("scale", tb.disease("pbc"))["runs"][-1]
    assert largest["patients"] == 10_000
    assert largest["visits"] >= 80_000
    assert largest["seconds"] <= 1800  # of two cores with nothing else to do
    assert largest["peak_gib"] < 8


def test_fits_of_every_size_are_usable_and_find_the_association(
    stored_evidence: Callable[..., dict[str, Any]],
) -> None:
    runs = stored_evidence("scale", tb.disease("pbc"))["runs"]
    assert [run["patients"] for run in runs] == [300, 1000, 3000, 10_000]
    for run in runs:
        assert run["verdict"] == "usable"
        mean, sd = run["association"]
        assert abs(mean - run["true_association"]) < 3 * sd
    spread = [run["association"][1] for run in runs]
    assert spread == sorted(spread, reverse=True)
