"""Corrupted exports: each refused with table, row, rule and remedy, and with no patient in it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.errors import CohortError

MAIN, VISITS, GIVEN = "Anagrafica", "Visite", "Terapie"
DATE = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\d{4}-\d{2}-\d{2}")


def refused(hospital: Any, source: Path, mapping: Path) -> CohortError:
    """The refusal, which names no patient and no date."""
    with pytest.raises(CohortError) as caught:
        tb.import_cohort(source, mapping, tell=None)
    error = caught.value
    assert error.faults is not None
    said = f"{error}\n{error.faults.to_csv()}"
    assert not any(patient in said for patient in hospital.cohort.patient_ids)
    assert not DATE.search(said)
    assert error.faults["remedy"].str.len().gt(10).all()
    return error


def cell(table: str, column: str, value: str, row: int = 4) -> Callable[[Any], None]:
    """Overwrite one cell; rows count the header as 1."""

    def change(hospital: Any) -> None:
        frame = hospital.tables[table]
        frame[column] = frame[column].astype(object)
        frame.loc[row - 2, column] = value

    return change


def column(table: str, old: str, new: str | None) -> Callable[[Any], None]:
    """Rename a column, or take it out."""

    def change(hospital: Any) -> None:
        frame = hospital.tables[table]
        renamed = frame.drop(columns=old) if new is None else frame.rename(columns={old: new})
        hospital.tables[table] = renamed

    return change


def twice(table: str, row: int = 4) -> Callable[[Any], None]:
    def change(hospital: Any) -> None:
        frame = hospital.tables[table]
        frame.loc[len(frame)] = frame.loc[row - 2]

    return change


def from_row(table: str, row: int, target: str, source: str) -> Callable[[Any], None]:
    """Copy a cell of another column of the row."""

    def change(hospital: Any) -> None:
        frame = hospital.tables[table]
        frame.loc[row - 2, target] = frame.loc[row - 2, source]

    return change


def early(table: str, name: str) -> Callable[[Any], None]:
    return cell(table, name, "01/02/1990 00:00")


LONG = "7" * 20_000
CELLS: list[tuple[str, Callable[[Any], None], str, str, int | None, str | None]] = [
    ("no-origin-date", cell(MAIN, "Data diagnosi", ""), "origin-blank", MAIN, 4, "Data diagnosi"),
    ("origin-other-format", cell(MAIN, "Data diagnosi", "1999-01-31"), "not-a-date", MAIN, 4,
     "Data diagnosi"),
    ("origin-no-day", cell(MAIN, "Data diagnosi", "31/02/2001 00:00"), "not-a-date", MAIN, 4,
     "Data diagnosi"),
    ("sex-unmapped", cell(MAIN, "Sesso", "X"), "value-unmapped", MAIN, 4, "Sesso"),
    ("centre-unmapped", cell(MAIN, "Centro", "Z"), "value-unmapped", MAIN, 4, "Centro"),
    ("subgroup-blank", cell(MAIN, "Diagnosi", ""), "blank", MAIN, 4, "Diagnosi"),
    ("subgroup-a-date", cell(MAIN, "Diagnosi", "dal 03/04/2001"), "calendar-date", MAIN, 4,
     "Diagnosi"),
    ("id-blank", cell(MAIN, "Codice", ""), "blank", MAIN, 4, "Codice"),
    ("id-a-date", cell(MAIN, "Codice", "03-04-1971"), "calendar-date", MAIN, 4, "Codice"),
    ("patient-twice", twice(MAIN), "duplicate-patient", MAIN, 62, "Codice"),
    ("decimal-point", cell(MAIN, "hb_g_dl", "9.5"), "not-a-number", MAIN, 4, "hb_g_dl"),
    ("thousands", cell(MAIN, "ldh_u_l", "1.234,5"), "not-a-number", MAIN, 4, "ldh_u_l"),
    ("word-for-number", cell(MAIN, "ecog", "uno"), "not-a-number", MAIN, 4, "ecog"),
    ("limit-in-covariate", cell(MAIN, "wbc_g_l", "<0,5"), "limit-misplaced", MAIN, 4, "wbc_g_l"),
    ("date-in-covariate", cell(MAIN, "wbc_g_l", "01/02/2003"), "calendar-date", MAIN, 4,
     "wbc_g_l"),
    ("too-small", cell(MAIN, "age_years", "3"), "below-minimum", MAIN, 4, "age_years"),
    ("too-large", cell(MAIN, "age_years", "119"), "above-maximum", MAIN, 4, "age_years"),
    ("infinite", cell(MAIN, "ecog", "inf"), "not-a-number", MAIN, 4, "ecog"),
    ("long-number", cell(MAIN, "ecog", LONG), "not-a-number", MAIN, 4, "ecog"),
    ("long-date", cell(MAIN, "date_of_relapse", LONG), "not-a-date", MAIN, 4, "date_of_relapse"),
    ("long-text", cell(MAIN, "Diagnosi", "x" * 20_000), "too-long", MAIN, 4, "Diagnosi"),
    ("lesion-unmapped", cell(MAIN, "TP53", "forse"), "value-unmapped", MAIN, 4, "TP53"),
    ("status-unmapped", cell(MAIN, "status", "?"), "value-unmapped", MAIN, 4, "status"),
    ("status-blank", cell(MAIN, "status", ""), "closing-blank", MAIN, 4, "status"),
    ("relapse-before", early(MAIN, "date_of_relapse"), "before-origin", MAIN, 4,
     "date_of_relapse"),
    ("relapse-after-end", cell(MAIN, "date_of_relapse", "01/02/2020 00:00"), "after-terminal",
     MAIN, 4, "date_of_relapse"),
    ("padding", cell(MAIN, "Diagnosi", "a\x07b"), "padded", MAIN, 4, "Diagnosi"),
    ("visit-no-date", cell(VISITS, "Data", ""), "blank", VISITS, 4, "Data"),
    ("visit-before", early(VISITS, "Data"), "before-origin", VISITS, 4, "Data"),
    ("visit-late", cell(VISITS, "Data", "01/02/2020 00:00"), "after-terminal", VISITS, 4, "Data"),
    ("visit-word", cell(VISITS, "haemoglobin", "basso"), "not-a-number", VISITS, 4,
     "haemoglobin"),
    ("visit-two-limits", cell(VISITS, "haemoglobin", "<>5"), "not-a-number", VISITS, 4,
     "haemoglobin"),
    ("visit-range", cell(VISITS, "haemoglobin", "900"), "above-maximum", VISITS, 4,
     "haemoglobin"),
    ("visit-long", cell(VISITS, "haemoglobin", "<" + " " * 20_000 + "1"), "not-a-number", VISITS,
     4, "haemoglobin"),
    ("visit-stranger", cell(VISITS, "ID paziente", "NOBODY"), "unknown-patient", VISITS, 4,
     "ID paziente"),
    ("visit-twice", twice(VISITS), "duplicate-visit", VISITS, None, None),
    ("treatment-unmapped", cell(GIVEN, "terapia", "altro"), "value-unmapped", GIVEN, 4,
     "terapia"),
    ("treatment-no-start", cell(GIVEN, "inizio", ""), "blank", GIVEN, 4, "inizio"),
    ("line-broken", cell(GIVEN, "linea", "1,5"), "not-whole", GIVEN, 4, "linea"),
    ("line-zero", cell(GIVEN, "linea", "0"), "below-minimum", GIVEN, 4, "linea"),
    ("treatment-twice", twice(GIVEN), "duplicate-row", GIVEN, None, None),
    ("no-origin-column", column(MAIN, "Data diagnosi", "Data diagnos1"), "source-column-missing",
     MAIN, None, "Data diagnosi"),
    ("no-id-column", column(VISITS, "ID paziente", None), "source-column-missing", VISITS, None,
     "ID paziente"),
    ("column-twice", column(MAIN, "Note", "sesso "), "", "", None, None),
    ("column-folded-twice", column(MAIN, "Note", "DIAGNOSI"), "", "", None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "rule", "table", "row", "header"),
    [case[1:] for case in CELLS if case[2]],
    ids=[case[0] for case in CELLS if case[2]],
)
def test_a_corrupted_cell_is_told_by_table_row_column_rule_and_remedy(
    hospital: Any, tmp_path: Path, change: Any, rule: str, table: str, row: int | None,
    header: str | None,
) -> None:  # fmt: skip
    change(hospital)
    source, mapping = hospital.write(tmp_path)
    began = time.process_time()
    error = refused(hospital, source, mapping)
    assert time.process_time() - began < 10
    found = error.faults[error.faults["rule"] == rule]
    assert len(found) >= 1
    assert set(found["table"]) == {f"{table}.csv"}
    if row is not None:
        assert row in list(found["row"])
    if header is not None:
        assert set(found["column"]) == {header}


@pytest.mark.parametrize("change", [c[1] for c in CELLS if not c[2]])
def test_a_column_that_only_differs_in_capitals_does_not_stand_for_another(
    hospital: Any, tmp_path: Path, change: Any
) -> None:
    change(hospital)
    cohort = tb.import_cohort(*hospital.write(tmp_path), tell=None)
    assert cohort.fingerprint == hospital.cohort.fingerprint


def test_all_faults_are_told_at_once(hospital: Any, tmp_path: Path) -> None:
    for change in (CELLS[3][1], CELLS[10][1], cell(VISITS, "Data", "ieri", 9)):
        change(hospital)
    error = refused(hospital, *hospital.write(tmp_path))
    assert set(error.faults["rule"]) == {"value-unmapped", "not-a-number", "not-a-date"}


def test_what_follows_from_a_cell_that_cannot_be_read_is_no_second_fault(
    hospital: Any, tmp_path: Path
) -> None:
    main = hospital.tables[MAIN]
    died = int(main.index[main["date_of_death"] != ""][0])
    cell(MAIN, "Data diagnosi", "ieri", 5)(hospital)
    cell(MAIN, "date_of_death", "oggi", died + 2)(hospital)
    cell(VISITS, "Data", "domani", 9)(hospital)
    faults = refused(hospital, *hospital.write(tmp_path)).faults
    assert list(faults["rule"]) == ["not-a-date"] * 3
    assert set(faults["row"]) == {5, died + 2, 9}


def alive_and_dead(hospital: Any) -> int:
    """Row of somebody who died, said to be alive."""
    status = hospital.tables[MAIN]["status"]
    k = int(status.index[status == "died"][0])
    hospital.tables[MAIN].loc[k, "status"] = "alive"
    return k + 2


def test_somebody_alive_with_a_date_of_death_is_refused(hospital: Any, tmp_path: Path) -> None:
    row = alive_and_dead(hospital)
    faults = refused(hospital, *hospital.write(tmp_path)).faults
    found = faults[faults["rule"] == "closing-contradiction"]
    assert list(found["row"]) == [row]


BYTES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("latin", lambda b: b.replace(b"alive", b"ali\xe8ve"), "source-encoding"),
    ("nul", lambda b: b.replace(b"alive", b"al\0ive"), "source-encoding"),
    ("empty", lambda b: b"", "source-empty"),
    ("short-row", lambda b: b.replace(b"\n", b"\nx;y\n", 2), "source-row-length"),
    ("open-quote", lambda b: b.replace(b"free text", b'"free text', 1), "source-unreadable"),
    ("huge-cell", lambda b: b.replace(b"free text", b"x" * 200_000, 1), "source-unreadable"),
    ("binary", lambda b: bytes(range(256)) * 40, "source-encoding"),
    ("header-alone", lambda b: b.partition(b"\n")[0], "no-patients"),
]


@pytest.mark.parametrize(
    ("change", "rule"), [case[1:] for case in BYTES], ids=[case[0] for case in BYTES]
)
def test_a_corrupted_file_is_told_by_name(
    hospital: Any, tmp_path: Path, change: Any, rule: str
) -> None:
    source, mapping = hospital.write(tmp_path)
    path = source / f"{MAIN}.csv"
    path.write_bytes(change(path.read_bytes()))
    faults = refused(hospital, source, mapping).faults
    assert rule in set(faults["rule"])


def test_pipes_and_links_that_lead_out_are_refused(hospital: Any, tmp_path: Path) -> None:
    source, mapping = hospital.write(tmp_path)
    path = source / f"{MAIN}.csv"
    outside = tmp_path / "outside.csv"
    path.rename(outside)
    path.symlink_to(outside)
    (source / f"{GIVEN}.csv").unlink()
    os.mkfifo(source / f"{GIVEN}.csv")
    faults = refused(hospital, source, mapping).faults
    irregular = faults[faults["rule"] == "source-irregular"]
    assert set(irregular["table"]) == {f"{MAIN}.csv", f"{GIVEN}.csv"}


def test_a_source_that_is_a_pipe_or_absent_or_of_no_known_format_is_refused(
    hospital: Any, tmp_path: Path
) -> None:
    mapping = hospital.write_mapping(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    (tmp_path / "empty").mkdir()
    for name, rule in (
        ("pipe.csv", "source-irregular"),
        ("absent.csv", "source-missing"),
        ("scan.pdf", "source-missing"),
        ("empty", "source-missing"),
    ):
        faults = refused(hospital, tmp_path / name, mapping).faults
        assert list(faults["rule"]) == [rule]


def test_a_declared_encoding_is_read(hospital: Any, tmp_path: Path) -> None:
    main = hospital.tables[MAIN].rename(columns={"Note": "Età e note"})
    hospital.tables[MAIN] = main.rename(columns={"age_years": "Età"})
    hospital.mapping["tables"]["patients"]["columns"]["age_years"] = "Età"
    hospital.mapping["encoding"] = "cp1252"
    source, mapping = hospital.write(tmp_path)
    for path in source.iterdir():
        path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
    cohort = tb.import_cohort(source, mapping, tell=None)
    assert cohort.fingerprint == hospital.cohort.fingerprint
