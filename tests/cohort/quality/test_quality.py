"""The quality report: right numbers, and nothing in print that could identify a person."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame, Series

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.cohort.quality.suppression import SMALLEST_CELL, suppress
from twinbayes.estimators import reverse_kaplan_meier


def registry(n: int = 200, seed: int = 1) -> dict[str, DataFrame]:
    rng = np.random.default_rng(seed)
    ids = [f"SECRET-{i:04d}" for i in range(n)]
    patients = DataFrame(
        {
            "patient_id": ids,
            "subgroup": ["big"] * (n - 12) + ["mid"] * 9 + ["tiny"] * 3,
            "centre": rng.choice(["north", "south", "west"], n),
            "wbc": rng.lognormal(2, 1, n),
            "blasts": 100 * rng.beta(0.4, 0.1, n),
            "grade": rng.integers(1, 4, n),
        }
    )
    events = DataFrame(
        {
            "patient_id": ids,
            "day": rng.integers(1, 1000, n),
            "event": rng.choice(["death", "last_contact"], n),
        }
    )
    columns = ["name", "table", "role", "group", "unit"]
    variables = DataFrame(
        [
            ("wbc", "patients", "covariate", "clinical", "10*9/L"),
            ("blasts", "patients", "covariate", "clinical", "%"),
            ("grade", "patients", "covariate", "clinical", "{score}"),
        ],
        columns=columns,
    )
    return {"patients": patients, "events": events, "variables": variables}


def test_plausible_data_raise_no_alarm() -> None:
    report = cohort_from_tables("clean", registry()).quality()
    assert report.tables["implausible"].empty
    assert report.findings == ()
    assert report.flags == ("Subgroups of fewer than 20 patients, which will borrow: 2.",)


@pytest.mark.requirement("R-006")
@pytest.mark.parametrize("factor", [1000.0, 100.0, 10.0, 0.1, 0.01, 0.001])
def test_a_centre_with_another_unit_is_suspected(factor: float) -> None:
    tables = registry()
    there = tables["patients"]["centre"] == "south"
    tables["patients"].loc[there, "wbc"] *= factor
    report = cohort_from_tables("mixed", tables).quality()
    (found,) = report.findings
    assert (found.column, found.centre) == ("wbc", "south")
    assert f"near {factor:g}" in found.why
    assert found.n_rows == there.sum()
    assert "Check the unit" in report.flags[0]


@pytest.mark.requirement("R-006")
def test_a_unit_swap_in_visits_is_suspected_from_uncensored_values() -> None:
    tables = registry()
    patients = tables["patients"]
    value = np.where(patients["centre"] == "west", 100.0, 1.0)
    visits = DataFrame({"patient_id": patients["patient_id"], "day": 0, "marker": "crp"})
    tables["visits"] = visits.assign(value=value, censored="none")
    row = DataFrame(
        [("crp", "visits", "marker", None, "mg/L")], columns=tables["variables"].columns
    )
    tables["variables"] = pd.concat([tables["variables"], row])
    (found,) = cohort_from_tables("mixed", tables).quality().findings
    assert (found.table, found.column, found.centre) == ("visits", "crp", "west")
    assert "near 100" in found.why


def test_a_value_a_thousand_times_too_large_is_implausible_and_named_by_row() -> None:
    tables = registry()
    tables["patients"].loc[17, "wbc"] = 1e7
    report = cohort_from_tables("typo", tables).quality()
    found = report.tables["implausible"]
    assert found[["table", "row", "variable"]].to_numpy().tolist() == [["patients", 17, "wbc"]]
    assert any("wbc" in flag and "fewer than 5" in flag for flag in report.flags)


def test_a_percentage_near_its_end_is_no_outlier() -> None:
    tables = registry()
    tables["patients"]["blasts"] = np.linspace(60, 100, 200)
    tables["patients"].loc[3, "blasts"] = 0.0
    report = cohort_from_tables("blasts", tables).quality()
    assert "blasts" not in set(report.tables["implausible"]["variable"])


@pytest.mark.requirement("R-005")
def test_missingness_is_the_fraction_in_each_subgroup_and_centre() -> None:
    tables = registry()
    patients = tables["patients"]
    patients.loc[patients["subgroup"] == "mid", "wbc"] = np.nan
    patients.loc[:46, "wbc"] = np.nan
    report = cohort_from_tables("gaps", tables).quality()
    by_subgroup = report.tables["missing_by_subgroup"].set_index("subgroup")["wbc"]
    assert by_subgroup.to_dict() == pytest.approx({"big": 47 / 188, "mid": 1.0, "tiny": 0.0})
    by_centre = report.tables["missing_by_centre"].set_index("centre")
    expected = patients["wbc"].isna().groupby(patients["centre"]).mean()
    assert by_centre["wbc"].to_dict() == pytest.approx(expected.to_dict())
    assert by_centre["patients"].sum() == 200
    assert "wbc: missing in 28% of patients." in report.flags


def test_reverse_kaplan_meier_by_hand() -> None:
    # Last contacts on days 2, 4, 4, 8; deaths on 1, 4, 6. Followed beyond 2: 5/6; beyond 4:
    # 4 at risk after the death of that day, 2 lost, 5/12; beyond 8: 0.
    day = np.array([2.0, 4, 4, 8, 1, 4, 6])
    censored = np.array([True, True, True, True, False, False, False])
    assert reverse_kaplan_meier(day, ~censored).quantile(0.10) == 2.0
    assert reverse_kaplan_meier(day, ~censored).quantile(0.50) == 4.0
    assert reverse_kaplan_meier(day, ~censored).quantile(7 / 12) == 4.0
    assert reverse_kaplan_meier(day, ~censored).quantile(0.60) == 8.0
    assert np.isnan(reverse_kaplan_meier(day, np.ones(7, dtype=bool)).quantile(0.5))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 60))
def test_reverse_kaplan_meier_agrees_with_statsmodels(seed: int, n: int) -> None:
    duration = pytest.importorskip("statsmodels.duration.survfunc")
    rng = np.random.default_rng(seed)
    # Odd days for deaths, even for last contacts: statsmodels has the other rule for ties.
    censored = rng.random(n) < 0.5
    censored[0] = True
    day = 2.0 * rng.integers(1, 40, n) + np.where(censored, 0, 1)
    curve = duration.SurvfuncRight(day, censored.astype(int))
    reached = curve.surv_times[curve.surv_prob <= 0.5 + 1e-12]
    ours = reverse_kaplan_meier(day, ~censored).quantile(0.5)
    assert ours == reached[0] if len(reached) else np.isnan(ours)


def test_follow_up_and_events_cover_all_and_each_subgroup() -> None:
    cohort = cohort_from_tables("clean", registry())
    report = cohort.quality()
    follow_up = report.tables["follow_up"]
    assert follow_up["subgroup"].tolist() == ["all", "big", "mid", "tiny"]
    assert follow_up["deaths"].iloc[0] == (cohort.events["event"] == "death").sum()
    assert follow_up["deaths"].iloc[1:].sum() == follow_up["deaths"].iloc[0]
    events = report.tables["events"].set_index("subgroup")
    assert (events["death"] + events["last_contact"] == events["patients"]).all()


def test_an_event_that_recurs_counts_its_patients_once(cohort: Cohort) -> None:
    again = cohort.events.query("event == 'relapse'").assign(day=250.0)
    tables = cohort.tables | {"events": pd.concat([cohort.events, again])}
    events = cohort_from_tables("again", tables).quality().tables["events"]
    assert events.set_index("subgroup").loc["all", "relapse"] == 12
    assert events.set_index("subgroup").loc["all", "chemo"] == 12


def test_no_table_flag_or_html_holds_a_patient_identifier(cohort: Cohort) -> None:
    report = cohort.quality()
    everything = [frame.to_csv() for frame in report.tables.values()]
    assert "SECRET" not in "".join([*everything, *report.flags, report._repr_html_()])


def test_the_html_is_escaped_and_has_no_script_or_external_reference() -> None:
    tables = registry()
    tables["patients"]["subgroup"] = "<script>alert(1)</script>"
    html = cohort_from_tables("<b>name", tables)
    text = html.quality()._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;b&gt;name" in text
    assert "http" not in text
    assert "real data" in text


@pytest.mark.requirement("R-015")
def test_the_html_says_that_simulated_data_are_simulated(cohort: Cohort) -> None:
    assert "no row describes a real person" in cohort.quality()._repr_html_()


@pytest.mark.requirement("R-010")
def test_counts_below_five_are_suppressed_in_the_html() -> None:
    tables = registry()
    patients = tables["patients"]
    patients.loc[patients["subgroup"] == "mid", "wbc"] = [np.nan] * 3 + [5.0] * 6
    html = cohort_from_tables("small cells", tables).quality()._repr_html_()
    rows = re.findall(r"<tr><td>(big|mid|tiny)</td>(.*?)</tr>", html)
    cells = {
        name: [unescape(c) for c in re.findall(r"<td>(.*?)</td>", row)] for name, row in rows[:3]
    }
    assert cells["tiny"][0] == "<5"
    # With only "<5" hidden, the total would give it away.
    assert "hidden" in {cells["big"][0], cells["mid"][0]}
    for _, row in rows:
        counts = re.findall(r"<td>(\d+)</td>", row)
        assert all(int(c) == 0 or int(c) >= SMALLEST_CELL for c in counts)
    assert "33%" not in html  # three of nine


@pytest.mark.requirement("R-010")
@given(counts=st.lists(st.integers(0, 40), min_size=2, max_size=8))
def test_no_suppressed_count_can_be_had_by_subtraction(counts: list[int]) -> None:
    values = Series([sum(counts), *counts])
    total = Series([True] + [False] * len(counts))
    shown = suppress(values, total)
    hidden = shown.isin(["<5", "hidden"])
    assert (values[~hidden].eq(0) | values[~hidden].ge(SMALLEST_CELL)).all()
    others = [n for n in counts if n > 0]
    if not hidden[0] and len(others) > 1:
        assert hidden[1:].sum() != 1


def test_a_cohort_without_covariates_or_follow_up_has_a_report_too() -> None:
    tables = {
        "patients": DataFrame({"patient_id": ["SECRET-1"], "subgroup": ["a"], "centre": ["x"]}),
        "events": DataFrame({"patient_id": ["SECRET-1"], "day": [0], "event": ["last_contact"]}),
        "variables": DataFrame([("mrd", "visits", "marker")], columns=["name", "table", "role"]),
    }
    report = cohort_from_tables("least", tables).quality()
    assert any("ends on day 0" in flag for flag in report.flags)
    assert "SECRET" not in report._repr_html_()
