"""The workbook to be filled in, and the mapping that reads it in either language."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

import twinbayes as tb
from twinbayes.cohort.importing.template import LANGUAGES, write_template
from twinbayes.errors import OptionError, StorageError

openpyxl = pytest.importorskip("openpyxl")

FILLED = {
    "en": {
        "patients": [
            ("007", datetime(2020, 1, 1), "AML", "north", datetime(1960, 1, 1), "female", "alive",
             None, datetime(2022, 1, 1)),
            ("008", "05/03/2020", "APL", "north", None, "male", "dead", datetime(2020, 4, 4), None),
        ],
        "visits": [("007", datetime(2020, 1, 11), "haemoglobin g/dL", 9.5),
                   ("007", datetime(2020, 1, 11), "platelets 10^9/L", "<5")],
        "events": [("007", datetime(2020, 3, 1), "complete remission")],
        "treatments": [("007", datetime(2020, 1, 3), None, "chemotherapy")],
    },
    "it": {
        "patients": [
            ("007", datetime(2020, 1, 1), "AML", "north", datetime(1960, 1, 1), "femmina",
             "in vita", None, datetime(2022, 1, 1)),
            ("008", "05/03/2020", "APL", "north", None, "maschio", "deceduto",
             datetime(2020, 4, 4), None),
        ],
        "visits": [("007", datetime(2020, 1, 11), "emoglobina g/dL", 9.5),
                   ("007", datetime(2020, 1, 11), "piastrine 10^9/L", "<5")],
        "events": [("007", datetime(2020, 3, 1), "remissione completa")],
        "treatments": [("007", datetime(2020, 1, 3), None, "chemioterapia")],
    },
}  # fmt: skip


def filled(folder: Path, language: str) -> tb.Cohort:
    book, mapping = write_template(folder / f"{language}.xlsx", language)
    opened = openpyxl.load_workbook(book)
    for sheet, rows in FILLED[language].items():
        for k, row in enumerate(rows, 2):
            for c, value in enumerate(row, 1):
                opened[sheet].cell(k, c).value = value
    opened.save(book)
    return tb.import_cohort(book, mapping, tell=None)


def test_what_is_filled_in_is_the_same_in_either_language(tmp_path: Path) -> None:
    cohorts = [filled(tmp_path, language) for language in LANGUAGES]
    assert len({cohort.fingerprint for cohort in cohorts}) == 1
    cohort = cohorts[0]
    assert cohort.patient_ids == ("007", "008")
    assert list(cohort.events["event"]) == ["complete_remission", "last_contact", "death"]
    assert list(cohort.events["day"]) == [60.0, 731.0, 30.0]
    assert cohort.visits is not None
    assert list(cohort.visits["censored"]) == ["none", "left"]
    assert len(cohort.excluded) == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_columns_of_words_have_drop_downs(tmp_path: Path, language: str) -> None:
    book, _ = write_template(tmp_path / "book.xlsx", language)
    opened = openpyxl.load_workbook(book)
    lists = {
        sheet.title: sum(v.type == "list" for v in sheet.data_validations.dataValidation)
        for sheet in opened
    }
    assert lists == {"patients": 2, "visits": 1, "events": 1, "treatments": 1, "lists": 0}


def test_a_template_is_never_written_over(tmp_path: Path) -> None:
    write_template(tmp_path / "book.xlsx")
    with pytest.raises(StorageError, match="already"):
        write_template(tmp_path / "book.xlsx")
    with pytest.raises(StorageError, match=r"\.xlsx"):
        write_template(tmp_path / "book.csv")
    with pytest.raises(OptionError, match="'it'"):
        write_template(tmp_path / "other.xlsx", "fr")
