"""The cohort as a value: selecting, cutting at a day, covariates, fingerprint."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import CohortError, OptionError


def test_subgroups_and_centres_come_largest_first(cohort: Cohort) -> None:
    assert cohort.subgroups == ("npm1", "inv16", "t6_9")
    assert cohort.centres == ("north", "south")
    assert cohort.n_patients == 12


def test_a_cohort_cannot_be_reassigned(cohort: Cohort) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        cohort.name = "other"  # type: ignore[misc]


def test_its_name_in_print_says_whether_it_is_simulated(cohort: Cohort) -> None:
    assert "simulated" in repr(cohort)
    assert "real" in repr(dataclasses.replace(cohort, simulated=False))
    assert "SECRET" not in repr(cohort)


def test_covariates_are_the_declared_ones_in_the_order_of_the_dictionary(cohort: Cohort) -> None:
    covariates = cohort.covariates()
    assert list(covariates.columns) == ["age_years", "sex", "wbc", "stage", "NPM1", "TP53"]
    assert list(covariates.index) == list(cohort.patient_ids)
    assert covariates["TP53"].iloc[1] == 0.31
    assert covariates["stage"].isna().sum() == 4
    assert covariates.dtypes["wbc"] == np.float64


@pytest.mark.requirement("R-005")
def test_a_patient_without_a_genomics_row_has_unknown_lesions(tables: dict[str, DataFrame]) -> None:
    tables["genomics"] = tables["genomics"].iloc[1:]
    cohort = cohort_from_tables("small", tables)
    assert cohort.genomics is not None
    assert cohort.genomics["patient_id"].tolist() == list(cohort.patient_ids)
    assert cohort.covariates()[["NPM1", "TP53"]].iloc[0].isna().all()


def test_frames_are_ordered_by_patient_then_day_with_the_terminal_event_last(
    tables: dict[str, DataFrame],
) -> None:
    same_day = DataFrame(
        {"patient_id": ["SECRET-000"], "day": [400.0], "event": ["second_relapse"]}
    )
    tables["events"] = pd.concat([tables["events"].iloc[::-1], same_day], ignore_index=True)
    events = cohort_from_tables("small", tables).events
    assert events["patient_id"].tolist() == sorted(events["patient_id"])
    for _, own in events.groupby("patient_id"):
        assert all(a <= b for a, b in pairwise(own["day"]))
        assert own["event"].iloc[-1] in ("death", "last_contact")
    assert events["event"].iloc[2] == "second_relapse"


def test_selecting_keeps_the_order_asked_for_in_every_table(cohort: Cohort) -> None:
    wanted = [cohort.patient_ids[i] for i in (7, 0, 3)]
    chosen = cohort.select(wanted)
    assert chosen.patient_ids == tuple(wanted)
    for name, frame in chosen.tables.items():
        if name != "variables":
            assert list(dict.fromkeys(frame["patient_id"])) == wanted
    assert chosen.fingerprint != cohort.fingerprint
    assert chosen.fingerprint == cohort.select(wanted[::-1]).fingerprint


def test_selecting_an_unknown_or_repeated_patient_is_refused_without_naming_them(
    cohort: Cohort,
) -> None:
    for asked in (["SECRET-999"], [cohort.patient_ids[0]] * 2):
        with pytest.raises(CohortError) as caught:
            cohort.select(asked)
        assert "SECRET" not in str(caught.value)


def test_until_leaves_what_was_known_on_that_day(cohort: Cohort) -> None:
    known = cohort.select(cohort.patient_ids[:2]).until(100.0)
    assert known.events.to_numpy().tolist() == [
        ["SECRET-000", 30.0, "complete_remission"],
        ["SECRET-000", 100.0, "last_contact"],
        ["SECRET-001", 31.0, "complete_remission"],
        ["SECRET-001", 100.0, "last_contact"],
    ]
    assert known.visits is not None
    assert known.visits["day"].tolist() == [0.0, 0.0, 100.0, 100.0] * 2
    assert known.treatments is not None
    assert known.treatments["start_day"].tolist() == [90.0, 91.0]
    # The second patient's treatment stopped on day 150: on day 100 it was running.
    assert known.treatments["stop_day"].isna().all()


def test_until_keeps_a_death_and_an_earlier_last_contact(cohort: Cohort) -> None:
    late = cohort.until(9999.0)
    assert late.fingerprint == cohort.fingerprint


def test_until_takes_a_day_for_each_patient(cohort: Cohort) -> None:
    days = {patient: 10.0 * i for i, patient in enumerate(cohort.patient_ids)}
    last = cohort.until(days).events.drop_duplicates("patient_id", keep="last")
    assert last["day"].tolist() == list(days.values())
    with pytest.raises(CohortError, match="for 1 of 12"):
        cohort.until({p: d for p, d in days.items() if d})
    with pytest.raises(CohortError, match="for 12 of 12"):
        cohort.until(-1.0)
    with pytest.raises(CohortError, match="for 12 of 12"):
        cohort.until(float("nan"))


@settings(max_examples=10, deadline=None)
@given(day=st.floats(0, 500), later=st.floats(0, 500))
def test_nothing_after_the_day_can_change_what_was_known(day: float, later: float) -> None:
    tables = _tables()
    known = cohort_from_tables("small", tables).until(day)
    events = tables["events"]
    moved = events["day"] > day
    shift = np.where(moved, later, 0.0)
    tables["events"] = events.assign(day=events["day"] + shift)
    visits = tables["visits"]
    tables["visits"] = visits.assign(value=visits["value"].mask(visits["day"] > day, 0.5))
    assert cohort_from_tables("small", tables).until(day).fingerprint == known.fingerprint


@pytest.mark.requirement("R-004")
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_fingerprint_ignores_the_order_of_rows_and_columns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = _tables()
    shuffled = {
        name: frame.iloc[rng.permutation(len(frame))][list(rng.permutation(frame.columns))]
        for name, frame in tables.items()
    }
    plain = cohort_from_tables("small", tables)
    assert cohort_from_tables("other name", shuffled).fingerprint == plain.fingerprint


@pytest.mark.requirement("R-004")
@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("patients", "wbc", 1.5000000000000002),
        ("patients", "subgroup", "t6_9"),
        ("genomics", "TP53", 0.3),
        ("visits", "censored", "right"),
        ("events", "day", 30.5),
        ("treatments", "dose", 2.25),
        ("variables", "group", "other"),
    ],
)
def test_the_fingerprint_changes_with_any_value(
    cohort: Cohort, tables: dict[str, DataFrame], table: str, column: str, value: object
) -> None:
    tables[table].loc[0, column] = value
    changed = cohort_from_tables("small", tables, simulated=True)
    assert changed.fingerprint != cohort.fingerprint


def test_the_fingerprint_tells_simulated_from_real(cohort: Cohort) -> None:
    assert dataclasses.replace(cohort, simulated=False).fingerprint != cohort.fingerprint


def test_an_unknown_table_or_a_missing_one_is_refused(tables: dict[str, DataFrame]) -> None:
    with pytest.raises(OptionError, match="'visits'"):
        cohort_from_tables("small", tables | {"labs": tables["visits"]})
    del tables["events"]
    with pytest.raises(CohortError, match="table-missing"):
        cohort_from_tables("small", tables)


def _tables() -> dict[str, DataFrame]:
    # Not the fixture: hypothesis runs many examples within one call of a fixture.
    ids = [f"SECRET-{i:03d}" for i in range(4)]
    return {
        "patients": DataFrame(
            {"patient_id": ids, "subgroup": list("aabb"), "centre": list("xyxy"), "wbc": 1.5}
        ),
        "events": DataFrame(
            [
                row
                for i, p in enumerate(ids)
                for row in ((p, 50.0 * i, "remission"), (p, 200.0 + 50 * i, "death"))
            ],
            columns=["patient_id", "day", "event"],
        ),
        "visits": DataFrame(
            [(p, d, "mrd", d / 200, "none") for p in ids for d in (0.0, 60.0, 120.0, 180.0)],
            columns=["patient_id", "day", "marker", "value", "censored"],
        ),
        "variables": DataFrame(
            [("wbc", "patients", "covariate", "clinical"), ("mrd", "visits", "marker", None)],
            columns=["name", "table", "role", "group"],
        ),
    }


def test_covariates_are_made_once_for_the_same_frames_and_anew_for_others(cohort: Cohort) -> None:
    first = cohort.covariates()
    assert cohort.until(1.0).covariate_cache is cohort.covariate_cache
    chosen = cohort.select(cohort.patient_ids[:2])
    assert chosen.covariate_cache is not cohort.covariate_cache
    assert list(chosen.covariates().index) == list(cohort.patient_ids[:2])
    older = cohort.patients.assign(age_years=cohort.patients["age_years"] + 1.0)
    changed = dataclasses.replace(cohort, patients=older).covariates()
    assert (changed["age_years"] - first["age_years"]).dropna().eq(1.0).all()
    pd.testing.assert_frame_equal(cohort.covariates(), first)
