"""Cells: numbers, limits and dates by hand, and in linear time."""

from __future__ import annotations

import time
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinbayes.cohort.importing.cells.dates import (
    days_between,
    is_date_format,
    looks_like_date,
    moment,
)
from twinbayes.cohort.importing.cells.values import Measured, measured, number, spelt


@pytest.mark.parametrize(
    ("text", "mark", "value"),
    [
        ("1,5", ",", 1.5),
        ("-0,25", ",", -0.25),
        ("1e3", ".", 1000.0),
        (".5", ".", 0.5),
        ("5.", ".", 5.0),
        ("1.5", ",", None),
        ("1,5", ".", None),
        ("1.234,5", ",", None),
        ("1 000", ".", None),
        ("nan", ".", None),
        ("inf", ".", None),
        ("1_000", ".", None),
        ("٣", ".", None),
        ("0x10", ".", None),
        ("", ".", None),
    ],
)
def test_numbers_have_the_declared_mark_and_none_for_thousands(
    text: str, mark: str, value: float | None
) -> None:
    assert number(text, mark) == value


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("<0.01", Measured(0.01, "left")),
        ("< 5", Measured(5.0, "left")),
        ("<=5", Measured(5.0, "left")),
        ("≤5", Measured(5.0, "left")),
        (">200", Measured(200.0, "right")),
        ("≥ 200", Measured(200.0, "right")),
        ("7", Measured(7.0, "none")),
        ("<", None),
        ("<>5", None),
        ("≤=5", None),
        ("5<", None),
        ("<<5", None),
    ],
)
def test_limits_are_values_with_a_side(text: str, limit: Measured | None) -> None:
    assert measured(text, ".") == limit


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_what_python_spells_is_read_to_the_last_digit(value: float) -> None:
    assert number(repr(value).replace(".", ","), ",") == value


@given(st.text())
def test_any_text_is_a_number_a_limit_or_neither(text: str) -> None:
    for mark in ".,":
        found = measured(text, mark)
        assert found is None or found.number == found.number
    looks_like_date(text)
    assert moment(text, "%d/%m/%Y") is None or looks_like_date(text)


@pytest.mark.parametrize("part", ["9", "<", " ", "1/", "12-", "e", "0.", "19", "{"])
def test_a_long_cell_takes_no_longer_than_its_length(part: str) -> None:
    text = part * 20_000
    began = time.process_time()
    number(text, ".")
    measured("<" + text, ",")
    looks_like_date(text)
    moment(text, "%d/%m/%Y")
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y-%m-%d", "%d.%m.%y %H:%M", "days"])
def test_formats_without_a_place_are_allowed(form: str) -> None:
    assert is_date_format(form)


@pytest.mark.parametrize(
    "form",
    ["", "%d/%m", "%d %b %Y", "%d/%m/%Y %Z", "%Y%y%m%d", "%d%d%m%Y", "%", "%x", "dd/mm/yyyy"],
)
def test_formats_that_miss_something_or_depend_on_a_place_are_refused(form: str) -> None:
    assert not is_date_format(form)


def test_days_between_are_exact_and_leap_years_count() -> None:
    start, end = moment("28/02/2020", "%d/%m/%Y"), moment("01/03/2020", "%d/%m/%Y")
    assert start is not None
    assert end is not None
    assert days_between(start, end) == 2.0
    assert moment(date(2020, 2, 28), "%d/%m/%Y") == start
    assert moment(datetime(2020, 2, 28, 12), "%Y-%m-%d") == start + 43_200


@pytest.mark.parametrize(
    ("text", "is_date"),
    [
        ("01/02/2003", True),
        ("dal 2003-01-02 in poi", True),
        ("1.2.2003", True),
        ("1985-1989", False),
        ("20-40-60", False),
        ("2019-04-00123", False),
        ("t(9;22)", False),
    ],
)
def test_text_with_a_calendar_date_is_told(text: str, is_date: bool) -> None:
    assert looks_like_date(text) is is_date


@pytest.mark.parametrize(
    ("cell", "text"),
    [(7, "7"), (7.0, "7"), (7.5, "7.5"), (True, "true"), (" a ", "a"), ("  ", None),
     (float("nan"), None), (None, None), ("007", "007")],
)  # fmt: skip
def test_cells_are_spelt_as_people_see_them(cell: object, text: str | None) -> None:
    assert spelt(cell) == text
