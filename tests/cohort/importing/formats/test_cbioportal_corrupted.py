"""Corrupted studies of cBioPortal: each refused with table, row, rule and remedy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pandas import DataFrame

import cbioportal_study
import twinbayes as tb
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

C, S, MAF = "data_clinical_patient", "data_clinical_sample", "data_mutations"
LAB, GIVEN, STATUS = (f"data_timeline_{x}" for x in ("labtest", "treatment", "status"))

CELLS: dict[str, Case] = {
    "patient-blank": (cell(C, "PATIENT_ID", ""), "blank", C, 4, "PATIENT_ID"),
    "patient-twice": (twice(C), "duplicate-patient", C, 14, "PATIENT_ID"),
    "sex": (cell(C, "SEX", "M"), "value-unmapped", C, 4, "SEX"),
    "age-word": (cell(C, "AGE", ">89"), "limit-misplaced", C, 4, "AGE"),
    "age-old": (cell(C, "AGE", "140"), "above-maximum", C, 4, "AGE"),
    "centre": (cell(C, "CENTER", "NA"), "blank", C, 4, "CENTER"),
    "covariate": (cell(C, "ECOG", "[Not Available]"), "not-a-number", C, 4, "ECOG"),
    "covariate-range": (cell(C, "ECOG", "9"), "above-maximum", C, 4, "ECOG"),
    "date": (cell(C, "CENTER", "since 2001-02-03"), "calendar-date", C, 4, "CENTER"),
    "long": (cell(C, "CENTER", "x" * 20_000), "too-long", C, 4, "CENTER"),
    "giant": (cell(C, "CENTER", "x" * 200_000), "source-unreadable", C, 4, None),
    "extra-tab": (cell(C, "CENTER", "a\tb"), "source-row-length", C, 4, None),
    "sample-stranger": (cell(S, "PATIENT_ID", "NOBODY"), "unknown-patient", S, 4, "PATIENT_ID"),
    "sample-twice": (twice(S), "sample-twice", S, 14, "SAMPLE_ID"),
    "two-diseases": (twice(S, SAMPLE_ID="B-1", ONCOTREE_CODE="XX"), "several-values", S, 14,
                     "ONCOTREE_CODE"),
    "no-disease": (cell(S, "ONCOTREE_CODE", "NA"), "blank", C, 4, "subgroup"),
    "karyotype": (cell(S, "CYTO_DEL_5Q", "yes"), "not-a-number", S, 4, "CYTO_DEL_5Q"),
    "sample-unknown": (cell(MAF, "Tumor_Sample_Barcode", "S-0"), "sample-unknown", MAF, 4,
                       "PATIENT_ID"),
    "gene": (cell(MAF, "Hugo_Symbol", "TTN"), "variable-undeclared", MAF, 4, "Hugo_Symbol"),
    "gene-date": (cell(MAF, "Hugo_Symbol", "1-03-2001"), "calendar-date", MAF, 4, "Hugo_Symbol"),
    "lab-word": (cell(LAB, "RESULT", "high"), "not-a-number", LAB, 4, "RESULT"),
    "lab-range": (cell(LAB, "RESULT", "1e9"), "above-maximum", LAB, 4, "RESULT"),
    "lab-test": (cell(LAB, "TEST", "CRP"), "unknown-marker", LAB, 4, "TEST"),
    "lab-early": (cell(LAB, "START_DATE", "-30"), "before-origin", LAB, 4, "START_DATE"),
    "lab-undated": (cell(LAB, "START_DATE", ""), "blank", LAB, 4, "START_DATE"),
    "lab-date": (cell(LAB, "START_DATE", "2001-02-03"), "calendar-date", LAB, 4, "START_DATE"),
    "lab-stranger": (cell(LAB, "PATIENT_ID", "NOBODY"), "unknown-patient", LAB, 4, "PATIENT_ID"),
    "lab-twice": (twice(LAB), "duplicate-visit", LAB, None, None),
    "agent": (cell(GIVEN, "AGENT", "Busulfan"), "unknown-treatment", GIVEN, 4, "AGENT"),
    "start": (cell(GIVEN, "START_DATE", ""), "blank", GIVEN, 4, "START_DATE"),
    "stop": (cell(GIVEN, "STOP_DATE", "0"), "stop-before-start", GIVEN, 4, "STOP_DATE"),
    "line": (cell(GIVEN, "LINE", "1.5"), "not-whole", GIVEN, 4, "LINE"),
    "status": (cell(STATUS, "STATUS", ""), "blank", STATUS, 4, "STATUS"),
    "status-twice": (twice(STATUS, STATUS="death", START_DATE="99999"), "two-terminals", STATUS,
                     None, None),
    "no-column": (renamed(LAB, "RESULT", "VALUE"), "source-column-missing", LAB, None, "RESULT"),
    "no-sample-id": (renamed(S, "SAMPLE_ID", "SAMPLE"), "source-column-missing", S, None,
                     "SAMPLE_ID"),
    "no-file": (without(GIVEN), "source-table-missing", "map.yaml", None,
                "tables.treatments[1].table"),
}  # fmt: skip
#: Those that hide others.
ALONE = ("giant", "extra-tab")
#: Table: the first row that is changed.
FIRST: dict[str, int] = {}


@pytest.fixture(scope="module")
def whole(small: Cohort) -> Written:
    return cbioportal_study.as_study(small)


@pytest.fixture
def written(whole: Written) -> Written:
    return Written(whole.cohort, dict(whole.tables), whole.mapping)


TOGETHER = cells_of(CELLS, ALONE)


def is_told(case: Case, faults: DataFrame) -> None:
    _, rule, table, row, column = case
    holds(faults, rule, table if "." in table else f"{table}.txt", row, column)


def test_corrupted_cells_are_told_all_at_once_each_by_its_place(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    cases = one_a_row(TOGETHER, FIRST, written)
    faults = refused(*cbioportal_study.write_study(written, tmp_path), private)
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
    is_told(CELLS[name], refused(*cbioportal_study.write_study(written, tmp_path), private))


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b"", "source-empty"),
    "comments-alone": (lambda b: b"#a\n#b\n", "source-empty"),
    "latin": (lambda b: b.replace(b"Male", b"M\xe4le", 1), "source-encoding"),
    "nul": (lambda b: b.replace(b"Male", b"M\0le", 1), "source-encoding"),
    "utf-16": (lambda b: b.decode().encode("utf-16-le"), "source-encoding"),
    "commas": (lambda b: b.replace(b"\t", b","), "source-column-missing"),
    "header-alone": (lambda b: b"#a\nPATIENT_ID\tAGE\n", "no-patients"),
    "short-row": (lambda b: b + b"X\n", "source-row-length"),
}


@pytest.mark.parametrize("case", BYTES)
def test_a_damaged_file_is_told_by_name(
    case: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    change, rule = BYTES[case]
    source, mapping = cbioportal_study.write_study(written, tmp_path)
    path = source / f"{C}.txt"
    path.write_bytes(change(path.read_bytes()))
    holds(refused(source, mapping, private), rule, path.name, None, None)


def test_pipes_links_and_a_list_of_cases_without_its_line_are_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    source, mapping = cbioportal_study.write_study(written, tmp_path)
    (source / f"{LAB}.txt").unlink()
    os.mkfifo(source / f"{LAB}.txt")
    (source / f"{MAF}.txt").rename(tmp_path / "maf.txt")
    (source / f"{MAF}.txt").symlink_to(tmp_path / "maf.txt")
    (source / "case_lists" / "cases_sequenced.txt").write_text("cases: none\n")
    faults = refused(source, mapping, private)
    holds(faults, "source-irregular", f"{LAB}.txt", None, None)
    holds(faults, "source-irregular", f"{MAF}.txt", None, None)
    holds(faults, "source-unreadable", "cases_sequenced.txt", None, None)


def test_windows_ends_of_lines_and_samples_of_nobody_known_make_no_difference(
    written: Written, tmp_path: Path
) -> None:
    written.tables[S] = written.tables[S].copy()
    written.tables[S].loc[len(written.tables[S])] = {
        **written.tables[S].loc[0].to_dict(), "PATIENT_ID": "ELSEWHERE", "SAMPLE_ID": "E-1",
    }  # fmt: skip
    mapping = written.mapping
    tables = {
        name: [
            {**part, "unknown_patients": "list"} if part.get("join") else part
            for part in mapping["tables"][name]
        ]
        for name in ("patients", "genomics")
    }
    tables = {**mapping["tables"], **tables}
    written.mapping = {**mapping, "tables": tables}
    source, path = cbioportal_study.write_study(written, tmp_path)
    for file in source.glob("*.txt"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    cohort = tb.import_cohort(source, path, tell=None)
    assert cohort.fingerprint == cbioportal_study.in_whole_days(written.cohort).fingerprint
    assert list(cohort.excluded["rule"]).count("unknown-patient") == 1


def test_names_in_the_plural_and_mutations_that_end_early_are_read(
    written: Written, tmp_path: Path
) -> None:
    source, mapping = cbioportal_study.write_study(written, tmp_path)
    for name in (C, S):
        (source / f"{name}.txt").rename(source / f"{name}s.txt")
    maf = (source / f"{MAF}.txt").read_text().replace('\tp."5"', "")
    (source / f"{MAF}.txt").unlink()
    (source / "data_mutations_extended.maf").write_text(maf)
    text = mapping.read_text()
    for old, new in ((C, f"{C}s"), (S, f"{S}s"), (MAF, "data_mutations_extended")):
        text = text.replace(f"table: {old}\n", f"table: {new}\n")
    mapping.write_text(text)
    cohort = tb.import_cohort(source, mapping, tell=None)
    assert cohort.fingerprint == cbioportal_study.in_whole_days(written.cohort).fingerprint


def test_mutations_that_are_cut_off_in_their_last_row_are_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    source, mapping = cbioportal_study.write_study(written, tmp_path)
    path = source / f"{MAF}.txt"
    path.write_text(path.read_text()[:-10])
    row = len(written.tables[MAF]) + 1
    holds(refused(source, mapping, private), "source-row-length", path.name, row, None)
