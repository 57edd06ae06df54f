"""The review of aggregate data: one file that says it all, and says no more than it knows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.errors import OptionError
from twinbayes.inference import AggregateFit
from twinbayes.report.reviewer import aggregate as sections


@pytest.fixture(scope="module")
def basket() -> AggregateFit:
    table = pd.DataFrame(
        {"subgroup": ["<b>x", "y", "z"], "n": [15, 13, 28], "responders": [2, 0, 6]}
    )
    return tb.fit(
        tb.disease("basket"), tb.read_aggregate(table), draws=300, tune=300, progressbar=False
    )


def test_the_review_shows_estimates_shares_and_exchangeability(
    basket: AggregateFit, tmp_path: Path
) -> None:
    html = tb.review(basket, tmp_path / "review.html").read_text(encoding="utf-8")
    for heading in ("Estimates", "Exchangeability", "Where the estimates come from", "Provenance"):
        assert heading in html
    assert "&lt;b&gt;x" in html
    assert "<b>x" not in html
    assert "mean under complete pooling" in html
    assert "<script" not in html
    with pytest.raises(OptionError, match="of fits of patients take further checks"):
        tb.review(basket, tmp_path / "review.html", checks=[])


def test_columns_that_are_not_in_the_model_are_named(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"subgroup": ["a", "b"], "n": 9, "responders": 3, "age": [0.0, 1.0], "memo": "seen"}
    )
    data = tb.read_aggregate(table, covariates=("age",))
    assert data.not_read == ("memo",)
    fit = tb.fit(tb.disease("basket"), data, draws=20, tune=20, chains=1, progressbar=False)
    fit.save(tmp_path / "basket.fit")
    kept = tb.load_fit(tmp_path / "basket.fit")
    assert isinstance(kept, AggregateFit)
    shown = sections.data(sections.collect_aggregate(kept)).html
    for label, value in (("covariates not in the model", "age"), ("columns not read", "memo")):
        assert label in shown
        assert value in shown.partition(label)[2][:80]


def test_what_a_model_does_not_know_is_not_provided() -> None:
    table = pd.DataFrame({"subgroup": ["a", "b"], "n": 9, "responders": 3, "x": [0.0, 1.0]})
    fit = tb.fit(
        tb.disease("basket", covariates=("x",), pooling="none"),
        tb.read_aggregate(table, covariates=("x",)),
        draws=20,
        tune=20,
        chains=1,
        progressbar=False,
    )
    evidence = sections.collect_aggregate(fit)
    assert evidence.marks == ("NOT FOR USE",)
    shown = (sections.estimates, sections.exchangeability, sections.borrowing, sections.next_prior)
    for section in shown:
        assert "NOT PROVIDED" in section(evidence).html
