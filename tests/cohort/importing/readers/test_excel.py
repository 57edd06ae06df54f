"""Workbooks: saved values alone; dates, zeros of identifiers, errors and formulas."""

from __future__ import annotations

import io
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.errors import CohortError

openpyxl = pytest.importorskip("openpyxl")

MAPPING = """\
schema: twinbayes/mapping/v1
name: sheet
simulated: true
dates: "%d/%m/%Y"
tables:
  patients:
    table: People
    origin: diagnosed
    columns: {patient_id: id, subgroup: {constant: all}, centre: {constant: all}, wbc: wbc}
  events:
    table: People
    columns: {patient_id: id}
    closing: {last_contact: seen}
variables:
  wbc: {table: patients, group: clinical, min: 0}
"""


@pytest.fixture
def book() -> Any:
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.title = "People"
    sheet.append(["id", "diagnosed", "seen", "wbc"])
    for k in range(1, 4):
        sheet.append([k, datetime(2020, 1, k), f"0{k}/02/2020", 1.5 * k])
        sheet.cell(k + 1, 1).number_format = "00000"
    return made


def imported(book: Any, folder: Path, name: str = "book.xlsx") -> tb.Cohort:
    book.save(folder / name)
    (folder / "map.yaml").write_text(MAPPING)
    return tb.import_cohort(folder / name, folder / "map.yaml", tell=None)


def faults_of(book: Any, folder: Path) -> Any:
    with pytest.raises(CohortError) as caught:
        imported(book, folder)
    assert caught.value.faults is not None
    return caught.value.faults


def test_dates_are_dates_text_is_read_by_its_format_and_zeros_stay(
    book: Any, tmp_path: Path
) -> None:
    cohort = imported(book, tmp_path)
    assert cohort.patient_ids == ("00001", "00002", "00003")
    assert list(cohort.events["day"]) == [31.0, 31.0, 31.0]
    assert list(cohort.patients["wbc"]) == [1.5, 3.0, 4.5]


def test_rows_above_the_header_and_blank_rows_between_are_no_patients(
    book: Any, tmp_path: Path
) -> None:
    sheet = book["People"]
    sheet.insert_rows(1, 2)
    sheet.insert_rows(5)
    sheet.cell(400, 1).value = " "
    cohort = imported(book, tmp_path)
    assert cohort.n_patients == 3
    assert list(cohort.excluded["row"]) == [5]
    assert list(cohort.excluded["rule"]) == ["blank-row"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        (4, "=1/0", "formula-unsaved"),
        (4, "#DIV/0!", "excel-error"),
        (4, datetime(2020, 5, 5), "calendar-date"),
        (4, "viel", "not-a-number"),
        (4, True, "not-a-number"),
        (1, datetime(1960, 5, 5), "calendar-date"),
        (1, None, "blank"),
        (2, "in 2020", "not-a-date"),
        (2, 43831, "not-a-date"),
        (3, datetime(2019, 1, 1), "before-origin"),
        (7, "beyond", "source-row-length"),
    ],
)
def test_a_bad_cell_is_told_by_sheet_and_row(
    book: Any, tmp_path: Path, column: int, value: Any, rule: str
) -> None:
    cell = book["People"].cell(3, column)
    cell.number_format = "General"
    cell.value = value
    faults = faults_of(book, tmp_path)
    assert set(faults["table"]) == {"People"}
    found = faults[faults["rule"] == rule]
    assert list(found["row"]) == [3]


def test_what_is_no_workbook_is_refused(book: Any, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAPPING)
    book.save(tmp_path / "good.xlsx")
    content = (tmp_path / "good.xlsx").read_bytes()
    entity = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(entity, "w") as new:
        for part in old.infolist():
            data = old.read(part)
            new.writestr(part, b"<!DOCTYPE x>" + data if part.filename.endswith(".xml") else data)
    for bad in (b"", b"PK", content[:-40], content[:200], b"id;x\n1;2\n", entity.getvalue()):
        (tmp_path / "book.xlsx").write_bytes(bad)
        with pytest.raises(CohortError) as caught:
            tb.import_cohort(tmp_path / "book.xlsx", tmp_path / "map.yaml", tell=None)
        assert list(caught.value.faults["rule"]) == ["source-unreadable"]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAPPING)
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (300 << 20))
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(tmp_path / "book.xlsx", tmp_path / "map.yaml", tell=None)
    assert list(caught.value.faults["rule"]) == ["source-too-large"]


def test_without_the_package_the_remedy_is_named(
    book: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.save(tmp_path / "book.xlsx")
    (tmp_path / "map.yaml").write_text(MAPPING)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(CohortError, match=r"twinbayes\[excel\]"):
        tb.import_cohort(tmp_path / "book.xlsx", tmp_path / "map.yaml", tell=None)
