"""Dynamic predictions at 5 years of primary biliary cirrhosis against those of JMbayes2 and JM.

`benchmarks/dynamic_prediction.py --write` makes the fit and leaves its figures in `docs/evidence`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dynamic_prediction import ONE, PATIENTS, YEARS_OF_ONE, pbc_312
from joint_pbc import published_priors

Reference = Callable[[str], dict[str, Any]]
#: Every mean, whatever wider tolerance is published with it.
MEANS_WITHIN = 0.01


@pytest.fixture(scope="module")
def stored(stored_evidence: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    found = stored_evidence("dynamic_prediction", pbc_312(), published_priors())
    assert found["usable"]
    assert found["patients"] == PATIENTS == 100
    assert found["times"] == 51
    return found


@pytest.fixture(scope="module")
def expected(reference: Reference) -> dict[str, dict[str, Any]]:
    return {e["quantity"]: e for e in reference("dynamic_prediction_pbc312")["expected"]}


@pytest.mark.parametrize(
    ("year", "quantity"),
    [
        (7.1, "mean over the first 100 at-risk patients of P(death by 7.1 | alive at 5)"),
        (8.5, "same, by 8.5"),
        (10.04, "same, by 10.04"),
        (12.0, "same, by 12"),
    ],
)
def test_the_mean_risk_of_a_hundred_patients_is_the_published_one(
    stored: dict[str, Any], expected: dict[str, dict[str, Any]], year: float, quantity: str
) -> None:
    within = min(MEANS_WITHIN, expected[quantity]["tolerance"]["value"])
    found = stored["cumulative_incidence"][str(year)]
    assert found == pytest.approx(expected[quantity]["value"], abs=within)


@pytest.mark.parametrize("year", YEARS_OF_ONE)
def test_the_risk_of_one_patient_is_the_published_one(
    stored: dict[str, Any], expected: dict[str, dict[str, Any]], year: float
) -> None:
    entry = expected[f"patient {ONE}: P(death by {year} | alive at 5)"]
    found = stored[f"patient_{ONE}"][str(year)]
    assert found["value"] == pytest.approx(entry["value"], abs=entry["tolerance"]["value"])
    for end in ("q2_5", "q97_5"):
        assert found[end] == pytest.approx(entry[end], abs=entry["tolerance"]["quantiles"]), end


@pytest.mark.parametrize("year", ["7.1", "12"])
def test_the_risk_of_one_patient_is_that_of_maximum_likelihood(
    stored: dict[str, Any], expected: dict[str, dict[str, Any]], year: str
) -> None:
    entry = expected[f"patient {ONE}: 1-S({year}|5), JM maximum likelihood, mean"]
    found = stored[f"patient_{ONE}"][str(float(year))]["value"]
    assert found == pytest.approx(entry["value"], abs=entry["tolerance"]["value"])


def test_the_marker_of_one_patient_is_the_published_one(
    stored: dict[str, Any], expected: dict[str, dict[str, Any]]
) -> None:
    entry = expected[f"patient {ONE}: predicted log bilirubin at year 5, point"]
    found = stored[f"patient_{ONE}"]["log_bilirubin"]
    assert found == pytest.approx(entry["value"], abs=entry["tolerance"]["value"])


def test_the_risk_of_each_patient_is_the_published_one(
    stored: dict[str, Any], shared: Path
) -> None:
    """Of a peer that draws 200 times, whose own error is some 7 % of the interval's width."""
    rows = pd.read_csv(shared / "reference" / "data" / "pbc312_cif_100_patients.csv")
    ours = np.array([stored["by_patient"][str(i)] for i in rows["id"].drop_duplicates()]).ravel()
    gap, width = np.abs(ours - rows["cif_mean"]), rows["cif_q97_5"] - rows["cif_q2_5"]
    assert len(gap) == 400
    assert (gap < 0.1 * width + 0.001).all()  # the widths of certain deaths are nothing
    assert np.median(gap / width) < 0.04


def test_forecasts_and_updates_are_as_fast_as_they_must_be(stored: dict[str, Any]) -> None:
    assert stored["draws"] >= 200
    assert stored["cpu_s"] <= 1.0
    assert stored["update_draws"] >= 500
    assert stored["update_ms"] <= 50.0
