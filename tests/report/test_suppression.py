"""No table shows a count from 1 to 4, nor the numbers that would give it away."""

from __future__ import annotations

import numpy as np
import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.report.html import fragments as f
from twinbayes.report.html.suppression import publishable


def test_small_counts_are_hidden_with_what_tells_them() -> None:
    table = pd.DataFrame(
        {
            "subgroup": ["A", "B", "C"],
            "n": [60, 3, 12],
            "observed": [20, 2, 0],
            "expected": [18.0, 2.5, 3.0],
            "raw": [0.1, -0.2, -np.inf],
            "raw_lower": [-0.2, -1.0, -np.inf],
            "raw_upper": [0.3, 0.8, 0.2],
            "pooled": [0.1, 0.0, 0.0],
            "borrowed": [0.1, 0.7, np.nan],
        }
    )
    shown = publishable(CheckResult("shrinkage", "info", table, "")).table
    assert list(shown["n"]) == ["60", "<5", "12"]
    assert list(shown["observed"]) == ["20", "<5", "0"]
    hidden = shown.loc[1, ["expected", "raw", "raw_lower", "raw_upper", "borrowed"]]
    assert all(value is None for value in hidden)
    assert shown.loc[0, "raw"] == 0.1
    assert list(shown["pooled"]) == [0.1, 0.0, 0.0]
    html = f.check(CheckResult("shrinkage", "info", table, "")).html
    assert "&lt;5" in html
    assert "2.5" not in html


def test_subgroups_too_small_to_count_are_left_out_and_the_whole_stays() -> None:
    table = pd.DataFrame(
        {
            "subgroup": ["all", "A", "B"],
            "n": [30, 45, 6],
            "observed": [0.5, 0.4, 0.1667],
            "counts": [False, True, False],
        }
    )
    shown = publishable(CheckResult("calibration", "pass", table, "")).table
    assert list(shown["subgroup"]) == ["all", "A"]
    assert list(shown["observed"]) == [0.5, 0.4]  # probabilities, not counts


def test_a_check_without_a_table_stays_as_it_is() -> None:
    check = CheckResult("x", "pass", pd.DataFrame(), "text")
    assert publishable(check) is check
