"""Refused imports: each fault at its place with rule and remedy, and no patient in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pandas import DataFrame

import twinbayes as tb
from standard_formats import Written
from twinbayes.errors import CohortError

DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{4}-\d{2}-\d{2}")

type Change = Callable[[Written], None]
#: What is changed, and the fault that follows: rule, table, row, column.
type Case = tuple[Change, str, str, int | None, str | None]


def refused(source: str | Path, mapping: Path, private: Collection[str]) -> DataFrame:
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


def alternating(cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Cases by their names, every other one of them with the slow tests."""
    return [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] if k % 2 else [])
        for k, (name, *case) in enumerate(cases)
    ]


@dataclass(frozen=True)
class CellChange:
    """One cell overwritten; rows count the header as 1."""

    table: str
    column: str
    value: object
    row: int = 4

    def __call__(self, written: Written) -> None:
        frame = written.tables[self.table].copy()
        frame[self.column] = frame[self.column].astype(object)
        frame.loc[self.row - 2, self.column] = self.value
        written.tables[self.table] = frame


def cell(table: str, column: str, value: object, row: int = 4) -> CellChange:
    """Overwrite one cell."""
    return CellChange(table, column, value, row)


def one_a_row(cases: Mapping[str, Case], first: Mapping[str, int], written: Written) -> list[Case]:
    """Apply changes of cells, each in a row of its own from the first of its table on."""
    free = dict(first)
    out = []
    for change, rule, table, row, column in cases.values():
        assert isinstance(change, CellChange)
        own = free.get(change.table, 3)
        free[change.table] = own + 1
        replace(change, row=own)(written)
        out.append((change, rule, table, None if row is None else own, column))
    return out


def cells_of(cases: Mapping[str, Case], alone: Collection[str]) -> dict[str, Case]:
    """Cases that overwrite a cell, but for those that hide others."""
    return {
        name: case
        for name, case in cases.items()
        if isinstance(case[0], CellChange) and name not in alone
    }


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
