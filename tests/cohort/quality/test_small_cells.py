"""What a page of data quality shows of a handful of people, whatever they are called."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.cohort.quality.suppression import HIDDEN, suppress, suppress_crossed
from twinbayes.errors import CohortError
from twinbayes.names import WHOLE


def cohort_of(subgroups: list[str], died: list[bool], centre: str = "north") -> Cohort:
    ids = [f"PATX{k:03d}" for k in range(len(subgroups))]
    patients = pd.DataFrame({"patient_id": ids, "subgroup": subgroups, "centre": centre})
    ends = np.where(died, "death", "last_contact")
    events = pd.DataFrame({"patient_id": ids, "day": 10.0 + np.arange(len(ids)), "event": ends})
    variables = pd.DataFrame(columns=["name", "table", "role", "group"])
    tables = {"patients": patients, "events": events, "variables": variables}
    return cohort_from_tables("made up", tables, simulated=True)


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r"<td>(.*?)</td>", row) for row in rows]


@pytest.mark.parametrize("column", ["subgroup", "centre"])
def test_no_part_is_called_as_all_of_them_are(column: str) -> None:
    cohort = cohort_of(["a"] * 20 + ["b"] * 20, [True] * 40)
    tables = {
        "patients": cohort.patients.assign(**{column: [WHOLE] * 3 + ["b"] * 37}),
        "events": cohort.events,
        "variables": cohort.variables,
    }
    with pytest.raises(CohortError, match="name-of-the-whole 3"):
        cohort_from_tables("made up", tables)
    tables["patients"] = cohort.patients.assign(**{column: WHOLE})
    assert cohort_from_tables("made up", tables).n_patients == 40


def test_results_of_a_subgroup_are_not_called_as_all_of_them_are() -> None:
    table = pd.DataFrame({"subgroup": [WHOLE, "b"], "n": [9, 9], "responders": [1, 2]})
    with pytest.raises(CohortError, match="name-of-the-whole"):
        tb.read_aggregate(table)


def test_a_count_that_leaves_a_few_out_is_hidden_as_they_would_be() -> None:
    cohort = cohort_of(["a"] * 20 + ["c"] * 25, [True] * 10 + [False] * 10 + [True] * 24 + [False])
    shown = {tuple(row[:3]) for row in cells(cohort.quality()._repr_html_()) if len(row) > 2}
    assert ("c", "25", HIDDEN) in shown
    assert ("a", "20", HIDDEN) in shown  # with the sum, 34, it would tell the other
    assert ("all", "45", "34") in shown


def test_the_sum_of_all_is_hidden_where_it_leaves_a_few_out() -> None:
    counts, sizes = pd.Series([44.0, 20.0, 24.0]), pd.Series([45.0, 20.0, 25.0])
    total = pd.Series([True, False, False])
    shown = suppress(counts, total, sizes=sizes)
    assert (shown[0], shown[2]) == (HIDDEN, HIDDEN)


def test_ways_that_leave_a_few_of_a_group_out_are_hidden() -> None:
    counts, sizes = np.array([[24.0, 10.0], [10.0, 9.0]]), np.array([25.0, 30.0])
    shown = suppress_crossed(counts, sizes, [[0], [1]])
    assert list(shown[0]) == [HIDDEN, HIDDEN]
    assert list(shown[1]) == ["10", "9"]


def test_texts_of_rows_left_out_name_no_patient(tmp_path: Path) -> None:
    cohort = cohort_of(["a"] * 20, [True] * 20)
    folder = cohort.write(tmp_path / "cohort")
    excluded = folder / "excluded.csv"
    excluded.write_text("table,row,rule,reason\nevents,7,no-date,died abroad\n", encoding="utf-8")
    assert len(tb.read_cohort(folder).excluded) == 1
    for text in ("PATX003 died abroad", "see PATX003.", "(PATX003)"):
        excluded.write_text(f'table,row,rule,reason\nevents,7,no-date,"{text}"\n', encoding="utf-8")
        with pytest.raises(CohortError, match="identifier") as refused:
            tb.read_cohort(folder)
        assert "PATX003" not in str(refused.value)


def test_follow_up_of_who_came_late_is_counted_from_the_entry() -> None:
    """By hand: of three at risk on day 100 two leave, of three on day 200 two again."""
    cohort = cohort_of(["a"] * 6, [False] * 6)
    days = [100.0, 100.0, 200.0, 200.0, 300.0, 300.0]
    entry = [0.0, 0.0, 150.0, 150.0, 0.0, 300.0]
    tables = {
        "patients": cohort.patients.assign(entry_day=entry),
        "events": cohort.events.assign(day=days),
        "variables": cohort.variables,
    }
    report = cohort_from_tables("late", tables).quality()
    overview = report.tables["overview"].set_index("quantity")["n"]
    assert overview["patients who come under observation after their origin"] == 3
    table = report.tables["follow_up"]
    # At risk on day 100: three; two leave. On day 200: three (two came in, one stayed); two leave.
    # Remaining followed: 1/3, then 1/9.
    assert table.loc[0, "quartile_1"] == 100.0
    assert table.loc[0, "median"] == 100.0
    assert table.loc[0, "quartile_3"] == 200.0


def test_numbers_of_subgroups_and_covariates_are_no_counts_of_patients() -> None:
    cohort = cohort_of(["a"] * 6 + ["b"] * 3, [True] * 9)
    shown = dict(row for row in cells(cohort.quality()._repr_html_()) if len(row) == 2)
    assert (shown["subgroups"], shown["centres"]) == ("2", "1")
    assert shown["baseline covariates"] == str(cohort.covariates().shape[1])
    assert shown["rows of patients"] == "9"
    few = cohort.select(list(cohort.patient_ids)[:3]).quality()
    shown = dict(row for row in cells(few._repr_html_()) if len(row) == 2)
    assert shown["rows of patients"] == "&lt;5"
