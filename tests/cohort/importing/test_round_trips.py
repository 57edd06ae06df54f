"""A registry written as a hospital exports it, and read back the same."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pandas import DataFrame

import twinbayes as tb
from twinbayes.cohort.importing.running import run_import

DATES = "%d/%m/%Y %H:%M"


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_csv_files_with_dates_codes_and_commas_give_the_same_cohort(
    hospital: Any, tmp_path: Path, delimiter: str
) -> None:
    source, mapping = hospital.write(tmp_path, delimiter=delimiter)
    told: list[str] = []
    cohort = tb.import_cohort(source, mapping=mapping, tell=told.append)
    assert cohort.fingerprint == hospital.cohort.fingerprint
    assert "Not mapped in Anagrafica.csv: Note" in told[0]
    assert "60 rows in = 60 used + 0 listed" in told[0]


def test_the_written_cohort_is_read_back_and_holds_no_calendar_date(
    hospital: Any, tmp_path: Path
) -> None:
    cohort = tb.import_cohort(*hospital.write(tmp_path), tell=None)
    folder = cohort.write(tmp_path / "cohort")
    assert tb.read_cohort(folder).fingerprint == hospital.cohort.fingerprint
    for path in folder.iterdir():
        assert not pd.Series(path.read_text().splitlines()).str.contains(r"\d\d/\d\d/\d{4}").any()


def test_rows_in_are_rows_used_and_rows_listed(hospital: Any, tmp_path: Path) -> None:
    visits = hospital.tables["Visite"]
    nothing = DataFrame([dict.fromkeys(visits.columns, "")] * 2)
    empty = visits.iloc[[0]].assign(**dict.fromkeys(visits.columns[2:], "n.d."))
    hospital.tables["Visite"] = pd.concat([visits, nothing, empty], ignore_index=True)
    done = run_import(*hospital.write(tmp_path))
    rows = done.ledger.rows.set_index("table")
    assert (rows["rows_in"] == rows["rows_used"] + rows["rows_listed"]).all()
    assert rows.loc["Visite.csv", "rows_listed"] == 3
    listed = done.cohort.excluded
    assert list(listed["rule"]) == ["blank-row", "blank-row", "no-value"]
    n = len(visits)
    assert list(listed["row"]) == [n + 2, n + 3, n + 4]
    assert done.cohort.fingerprint == hospital.cohort.fingerprint


def test_rows_that_no_part_takes_and_patients_of_others_are_listed(
    hospital: Any, tmp_path: Path
) -> None:
    given = hospital.tables["Terapie"]
    other = given.iloc[[0]].assign(terapia="other")
    foreign = given.iloc[[0]].assign(Codice="ELSEWHERE-1")
    hospital.tables["Terapie"] = pd.concat([given, other, foreign], ignore_index=True)
    part = hospital.mapping["tables"]["treatments"]
    part["where"] = {"terapia": "TMO"}
    part["unknown_patients"] = "list"
    done = run_import(*hospital.write(tmp_path))
    assert list(done.ledger.listed["rule"]) == ["not-selected", "unknown-patient"]
    assert "ELSEWHERE" not in str(done.ledger)
    assert done.cohort.fingerprint == hospital.cohort.fingerprint


def as_sheet(frame: DataFrame) -> DataFrame:
    """Cells as a person's workbook has them: dates as dates, numbers as numbers."""

    def typed(text: Any) -> Any:
        text = str(text)
        for form in (DATES,):
            try:
                return datetime.strptime(text, form)
            except ValueError:
                pass
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return text or None

    return frame.map(typed)


def test_a_workbook_gives_the_same_cohort(hospital: Any, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, table in hospital.tables.items():
        sheet = book.create_sheet(name)
        sheet.append(list(table.columns))
        for row in as_sheet(table).itertuples(index=False):
            sheet.append([None if cell is None or cell != cell else cell for cell in row])
    book.save(tmp_path / "registry.xlsx")
    cohort = tb.import_cohort(
        tmp_path / "registry.xlsx", hospital.write_mapping(tmp_path), tell=None
    )
    assert cohort.fingerprint == hospital.cohort.fingerprint


def redcap(hospital: Any, folder: Path) -> tuple[Path, Path]:
    """A raw export, its dictionary, and the mapping of both."""
    source = folder / "redcap"
    source.mkdir(parents=True)
    tables = {n: t.rename(columns=str.lower) for n, t in hospital.tables.items()}
    main, visits, given = tables["Anagrafica"], tables["Visite"], tables["Terapie"]
    main = main.drop(columns="note").rename(columns={"codice": "record_id"})
    main["sesso"] = main["sesso"].map({"M": "1", "F": "2", "n.d.": ""})
    codes = {s: str(k) for k, s in enumerate(sorted(set(main["diagnosi"])), 1)}
    main["diagnosi"] = main["diagnosi"].map(codes)
    visits = visits.rename(columns={"id paziente": "record_id"})
    given = given.rename(columns={"codice": "record_id"})
    rows = pd.concat(
        [
            main.assign(redcap_repeat_instrument="", comorb___1="0"),
            visits.assign(redcap_repeat_instrument="visite"),
            given.assign(redcap_repeat_instrument="terapie"),
        ]
    ).fillna("")
    rows.to_csv(source / "export.csv", index=False)
    choices = {
        "sesso": "1, Male | 2, Female",
        "diagnosi": " | ".join(f"{k}, {s}" for s, k in codes.items()),
    }
    fields = [
        (name, form, "radio" if name in choices else "text", choices.get(name, ""))
        for form, table in (("base", main), ("visite", visits), ("terapie", given))
        for name in table.columns
        if name != "record_id" or form == "base"
    ]
    fields.append(("comorb", "base", "checkbox", "1, Diabetes | 2, Asthma"))
    columns = ["Variable / Field Name", "Form Name", "Field Type",
               "Choices, Calculations, OR Slider Labels"]  # fmt: skip
    DataFrame(fields, columns=columns).to_csv(source / "dictionary.csv", index=False)
    text = yaml.safe_dump(hospital.mapping, sort_keys=False)
    mapping = yaml.safe_load(text)
    parts = mapping["tables"]
    names = {"patients": "records", "genomics": "records", "events": "records",
             "visits": "visite", "treatments": "terapie"}  # fmt: skip
    for table, part in parts.items():
        part["table"] = names[table]
        part["columns"]["patient_id"] = "record_id"
    parts["patients"]["columns"]["sex"]["values"] = {"Male": "male", "Female": "female"}
    path = folder / "redcap.yaml"
    path.write_text(yaml.safe_dump(mapping, sort_keys=False))
    return source, path


def test_a_redcap_export_gives_the_same_cohort(hospital: Any, tmp_path: Path) -> None:
    told: list[str] = []
    cohort = tb.import_cohort(*redcap(hospital, tmp_path), tell=told.append)
    assert cohort.fingerprint == hospital.cohort.fingerprint
    assert "comorb___1" in told[0]
