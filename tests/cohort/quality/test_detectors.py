"""Detectors: planted errors are found, innocent relatives are not, and nothing breaks them."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame, Series

from innocent_relatives import INNOCENT
from planted_errors import ERRORS, Planted, Tables
from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.cohort.quality.detectors.finding import Finding, findings_table
from twinbayes.cohort.quality.detectors.table import findings_of
from twinbayes.datasets.simulated.simulate import simulate_registry


@pytest.fixture(scope="module")
def registries() -> list[Tables]:
    """Two honest registries, of 120 and 160 patients."""
    return [
        dict(simulate_registry(seed=seed, n_patients=n)[0].tables)
        for seed, n in ((4, 120), (5, 160))
    ]


def found_in(tables: Tables) -> tuple[Finding, ...]:
    return findings_of(cohort_from_tables("planted", tables, simulated=True))


def names_it(planted: Planted, one: Finding) -> bool:
    at = (one.column, one.centre, one.table)
    asked = (planted.column, planted.centre, planted.table)
    same = all(want in (None, have) for want, have in zip(asked, at, strict=True))
    return one.detector == planted.detector and same


# Each kind in one of two registries; in a hundred: tests/cohort/quality/test_detector_evidence.py.
@pytest.mark.requirement("R-007")
@pytest.mark.parametrize(("number", "name"), list(enumerate(ERRORS)))
def test_a_planted_error_is_found_and_nothing_else_is_said(
    number: int, name: str, registries: list[Tables]
) -> None:
    tables = dict(registries[number % 2])
    planted = ERRORS[name](tables, np.random.default_rng(number))
    found = found_in(tables)
    assert any(names_it(planted, one) for one in found)
    assert {one.detector for one in found} == {planted.detector}


@pytest.mark.parametrize(("number", "name"), list(enumerate(INNOCENT)))
def test_an_innocent_relative_is_not_accused(
    number: int, name: str, registries: list[Tables]
) -> None:
    tables = dict(registries[number % 2])
    INNOCENT[name](tables, np.random.default_rng(number))
    assert [one.sentence for one in found_in(tables)] == []


# --- small cohorts, counted by hand --------------------------------------------------------


def cohort_of(
    n: int,
    covariates: dict[str, object],
    day: object,
    event: object = "death",
    **tables: DataFrame,
) -> Cohort:
    """One centre, one subgroup, one terminal event each."""
    ids = [f"SECRET-{k}" for k in range(n)]
    patients = DataFrame({"patient_id": ids, "subgroup": "a", "centre": "x"})
    declared = [
        {"name": name, "table": "patients", "role": "covariate", "group": "g", "unit": "1"}
        for name in covariates
    ]
    declared += [{"name": "drug", "table": "treatments", "role": "treatment"}] * (
        "treatments" in tables
    )
    events = DataFrame({"patient_id": ids, "day": day, "event": event})
    if "more_events" in tables:
        events = pd.concat([events, tables.pop("more_events")])
    if not declared:
        declared = [{"name": "unseen", "table": "visits", "role": "marker"}]
    all_tables = {
        "patients": patients.assign(**covariates),
        "events": events,
        "variables": DataFrame(declared),
        **tables,
    }
    return cohort_from_tables("small", all_tables)


def started(who: Series | np.ndarray, day: object) -> DataFrame:
    ids = [f"SECRET-{k}" for k in np.flatnonzero(who)]
    return DataFrame({"patient_id": ids, "start_day": day, "treatment": "drug"})


def told(cohort: Cohort) -> list[tuple[str, str]]:
    return [(one.detector, one.column) for one in findings_of(cohort)]


@pytest.mark.requirement("R-008")
def test_a_covariate_that_says_who_was_treated_later_is_told_and_a_day_0_arm_is_not() -> None:
    rng = np.random.default_rng(1)
    arm = np.arange(40) % 2 == 0
    days = rng.permutation(np.arange(400, 440))
    later = cohort_of(
        40, {"arm": arm.astype(float)}, days, treatments=started(arm, rng.integers(60, 300, 20))
    )
    assert told(later) == [("covariate from the future", "arm")]
    first = cohort_of(40, {"arm": arm.astype(float)}, days, treatments=started(arm, 0.0))
    assert told(first) == []


@pytest.mark.requirement("R-008")
def test_being_known_for_the_treated_alone_tells_the_future_too() -> None:
    rng = np.random.default_rng(2)
    treated = np.arange(40) < 15
    dose = np.where(treated, rng.normal(size=40), np.nan)
    cohort = cohort_of(
        40, {"donor_age": dose}, 400, treatments=started(treated, rng.integers(60, 300, 15))
    )
    assert ("covariate from the future", "donor_age") in told(cohort)


def test_a_factor_with_three_of_forty_exceptions_is_an_honest_one() -> None:
    # kappa = 2 (a d - b c) / (...) with 17 of 20 right on one side: (0.925 - 0.5) / 0.5 = 0.85
    dead = np.arange(40) < 20
    factor = dead.copy()
    factor[:3] = False
    event = np.where(dead, "death", "last_contact")
    days = np.where(dead, 100.0 + np.arange(40), 1000.0 + np.arange(40))
    assert told(cohort_of(40, {"factor": factor.astype(float)}, days, event)) == []
    same = dead.astype(float)
    assert told(cohort_of(40, {"factor": same}, days, event)) == [
        ("covariate from the future", "factor")
    ]


def test_numbers_beyond_a_life_are_counted_by_row() -> None:
    days = np.full(12, 500.0)
    days[[2, 7]] = 43_831.0, 20_200_131.0
    (one,) = findings_of(cohort_of(12, {}, days))
    assert (one.detector, one.table, one.column) == ("dates as days", "events", "day")
    assert (one.n_rows, one.n_patients) == (2, 2)
    ordered = one.rows["events"]
    assert ordered.tolist() == [2, 7]


def test_lives_counted_from_birth_are_no_dates() -> None:
    rng = np.random.default_rng(3)
    assert told(cohort_of(60, {}, rng.uniform(50, 95, 60) * 365.25)) == []


@pytest.mark.requirement("R-014")
@pytest.mark.parametrize("times", ["months", "days"])
def test_a_study_of_28_days_is_not_in_months(times: str) -> None:
    rng = np.random.default_rng(4)
    day = np.minimum(28.0, np.ceil(rng.exponential(60, 80)))
    event = np.where(day < 28, "death", "last_contact")
    assert told(cohort_of(80, {}, day if times == "days" else np.round(day, 2), event)) == []


@pytest.mark.requirement("R-009")
def test_many_people_alike_in_a_sparse_registry_are_no_duplicates() -> None:
    rng = np.random.default_rng(5)
    sparse = {"stage": rng.integers(1, 4, 400).astype(float), "smoker": rng.integers(0, 2, 400)}
    assert told(cohort_of(400, sparse, rng.integers(1, 2000, 400))) == []


@pytest.mark.requirement("R-009")
def test_pairs_that_agree_in_six_fine_measurements_are_one_person() -> None:
    # A value of two of 200 patients has the evidence 0.8 log 100 = 3.7, other days of death -2.3.
    # Three make 8.7 and six 19.8; the bar is log(200 * 199 / 2 / 1e-4) = 19.1.
    rng = np.random.default_rng(6)
    fine = {f"x{k}": rng.permutation(200) * 1.0 for k in range(6)}
    for values in fine.values():
        values[1] = values[0]
    days = rng.permutation(np.arange(500, 700))
    assert told(cohort_of(200, dict(list(fine.items())[:3]), days)) == []
    assert told(cohort_of(200, fine, days)) == [("one person twice", "patient_id")]


@pytest.mark.parametrize(
    ("one", "other", "is_told"),
    [
        ("relapse", "relaps", True),
        ("relapse", "Relapse", True),
        ("relapse", "realpse", True),
        ("relapse_1", "relapse_2", False),
        ("stage_ii", "stage_iii", False),
        ("acute_gvhd", "chronic_gvhd", False),
        ("hypotension", "hypertension", False),
        ("complete_remission", "complete_remission_i", False),
    ],
)
def test_a_slip_in_a_name_is_told_and_names_that_differ_are_not(
    one: str, other: str, is_told: bool
) -> None:
    ids = [f"SECRET-{k}" for k in range(20)]
    more = DataFrame({"patient_id": ids, "day": 50.0, "event": [one] * 15 + [other] * 5})
    cohort = cohort_of(20, {}, 400 + np.arange(20), more_events=more)
    assert (("spelling", "event") in told(cohort)) == is_told


# --- what is shown -------------------------------------------------------------------------


def finding(n: int, of: int, centre: str | None = None) -> Finding:
    return Finding(
        detector="time unit", table="events", column="day", what="w", why="y", remedy="R.",
        n_rows=3 * n, n_patients=n, of_patients=of, centre=centre,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n", "of", "shown"),
    [
        (3, 100, ("<5", "<5")),
        (97, 100, ("hidden", "hidden")),
        (40, 100, ("40", "120")),
    ],
)
def test_small_counts_of_findings_are_not_shown(n: int, of: int, shown: tuple[str, str]) -> None:
    centres = Series(["big"] * 90 + ["small"] * 10)
    table = findings_table([finding(n, of)], centres)
    assert tuple(table.loc[0, ["patients", "rows"]]) == shown


def test_nothing_is_counted_in_a_centre_whose_size_is_not_shown() -> None:
    centres = Series(["big"] * 90 + ["small"] * 3 + ["next"] * 7)
    table = findings_table([finding(7, 7, "next"), finding(90, 90, "big")], centres)
    assert table["patients"].tolist() == ["hidden", "90"]


def test_reports_name_no_patient_and_the_local_list_names_every_suspect_row() -> None:
    days = np.full(12, 500.0)
    days[[2, 7]] = 43_831.0
    cohort = cohort_of(12, {}, days)
    report = cohort.quality()
    shown = "".join(
        [*report.flags, report._repr_html_(), report.tables["findings"].to_csv(), repr(report)]
    )
    assert "SECRET" not in shown
    assert "Rows: fewer than 5." in report.flags[0]
    listed = cohort.suspects()
    assert listed["patient_id"].tolist() == ["SECRET-2", "SECRET-7"]
    assert listed["row"].tolist() == [4, 9]  # of a file: the header is row 1
    assert set(listed["detector"]) == {"dates as days"}


# --- hostile values and time ---------------------------------------------------------------

HOSTILE: dict[str, Callable[[], Cohort]] = {
    "one patient": lambda: cohort_of(1, {}, 0.0, "last_contact"),
    "a constant column": lambda: cohort_of(30, {"c": 1.0}, 5.0),
    "nothing known": lambda: cohort_of(30, {"c": np.nan}, 5.0),
    "one value known": lambda: cohort_of(30, {"c": [1.0] + [np.nan] * 29}, 5.0),
    "all leave at once": lambda: cohort_of(30, {"c": np.arange(30.0)}, 0.0, "last_contact"),
    "huge and tiny": lambda: cohort_of(30, {"c": [1e300, 1e-300] * 15}, np.arange(1.0, 31.0)),
    "everybody the same": lambda: cohort_of(300, {"c": 2.0, "d": 3.0}, 7.0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables_raise_nothing_and_accuse_nobody(name: str) -> None:
    assert told(HOSTILE[name]()) == []


@pytest.mark.slow
def test_twenty_thousand_patients_take_less_than_ten_seconds() -> None:
    cohort, _ = simulate_registry(seed=1, n_patients=20_000)
    started_at = time.process_time()
    assert findings_of(cohort) == ()
    assert time.process_time() - started_at < 10
