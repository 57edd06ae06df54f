"""Refused imports: each fault at its place with rule and remedy, and no patient in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pandas import DataFrame
from standard_formats import Written

import twinbayes as tb
from twinbayes.errors import CohortError

DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{4}-\d{2}-\d{2}")

type Change = Callable[[Written], None]


def refused(source: str | Path, mapping: Path, private: list[str]) -> DataFrame:
    """The faults of a refusal, which names no patient and no date."""
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(source, mapping, tell=None)
    faults = caught.value.faults
    assert faults is not None, str(caught.value)
    said = f"{caught.value}\n{faults.to_csv()}"
    assert not [one for one in private if one in said]
    assert not DATE.search(said)
    assert faults["remedy"].str.len().gt(10).all()
    return faults


def holds(faults: DataFrame, rule: str, table: str, row: int | None, column: str | None) -> None:
    """Assert that a fault is there, at its table, row and column."""
    found = faults[(faults["rule"] == rule) & (faults["table"] == table)]
    assert len(found), faults.to_string()
    if row is not None:
        assert row in list(found["row"])
    if column is not None:
        assert column in set(found["column"])


def cell(table: str, column: str, value: object, row: int = 4) -> Change:
    """Overwrite one cell; rows count the header as 1."""

    def change(written: Written) -> None:
        frame = written.tables[table].copy()
        frame[column] = frame[column].astype(object)
        frame.loc[row - 2, column] = value
        written.tables[table] = frame

    return change


def renamed(table: str, old: str, new: str) -> Change:
    def change(written: Written) -> None:
        written.tables[table] = written.tables[table].rename(columns={old: new})

    return change


def twice(table: str, **other: object) -> Change:
    """Repeat row 4 below the last, with other cells."""

    def change(written: Written) -> None:
        frame = written.tables[table].copy()
        frame.loc[len(frame)] = {**frame.loc[2].to_dict(), **other}
        written.tables[table] = frame

    return change


def without(table: str) -> Change:
    def change(written: Written) -> None:
        del written.tables[table]

    return change
