"""What spreadsheets do to identifiers and dates is named as the cause of a fault."""

from __future__ import annotations

import pytest
from pandas import DataFrame

from twinbayes.cohort import cohort_from_tables
from twinbayes.errors import CohortError

IDS = ["0071", "0072", "0730"]


def tables() -> dict[str, DataFrame]:
    return {
        "patients": DataFrame({"patient_id": IDS, "subgroup": "a", "centre": "x"}),
        "events": DataFrame({"patient_id": IDS, "day": [90.0, 80.0, 70.0], "event": "death"}),
        "visits": DataFrame(
            {"patient_id": IDS, "day": 1.0, "marker": "load", "value": 1.0, "censored": "none"}
        ),
        "variables": DataFrame([{"name": "load", "table": "visits", "role": "marker"}]),
    }


def refused(given: dict[str, DataFrame]) -> tuple[str, DataFrame]:
    with pytest.raises(CohortError) as caught:
        cohort_from_tables("slips", given)
    assert not any(one in str(caught.value) for one in (*IDS, "71", "730"))
    return str(caught.value), caught.value.faults


@pytest.mark.parametrize("spelt", [["71", "72", "730"], ["71.0", "72.0", "730.0"]])
@pytest.mark.parametrize("table", ["visits", "events", "patients"])
def test_zeros_that_one_table_has_lost_are_named_and_no_identifier_is(
    table: str, spelt: list[str]
) -> None:
    given = tables()
    given[table] = given[table].assign(patient_id=spelt)
    message, faults = refused(given)
    unknown = faults[faults["rule"] == "unknown-patient"]
    assert len(unknown) == (6 if table == "patients" else 3)
    assert unknown["problem"].str.contains("zeros in front of numbers").all()
    assert "Store the column as text" in message


def test_a_patient_whom_nobody_knows_is_not_said_to_lack_zeros() -> None:
    given = tables()
    given["visits"] = given["visits"].assign(patient_id=["0071", "0072", "731"])
    _, faults = refused(given)
    (problem,) = faults["problem"]
    assert problem == "the patient is not in the patients table"


@pytest.mark.parametrize(
    ("day", "like"),
    [
        (43_831.0, "serial numbers of dates"),
        (20_200_101.0, "dates written as eight digits"),
        (1.5e9, "dates or times as numbers"),
    ],
)
def test_a_date_after_the_end_of_a_record_is_named_as_one(day: float, like: str) -> None:
    given = tables()
    given["visits"] = given["visits"].assign(day=[1.0, day, 75.0])
    message, faults = refused(given)
    assert faults["rule"].tolist() == ["after-terminal", "after-terminal"]
    assert faults["problem"].str.contains(like).tolist() == [False, True]
    assert like in message


def test_dates_of_records_that_end_in_dates_are_read() -> None:
    given = tables()
    given["events"] = given["events"].assign(day=[43_831.0, 80.0, 70.0])
    assert cohort_from_tables("slips", given).quality().flags[0].startswith("events.day: dates")
