"""No table shows a count from 1 to 4, nor the numbers that would give it away."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from twinbayes.checks import CheckResult
from twinbayes.checks.borrowing.shrinkage import shrinkage_of
from twinbayes.checks.suppression import publishable
from twinbayes.cohort.quality.suppression import suppress_crossed
from twinbayes.inference import Fit
from twinbayes.report.figures.diagnostics import missingness
from twinbayes.report.html import fragments as f


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
    shown = publishable(table)
    # The one small count could be had from the total: the next smallest goes with it.
    assert list(shown["n"]) == ["60", "<5", "hidden"]
    # Nothing is counted within groups whose size is hidden; 2 in both together is few as well.
    assert list(shown["observed"]) == ["hidden", "hidden", "hidden"]
    telling = shown[["expected", "raw", "raw_lower", "raw_upper", "borrowed"]]
    assert telling.map(lambda value: value is None).all(axis=None)
    assert list(shown["pooled"]) == [0.1, 0.0, 0.0]
    html = f.check(CheckResult("shrinkage", "info", table, "")).html
    assert "&lt;5" in html
    assert "2.5" not in html


def test_each_breakdown_hides_a_second_count_by_itself_and_the_whole_stays() -> None:
    table = pd.DataFrame(
        {
            "transition": ["a"] * 4 + ["b"] * 4,
            "subgroup": ["all", "A", "B", "C"] * 2,
            "n_event": [30, 20, 8, 2, 40, 20, 3, 17],
        }
    )
    shown = publishable(table)["n_event"]
    assert list(shown) == ["30", "20", "hidden", "<5", "40", "20", "<5", "hidden"]
    # Rows of a key that we do not know, and whole numbers held as objects, as from a file.
    other = table.rename(columns={"transition": "kind"}).astype({"n_event": object})
    assert list(publishable(other)["n_event"]) == list(shown)
    treated = pd.DataFrame({"effect": ["x"] * 3, "subgroup": list("ABC"), "n_treated": [9, 4, 0]})
    shown = publishable(treated)["n_treated"]
    assert list(shown) == ["hidden", "<5", "0"]
    folds = pd.DataFrame({"fold": ["1", "2", "3", "pooled"], "n": [3, 40, 17, 60]})
    shown = publishable(folds)["n"]
    assert list(shown) == ["<5", "40", "hidden", "60"]


def test_review_and_quality_report_hide_the_same_second_subgroup(fit: Fit) -> None:
    sizes = fit.cohort.patients["subgroup"].value_counts()
    small, middle, _ = sizes.sort_values().index
    assert [sizes[small], sizes[middle]] == [3, 22]
    quality = fit.cohort.quality()._repr_html_()
    rows = dict(re.findall(r"<tr><td>(\w+)</td><td>(.*?)</td>", quality))
    review = f.check(shrinkage_of(fit, 0.9)).html
    cells = dict(
        re.findall(r'<td class="short">(\w+)</td><td class="short">(&lt;5|hidden|\d+)<', review)
    )
    for page in (rows, cells):
        assert (page[small], page[middle]) == ("&lt;5", "hidden")
    labels = missingness(fit.cohort.quality().tables["missing_by_subgroup"], place="subgroup")
    drawn = [t.get_text() for t in labels.figure.axes[0].get_yticklabels()]
    assert [t.rsplit("  ", 1)[1] for t in drawn] == ["28", "hidden", "<5"]


def test_subgroups_too_small_to_count_are_left_out_and_the_whole_stays() -> None:
    table = pd.DataFrame(
        {
            "subgroup": ["all", "A", "B"],
            "n": [30, 45, 6],
            "observed": [0.5, 0.4, 0.1667],
            "counts": [False, True, False],
        }
    )
    shown = publishable(table)
    assert list(shown["subgroup"]) == ["all", "A"]
    assert list(shown["observed"]) == [0.5, 0.4]  # probabilities, not counts


def test_a_check_without_a_table_stays_as_it_is() -> None:
    check = CheckResult("x", "pass", pd.DataFrame(), "text")
    assert check.published is check


def test_counts_that_are_no_whole_numbers_to_the_computer_are_hidden_all_the_same() -> None:
    for counts in ([3.0, 20.0, 9.0], pd.array([3, 20, 9], dtype="Int64"), [3, 20, None]):
        table = pd.DataFrame({"centre": ["a", "b", "c"], "patients": counts})
        shown = publishable(table)["patients"]
        assert shown[0] == "<5"
        assert "hidden" in list(shown)


def test_a_total_of_centres_does_not_give_the_small_one_away() -> None:
    table = pd.DataFrame({"centre": ["a", "b", "c", "all"], "patients": [3, 20, 9, 32]})
    shown = publishable(table)
    assert list(shown["patients"]) == ["<5", "20", "hidden", "32"]


def test_a_table_put_together_from_two_may_repeat_its_index() -> None:
    table = pd.concat([pd.DataFrame({"subgroup": ["a", "b"], "n": [3, 9]})] * 2)
    shown = publishable(table)
    assert list(shown["n"]) == ["<5", "hidden"] * 2


def test_events_that_recur_may_be_more_than_there_are_people() -> None:
    counts = np.array([[40.0, 9.0, 2.0], [7.0, 3.0, 1.0], [30.0, 2.0, 0.0]])
    sizes = np.array([12.0, 7.0, 6.0])
    shown = suppress_crossed(counts, sizes, [[0], [1, 2]])
    small = (counts > 0) & (counts < 5)
    assert np.isin(shown[small], ("<5", "hidden")).all()
