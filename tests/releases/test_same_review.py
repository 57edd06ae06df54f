"""A review that is written twice is the same, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.inference import AggregateFit

STORED = Path(__file__).parents[1] / "data" / "registry_fit.nc"


@pytest.mark.requirement("R-074")
def test_a_review_of_aggregate_data_is_the_same_twice(tmp_path: Path) -> None:
    table = pd.DataFrame({"subgroup": ["x", "y", "z"], "n": [15, 13, 28], "responders": [2, 0, 6]})
    path = tb.fit(
        tb.disease("basket"), tb.read_aggregate(table), draws=50, tune=100, progressbar=False
    ).save(tmp_path / "fit.nc")
    pages = []
    for name in ("one.html", "two.html"):
        fit = tb.load_fit(path)
        assert isinstance(fit, AggregateFit)
        pages.append(tb.review(fit, tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.slow  # two whole reviews
def test_a_review_of_patients_is_the_same_twice(tmp_path: Path) -> None:
    pages = []
    for name in ("one.html", "two.html"):
        fit = tb.load_fit(STORED)
        assert isinstance(fit, tb.Fit)
        pages.append(tb.review(fit, tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
