"""Dates after the day of the import, or of the export, are refused wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from twinbayes.cohort.importing.cells.dates import latest_day
from twinbayes.cohort.importing.running import run_import
from twinbayes.errors import CohortError

TODAY = date(2024, 6, 30)
CUTOFF = date(2023, 12, 31)
HEADER = ("id", "diagnosis", "born", "start", "stop", "relapse", "died", "seen", "day")
COLUMNS = HEADER[1:-1]  # that hold dates


def export(
    folder: Path, cells: Mapping[str, str], *, born: str = "01/01/1960", **mapping: Any
) -> tuple[Path, Path]:
    """Two patients; the cells given are those of the second, in row 3."""
    usual = dict(zip(HEADER, ("p1", "01/01/2020", born, "", "", "", "", "01/06/2021", ""),
                     strict=True))  # fmt: skip
    rows = [usual, {**usual, "id": "p2", **cells}]
    lines = [";".join(HEADER), *(";".join(row.values()) for row in rows)]
    source = folder / "export.csv"
    source.write_text("\n".join(lines) + "\n")
    described = {
        "schema": "twinbayes/mapping/v1", "name": "two", "simulated": True, "dates": "%d/%m/%Y",
        "tables": {
            "patients": {
                "table": "export", "origin": "diagnosis",
                "columns": {"patient_id": "id", "subgroup": {"constant": "one"},
                            "centre": {"constant": "one"},
                            "age_years": {"column": "born", "date": "%d/%m/%Y"}},
            },
            "events": {
                "table": "export", "columns": {"patient_id": "id"},
                "events": {"relapse": "relapse", "count": {"column": "day", "date": "days"}},
                "closing": {"death": "died", "last_contact": "seen"},
            },
            "treatments": {
                "table": "export", "columns": {"patient_id": "id"},
                "treatments": {"drug": {"start_day": "start", "stop_day": "stop"}},
            },
        },
        "variables": {"age_years": {"table": "patients", "group": "clinical", "unit": "a"},
                      "drug": {"table": "treatments"}},
        **mapping,
    }  # fmt: skip
    target = folder / "map.yaml"
    target.write_text(yaml.safe_dump(described))
    return source, target


def faults_of(folder: Path, cells: Mapping[str, str], **mapping: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(CohortError) as caught:
        run_import(*export(folder, cells, **mapping), today=TODAY)
    faults = caught.value.faults
    assert faults is not None
    assert faults["remedy"].str.len().gt(10).all()
    assert not re.search(r"\d\d/\d\d/\d{4}", str(caught.value).replace("31/12/9999", ""))
    columns = ["table", "row", "column", "rule"]
    return list(faults[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    ("last", "rule", "mapping"),
    [
        (TODAY, "date-in-the-future", {}),
        (CUTOFF, "after-data-cutoff", {"data_cutoff": CUTOFF}),
    ],
)
def test_the_day_after_the_last_one_is_refused_in_every_column_of_dates(
    tmp_path: Path, column: str, last: date, rule: str, mapping: dict[str, Any]
) -> None:
    after = (last + timedelta(days=1)).strftime("%d/%m/%Y")
    cells = {"seen": last.strftime("%d/%m/%Y"), column: after}
    if column in ("stop", "born"):
        cells |= {"start": "02/01/2020"}
    assert faults_of(tmp_path, cells, **mapping) == [("export.csv", 3, column, rule)]


def test_the_last_day_itself_may_be_told(tmp_path: Path) -> None:
    cells = {"seen": CUTOFF.strftime("%d/%m/%Y")}
    places = export(tmp_path, cells, data_cutoff=CUTOFF.isoformat())
    events = run_import(*places, today=TODAY).cohort.events.set_index("patient_id")["day"]
    assert events["p2"] == (CUTOFF - date(2020, 1, 1)).days


def test_a_number_of_days_leads_no_further_than_a_date(tmp_path: Path) -> None:
    last = (TODAY - date(2020, 1, 1)).days
    seen = TODAY.strftime("%d/%m/%Y")
    run_import(*export(tmp_path, {"day": str(last), "seen": seen}), today=TODAY)
    told = faults_of(tmp_path, {"day": str(last + 1), "seen": seen})
    assert told == [("export.csv", 3, "day", "date-in-the-future")]


@pytest.mark.requirement("R-012")
def test_a_day_of_export_to_come_is_refused_in_the_mapping(tmp_path: Path) -> None:
    told = faults_of(tmp_path, {}, data_cutoff=(TODAY + timedelta(days=1)).isoformat())
    assert [(where, rule) for where, _, _, rule in told] == [("map.yaml", "date-in-the-future")]


def test_a_day_of_export_that_is_no_day_is_refused_with_its_line(tmp_path: Path) -> None:
    told = faults_of(tmp_path, {}, data_cutoff="end of 2023")
    assert [(place, rule) for _, _, place, rule in told] == [("data_cutoff", "value-kind")]


def test_a_code_for_no_end_is_no_date_once_it_is_declared(tmp_path: Path) -> None:
    open_end = {"start": "02/01/2020", "stop": "31/12/9999"}
    assert faults_of(tmp_path, open_end) == [("export.csv", 3, "stop", "date-in-the-future")]
    done = run_import(*export(tmp_path, open_end, missing=["31/12/9999"]), today=TODAY)
    assert done.cohort.treatments is not None
    assert done.cohort.treatments["stop_day"].isna().tolist() == [True]


def test_a_birth_after_day_zero_is_refused_at_its_cell(tmp_path: Path) -> None:
    told = faults_of(tmp_path, {"born": "01/01/2021"})
    assert told == [("export.csv", 3, "born", "birth-after-origin")]


@pytest.mark.requirement("R-012")
def test_the_date_that_orders_rows_looked_up_may_not_be_in_the_future(tmp_path: Path) -> None:
    source, target = export(tmp_path, {})
    folder = tmp_path / "files"
    folder.mkdir()
    source.rename(folder / "export.csv")
    (folder / "lab.csv").write_text("id;at;hb\np2;01/01/2020;9\np2;01/07/2024;8\n")
    described = yaml.safe_load(target.read_text())
    described["tables"]["patients"]["columns"]["hb"] = {
        "column": "hb", "table": "lab", "last": "at"
    }  # fmt: skip
    described["variables"]["hb"] = {"table": "patients", "group": "clinical"}
    target.write_text(yaml.safe_dump(described))
    with pytest.raises(CohortError, match="date-in-the-future"):
        run_import(folder, target, today=TODAY)
    done = run_import(folder, target, today=date(2024, 7, 1))
    assert done.cohort.patients.set_index("patient_id")["hb"]["p2"] == 8


def test_without_a_day_given_the_clock_says_it(tmp_path: Path) -> None:
    tomorrow = latest_day() + timedelta(days=1)
    assert abs((latest_day() - date.today()).days) <= 1
    with pytest.raises(CohortError, match="date-in-the-future"):
        run_import(*export(tmp_path, {"seen": tomorrow.strftime("%d/%m/%Y")}))
