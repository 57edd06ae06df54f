"""Corrupted ADaM data sets: each refused with table, row, rule and remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pandas import DataFrame

import adam_files
from refusals import (
    Case,
    cell,
    cells_of,
    holds,
    one_a_row,
    refused,
    renamed,
    twice,
    without,
)
from standard_formats import Written
from twinbayes.cohort import Cohort

CELLS: dict[str, Case] = {
    "origin-blank": (cell("adsl", "DIAGDTM", ""), "origin-blank", "adsl", 4, "DIAGDTM"),
    "origin-form": (cell("adsl", "DIAGDTM", "03NOV1998"), "not-a-date", "adsl", 4, "DIAGDTM"),
    "sex": (cell("adsl", "SEX", "X"), "value-unmapped", "adsl", 4, "SEX"),
    "site": (cell("adsl", "SITEID", "99"), "value-unmapped", "adsl", 4, "SITEID"),
    "disease": (cell("adsl", "DIAG", ""), "blank", "adsl", 4, "DIAG"),
    "disease-date": (cell("adsl", "DIAG", "2001-02-03"), "calendar-date", "adsl", 4, "DIAG"),
    "subject": (cell("adsl", "USUBJID", ""), "blank", "adsl", 4, "USUBJID"),
    "subject-twice": (twice("adsl"), "duplicate-patient", "adsl", 14, "USUBJID"),
    "age-word": (cell("adsl", "AGE", ">=65"), "limit-misplaced", "adsl", 4, "AGE"),
    "age-old": (cell("adsl", "AGE", 140), "above-maximum", "adsl", 4, "AGE"),
    "covariate": (cell("adsl", "COV01", "1,5"), "not-a-number", "adsl", 4, "COV01"),
    "long-cell": (cell("adsl", "DIAG", "x" * 20_000), "too-long", "adsl", 4, "DIAG"),
    "giant-cell": (cell("adsl", "DIAG", "x" * 200_000), "source-unreadable", "adsl.csv", 4, None),
    "unknown-event": (cell("adtte", "PARAMCD", "XX", 14), "value-unmapped", "adtte", 14, "PARAMCD"),
    "event-early": (cell("adtte", "ADTM", "1980-01-01 00:00:00"), "before-origin", "adtte", 4,
                    "ADTM"),
    "event-undated": (cell("adtte", "ADTM", ""), "blank", "adtte", 4, "ADTM"),
    "two-ends": (twice("adtte", CNSR=1), "two-terminals", "adtte", None, None),
    "value-word": (cell("adlb", "AVALC", "high"), "not-a-number", "adlb", 4, "AVALC"),
    "value-range": (cell("adlb", "AVALC", "99999"), "above-maximum", "adlb", 4, "AVALC"),
    "parameter": (cell("adlb", "PARAMCD", "ZZ"), "value-unmapped", "adlb", 4, "PARAMCD"),
    "stranger": (cell("adlb", "USUBJID", "NOBODY"), "unknown-patient", "adlb", 4, "USUBJID"),
    "visit-twice": (twice("adlb"), "duplicate-visit", "adlb", None, None),
    "visit-undated": (cell("adtr", "ADTM", ""), "blank", "adtr", 4, "ADTM"),
    "treatment": (cell("adcm", "CMTRT", "OTHER"), "value-unmapped", "adcm", 4, "CMTRT"),
    "start": (cell("adcm", "ASTDTM", ""), "blank", "adcm", 4, "ASTDTM"),
    "line-half": (cell("adcm", "LINE", 1.5), "not-whole", "adcm", 4, "LINE"),
    "line-zero": (cell("adcm", "LINE", 0), "below-minimum", "adcm", 4, "LINE"),
    "gene": (cell("adgf", "PARAMCD", "GENE99"), "value-unmapped", "adgf", 4, "PARAMCD"),
    "gene-stranger": (cell("adgf", "USUBJID", "NOBODY"), "unknown-patient", "adgf", 4, "USUBJID"),
    "gene-blank": (cell("adgf", "USUBJID", ""), "blank", "adgf", 4, "USUBJID"),
    "gene-many": (cell("adgf", "AVAL", 7), "not-a-fraction", "adgf", 4, "AVAL"),
    "gene-word": (cell("adgf", "AVAL", "mutated"), "not-a-number", "adgf", 4, "AVAL"),
    "no-subject": (renamed("adlb", "USUBJID", "SUBJ"), "source-column-missing", "adlb", None,
                   "USUBJID"),
    "no-data-set": (without("adtr"), "source-table-missing", "map.yaml", None,
                    "tables.visits[2].table"),
}  # fmt: skip
#: Those that hide others.
ALONE = ("giant-cell", "long-cell", "subject", "origin-blank", "origin-form")
#: Table: the first row that is changed.
FIRST = {"adsl": 5}


@pytest.fixture(scope="module")
def whole(small: Cohort) -> Written:
    return adam_files.as_adam(small)


@pytest.fixture
def written(whole: Written) -> Written:
    return Written(whole.cohort, dict(whole.tables), whole.mapping)


TOGETHER = cells_of(CELLS, ALONE)


def is_told(case: Case, faults: DataFrame) -> None:
    _, rule, table, row, column = case
    holds(faults, rule, table if "." in table else f"{table}.csv", row, column)


def test_corrupted_cells_are_told_all_at_once_each_by_its_place(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    cases = one_a_row(TOGETHER, FIRST, written)
    faults = refused(*adam_files.write_csv(written, tmp_path), private)
    for case in cases:
        is_told(case, faults)


@pytest.mark.parametrize(
    "name",
    [
        name if name not in TOGETHER else pytest.param(name, marks=pytest.mark.slow)
        for name in CELLS
    ],
)
def test_a_corrupted_place_is_told_alone(
    name: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    CELLS[name][0](written)
    is_told(CELLS[name], refused(*adam_files.write_csv(written, tmp_path), private))


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b"", "source-unreadable"),
    "text": (lambda b: b"USUBJID,AGE\n1,2\n", "source-unreadable"),
    "no-header": (lambda b: b[80:], "source-unreadable"),
    "within-record": (lambda b: b[:-7], "source-unreadable"),
    "last-record": (lambda b: b[:-80], "source-unreadable"),
    "in-header": (lambda b: b[:400], "source-unreadable"),
    "no-observations": (lambda b: b.replace(b"OBS  ", b"XXX  "), "source-unreadable"),
    "wide-variable": (lambda b: b[:644] + b"\xff\xff" + b[646:], "source-unreadable"),
    "latin": (lambda b: b.replace(b"REG1", b"R\xe9G1"), "source-encoding"),
    "two-members": (lambda b: b + b[240:], "source-unreadable"),
    "noise": (lambda b: bytes(np.random.default_rng(1).integers(0, 256, 8000, dtype=np.uint8)),
              "source-unreadable"),
    "giant-count": (lambda b: re.sub(rb"(NAMESTR HEADER RECORD!+000000)\d{4}", rb"\g<1>9999", b),
                    "source-unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("case", BYTES)
def test_a_damaged_transport_file_is_told_by_name(
    case: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyreadstat")
    change, rule = BYTES[case]
    source, mapping = adam_files.write_xpt(written, tmp_path)
    path = source / "adsl.xpt"
    changed = change(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    holds(refused(source, mapping, private), rule, "adsl.xpt", None, None)


def test_a_file_of_version_8_that_lost_whole_rows_is_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyreadstat")
    written.tables["adgf"]["AVAL"] = written.tables["adgf"]["AVAL"].astype(float)
    source, mapping = adam_files.write_xpt(written, tmp_path, version=8)
    path = source / "adgf.xpt"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 80 * 40])
    holds(refused(source, mapping, private), "source-unreadable", "adgf.xpt", None, None)


def test_a_date_beyond_the_calendar_is_a_fault_of_its_cell(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    pyreadstat = pytest.importorskip("pyreadstat")
    source, mapping = adam_files.write_xpt(written, tmp_path)
    table = written.tables["adcm"].assign(ASTDTM=1e15)
    form = {"ASTDTM": "DATETIME20."}
    pyreadstat.write_xport(table, source / "adcm.xpt", variable_format=form, table_name="ADCM")
    holds(refused(source, mapping, private), "not-a-date", "adcm.xpt", 4, "ASTDTM")


def test_a_pipe_and_a_link_that_leads_out_are_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyreadstat")
    source, mapping = adam_files.write_xpt(written, tmp_path)
    (source / "adcm.xpt").unlink()
    os.mkfifo(source / "adcm.xpt")
    (source / "adlb.xpt").rename(tmp_path / "adlb.xpt")
    (source / "adlb.xpt").symlink_to(tmp_path / "adlb.xpt")
    faults = refused(source, mapping, private)
    holds(faults, "source-irregular", "adcm.xpt", None, None)
    holds(faults, "source-irregular", "adlb.xpt", None, None)


def test_a_data_set_that_is_there_as_xpt_and_as_csv_is_ambiguous(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyreadstat")
    source, mapping = adam_files.write_xpt(written, tmp_path)
    written.tables["adsl"].to_csv(source / "adsl.csv", index=False)
    faults = refused(source, mapping, private)
    holds(faults, "source-table-ambiguous", "map.yaml", None, "tables.patients[1].table")
