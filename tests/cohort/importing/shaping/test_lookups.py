"""Columns of one row a patient that stand in other tables."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import twinbayes as tb
from twinbayes.cohort.importing.running import Import, run_import
from twinbayes.documents import yaml_text
from twinbayes.errors import CohortError

PEOPLE = "id,sex\n01,f\n02,m\n"
FOUND = (
    "who,what,when,value\n"
    "01,dx,2020-01-01,aml\n02,dx,2020-02-01,apl\n"
    "01,hb,2020-01-05,9.5\n01,hb,2020-03-01,11\n02,hb,2020-02-03,\n02,hb,2020-02-09,8\n"
    "01,seen,2021-01-01,\n01,seen,2020-06-01,x\n02,seen,2021-02-01,x\n09,seen,2021-02-01,x\n"
)


def mapping() -> dict[str, Any]:
    there = {"table": "found", "patient": "who"}
    return {
        "schema": "twinbayes/mapping/v1",
        "name": "lookups",
        "simulated": True,
        "dates": "%Y-%m-%d",
        "tables": {
            "patients": {
                "table": "people",
                "origin": {**there, "column": "when", "where": {"what": "dx"}},
                "columns": {
                    "patient_id": "id",
                    "subgroup": {**there, "column": "value", "where": {"what": "dx"}},
                    "centre": {"constant": "all"},
                    "hb": {**there, "column": "value", "where": {"what": "hb"}, "first": "when"},
                },
            },
            "events": {
                "table": "people",
                "columns": {"patient_id": "id"},
                "closing": {
                    "last_contact": {**there, "column": "when", "where": {"what": "seen"},
                                     "last": "when"},
                },
            },
        },
        "variables": {"hb": {"table": "patients", "group": "clinical"}},
    }  # fmt: skip


def run(folder: Path, content: dict[str, Any], found: str = FOUND) -> Import:
    source = folder / "source"
    source.mkdir()
    (source / "people.csv").write_text(PEOPLE)
    (source / "found.csv").write_text(found)
    (folder / "map.yaml").write_text(yaml_text(content))
    return run_import(source, folder / "map.yaml")


def test_the_first_the_last_and_the_only_row_of_a_patient_are_found(tmp_path: Path) -> None:
    done = run(tmp_path, mapping())
    assert list(done.cohort.patients["subgroup"]) == ["aml", "apl"]
    # A row without a value is none to be taken.
    assert list(done.cohort.patients["hb"]) == [9.5, 8.0]
    assert list(done.cohort.events["day"]) == [366.0, 366.0]
    rows = done.ledger.rows.set_index("table")
    assert (rows["rows_in"] == rows["rows_used"] + rows["rows_listed"]).all()
    assert rows.loc["found.csv", "rows_used"] == 6
    assert set(done.ledger.listed["rule"]) == {"not-selected"}
    assert done.ledger.unmapped_columns["found.csv"] == ()


def part(content: dict[str, Any]) -> dict[str, Any]:
    columns: dict[str, Any] = content["tables"]["patients"]["columns"]
    return columns


@pytest.mark.parametrize(
    ("change", "rule", "table"),
    [
        (lambda m: part(m)["hb"].pop("first"), "lookup-several", "people.csv"),
        (lambda m: part(m)["hb"].update(first="what"), "lookup-order", "people.csv"),
        (lambda m: part(m)["hb"].update(first="whenever"), "source-column-missing", "found.csv"),
        (lambda m: part(m)["hb"].update(column="worth"), "source-column-missing", "found.csv"),
        (lambda m: part(m)["hb"].pop("patient"), "source-column-missing", "found.csv"),
        (lambda m: part(m)["hb"].update(table="lost"), "source-table-missing", "map.yaml"),
        (lambda m: part(m)["hb"].update(last="when"), "contradiction", "map.yaml"),
        (lambda m: part(m)["hb"].pop("table"), "contradiction", "map.yaml"),
        (lambda m: part(m).update(patient_id={"column": "who", "table": "found"}),
         "contradiction", "map.yaml"),
        (lambda m: part(m)["subgroup"]["where"].update(what="nothing"), "blank", "people.csv"),
        (lambda m: m["tables"].update(visits={
            "table": "found",
            "columns": {"patient_id": "who", "day": "when", "marker": "what",
                        "value": {"column": "value", "table": "found"}}}),
         "contradiction", "map.yaml"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_up_is_refused_with_its_place(
    tmp_path: Path, change: Any, rule: str, table: str
) -> None:
    content = mapping()
    change(content)
    with pytest.raises(CohortError) as caught:
        run(tmp_path, content)
    assert caught.value.faults is not None
    found = caught.value.faults[caught.value.faults["rule"] == rule]
    assert table in set(found["table"])
    assert found["row"].notna().all() or rule.startswith("source-column")


def test_a_cell_that_was_looked_up_and_cannot_be_read_is_one_fault_of_its_patient(
    tmp_path: Path,
) -> None:
    spoilt = FOUND.replace("2020-02-01,apl", "1st of May,apl").replace("9.5", "low")
    with pytest.raises(CohortError) as caught:
        run(tmp_path, mapping(), spoilt)
    faults = caught.value.faults
    assert list(faults["rule"]) == ["not-a-date", "not-a-number"]
    assert list(faults["row"]) == [3, 2]
    assert list(faults["column"]) == ["found.when", "found.value"]


def test_a_blank_cell_may_mean_something(tmp_path: Path) -> None:
    content = mapping()
    part(content)["hb"] = {"column": "sex", "values": {"f": 1, "": 0}}
    source = tmp_path / "source"
    source.mkdir()
    (source / "people.csv").write_text("id,sex\n01,\n02,f\n")
    (source / "found.csv").write_text(FOUND)
    (tmp_path / "map.yaml").write_text(yaml_text(content))
    cohort = tb.import_cohort(source, tmp_path / "map.yaml", tell=None)
    assert list(cohort.patients["hb"]) == [0.0, 1.0]


def added(content: dict[str, Any], **part_of: Any) -> dict[str, Any]:
    """The mapping with one more part of patients."""
    first = content["tables"]["patients"]
    content["tables"]["patients"] = [first, {"table": "found", **part_of}]
    return content


@pytest.mark.parametrize(
    ("more", "place", "problem"),
    [
        ({"join": True, "where": {"what": "hb"},
          "columns": {"patient_id": "who", "hb": "value"}},
         "tables.patients[2].columns", "'hb' is looked up by another part"),
        ({"columns": {"patient_id": "who", "value": "value",
                      "variable": {"column": "what", "values": {"hb": "hb", "dx": None}}}},
         "tables.patients[2].columns", "'hb' is looked up by another part"),
        ({"join": True, "columns": {"patient_id": "who", "age_years": {
            "table": "people", "patient": "id", "column": "sex"}}},
         "tables.patients[2].columns.age_years.table", "no columns that are looked up"),
    ],
)  # fmt: skip
def test_a_column_is_looked_up_or_added_and_not_both(
    more: dict[str, Any], place: str, problem: str, tmp_path: Path
) -> None:
    content = added(mapping(), **more)
    content["variables"]["age_years"] = {"table": "patients", "group": "clinical"}
    with pytest.raises(CohortError) as caught:
        run(tmp_path, content)
    faults = caught.value.faults
    assert faults is not None
    assert set(faults["rule"]) == {"contradiction"}
    assert list(faults["column"]) == [place]
    assert faults["problem"].str.contains(problem, regex=False).all()


def test_a_variable_that_only_rows_name_is_refused_where_it_is_looked_up_as_well(
    tmp_path: Path,
) -> None:
    names = {"patient_id": "who", "variable": "what", "value": "value"}
    with pytest.raises(CohortError) as caught:
        run(tmp_path, added(mapping(), where={"what": "hb"}, columns=names))
    faults = caught.value.faults
    assert faults is not None
    assert set(faults["rule"]) == {"contradiction"}
    assert list(faults["row"]) == [4, 5, 6, 7]
    assert set(faults["column"]) == {"what"}


def test_lookups_and_added_columns_go_together(tmp_path: Path) -> None:
    content = added(mapping(), columns={
        "patient_id": "who", "value": "value",
        "variable": {"column": "what", "values": {"dx": "entity"}},
    }, where={"what": "dx"})  # fmt: skip
    content["variables"]["entity"] = {
        "table": "patients", "group": "clinical", "levels": ["aml", "apl"],
    }  # fmt: skip
    patients = run(tmp_path, content).cohort.patients
    assert list(patients["entity"]) == ["aml", "apl"]
    assert list(patients["hb"]) == [9.5, 8.0]


def test_a_number_among_dates_is_in_no_order(tmp_path: Path) -> None:
    with pytest.raises(CohortError) as caught:
        run(tmp_path, mapping(), FOUND.replace("01,hb,2020-03-01,11", "01,hb,43891,11"))
    faults = caught.value.faults
    assert faults is not None
    assert list(faults["rule"]) == ["lookup-order"]
    assert list(faults["row"]) == [2]


def test_dates_of_a_workbook_order_rows_whatever_the_format(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheets = {"people": [["id", "sex"], ["A", "f"]], "found": [
        ["who", "what", "when", "value"],
        ["A", "dx", datetime(2020, 1, 1), "aml"], ["A", "seen", datetime(2021, 1, 1), None],
        ["A", "hb", datetime(2020, 10, 1), 9.5], ["A", "hb", datetime(2020, 9, 1), 11.0],
    ]}  # fmt: skip
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "book.xlsx")
    content = mapping()
    del content["dates"]
    content["tables"]["patients"]["origin"]["date"] = "%Y-%m-%d"
    content["tables"]["events"]["closing"]["last_contact"]["date"] = "%Y-%m-%d"
    (tmp_path / "map.yaml").write_text(yaml_text(content))
    cohort = tb.import_cohort(tmp_path / "book.xlsx", tmp_path / "map.yaml", tell=None)
    assert list(cohort.patients["hb"]) == [11.0]
    assert list(cohort.events["day"]) == [366.0]
