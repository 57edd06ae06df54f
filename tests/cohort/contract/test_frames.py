"""Frames are held to the rules of files: odd cells, odd types and odd headers are faults."""

from __future__ import annotations

import datetime
import decimal
import fractions
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame

from twinbayes.cohort import Cohort, cohort_from_tables
from twinbayes.errors import CohortError

ODD: dict[str, tuple[Any, str, str]] = {
    # cell: rule among numbers, rule among text ("" where it is read)
    "a NaN": (float("nan"), "", "blank"),
    "a missing value of pandas": (pd.NA, "", "blank"),
    "a missing date": (pd.NaT, "", "blank"),
    "an infinite number": (float("inf"), "not-finite", "not-text"),
    "an infinite decimal": (decimal.Decimal("-Infinity"), "not-finite", "not-text"),
    "a decimal": (decimal.Decimal("3.5"), "", "not-text"),
    "a signalling NaN": (decimal.Decimal("sNaN"), "not-a-cell", "not-a-cell"),
    "a half-precision number": (np.float16(3), "", "not-text"),
    "a numpy text": (np.str_("3"), "", ""),
    "a truth": (True, "not-a-number", ""),
    "a complex number": (1 + 2j, "not-a-cell", "not-a-cell"),
    "bytes": (b"3", "not-a-cell", "not-a-cell"),
    "a list": ([3], "not-a-cell", "not-a-cell"),
    "a dictionary": ({}, "not-a-cell", "not-a-cell"),
    "a tuple": ((3,), "not-a-cell", "not-a-cell"),
    "an array": (np.array([1, 2]), "not-a-cell", "not-a-cell"),
    "a fraction": (fractions.Fraction(1, 3), "not-a-cell", "not-a-cell"),
    "a duration": (pd.Timedelta(days=3), "not-a-cell", "not-a-cell"),
    "a period": (pd.Period("2020"), "not-a-cell", "not-a-cell"),
    "a day": (datetime.date(2020, 3, 1), "calendar-date", "calendar-date"),
    "a time": (pd.Timestamp("2020-03-01"), "calendar-date", "calendar-date"),
    "an integer of 5,000 digits": (10**5000, "not-a-cell", "not-a-cell"),
    "half of a surrogate pair": ("\ud800", "not-a-cell", "not-a-cell"),
    "a NUL": ("3\0", "not-a-number", "padded"),
    "20,000 digits": ("9" * 20_000 + "x", "not-a-number", "too-long"),
    "an object": (object(), "not-a-cell", "not-a-cell"),
}


_NO_HANG = 5.0  # CPU seconds, of which a busy machine's other threads may take some


def filled(frame: DataFrame, column: str, value: object) -> DataFrame:
    cells = np.array(frame[column], dtype=object)
    cells[3] = value
    return frame.assign(**{column: pd.Series(cells, dtype=object)})


def faults_of(tables: dict[str, DataFrame]) -> DataFrame | Cohort:
    begun = time.process_time()
    try:
        return cohort_from_tables("odd", tables)
    except CohortError as error:
        refused = error
    assert time.process_time() - begun < _NO_HANG
    assert refused.faults is not None
    assert "SECRET" not in str(refused)
    return refused.faults


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize(("table", "column"), [("patients", "wbc"), ("patients", "centre")])
def test_odd_cells_are_read_or_refused_in_their_place(
    tables: dict[str, DataFrame], what: str, table: str, column: str
) -> None:
    value, of_number, of_text = ODD[what]
    rule = of_number if column == "wbc" else of_text
    found = faults_of(tables | {table: filled(tables[table], column, value)})
    if not rule:
        assert isinstance(found, Cohort)
        return
    assert isinstance(found, DataFrame)
    (fault,) = found[found["rule"] == rule].to_dict("records")
    assert (fault["table"], fault["row"], fault["column"]) == (table, 5, column)


@pytest.mark.parametrize(
    "kind", ["Int64", "Float64", "category", "string", "Sparse[float]", "int8"]
)
def test_columns_of_other_types_are_the_same_numbers(
    tables: dict[str, DataFrame], kind: str
) -> None:
    whole = tables | {"patients": tables["patients"].assign(wbc=range(1, 13))}
    wanted = cohort_from_tables("plain", whole).fingerprint
    other = whole["patients"].astype({"wbc": kind})
    assert cohort_from_tables("typed", whole | {"patients": other}).fingerprint == wanted


@pytest.mark.parametrize("kind", ["complex128", "timedelta64[ns]", "datetime64[ns]"])
def test_columns_that_are_no_numbers_are_refused_throughout(
    tables: dict[str, DataFrame], kind: str
) -> None:
    odd = tables["patients"].assign(wbc=pd.Series(range(1, 13)).astype(kind))
    found = faults_of(tables | {"patients": odd})
    assert isinstance(found, DataFrame)
    rule = "calendar-date" if kind.startswith("datetime") else "not-a-cell"
    assert list(found["rule"]) == [rule] * 12


def test_what_is_no_frame_is_a_fault_and_so_is_a_column_twice(
    tables: dict[str, DataFrame],
) -> None:
    for wrong in (None, {"patient_id": ["a"]}, [1], tables["patients"]["centre"]):
        found = faults_of(tables | {"patients": wrong})  # type: ignore[dict-item]
        assert isinstance(found, DataFrame)
        assert ("patients", "not-a-table") in set(zip(found["table"], found["rule"], strict=True))
    twice = pd.concat([tables["patients"], tables["patients"][["wbc"]]], axis=1)
    found = faults_of(tables | {"patients": twice})
    assert isinstance(found, DataFrame)
    assert list(found["rule"]) == ["column-twice"]


def test_blank_rows_of_frames_are_listed_as_those_of_files(tables: dict[str, DataFrame]) -> None:
    blank = DataFrame([[None, "", pd.NA]], columns=tables["events"].columns, dtype=object)
    longer = pd.concat([tables["events"].astype(object), blank], ignore_index=True)
    cohort = cohort_from_tables("blank", tables | {"events": longer})
    assert cohort.excluded.to_dict("records") == [
        {"table": "events", "row": 38, "rule": "blank-row", "reason": "every cell is blank"}
    ]
    assert len(cohort.events) == 36


def test_columns_that_nobody_declared_are_told_by_place_and_slips_by_name(
    tables: dict[str, DataFrame],
) -> None:
    odd = tables["patients"].rename(columns={"centre": "Center"}).assign(Hildegard_Mustermann=1)
    with pytest.raises(CohortError) as caught:
        cohort_from_tables("odd", tables | {"patients": odd})
    message = str(caught.value)
    assert "column 'Center': column-unknown" in message
    assert "may be meant for 'centre'" in message
    assert "column 8 of the table is not declared" in message
    assert "Hildegard" not in message + caught.value.faults.to_csv()  # type: ignore[union-attr]


def test_a_header_of_100_000_columns_is_one_fault_within_five_seconds(
    tables: dict[str, DataFrame],
) -> None:
    many = DataFrame(0, index=range(12), columns=[f"SECRET-{k}" for k in range(100_000)])
    begun = time.process_time()
    with pytest.raises(CohortError, match="100000 columns, in places 8, 9, 10, 11, 12, …") as e:
        cohort_from_tables("wide", tables | {"patients": tables["patients"].join(many)})
    assert time.process_time() - begun < 5.0
    assert "SECRET" not in str(e.value)


def test_headers_that_are_no_text_are_columns_like_any_other(tables: dict[str, DataFrame]) -> None:
    patients = tables["patients"]
    for header in (
        range(patients.shape[1]),
        pd.MultiIndex.from_tuples([(c, "x") for c in patients.columns]),
        pd.Index([*patients.columns[:-1], "\ud800"], dtype=object),
        pd.Index([*patients.columns[:-1], None], dtype=object),
    ):
        found = faults_of(tables | {"patients": patients.set_axis(header, axis=1)})
        assert isinstance(found, DataFrame)
        assert {"column-unknown", "variable-without-column"} <= set(found["rule"])
