"""The shapes that tables come in: one row a value, an event or a treatment, or a column each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pandas import DataFrame

import twinbayes as tb
from twinbayes.documents import yaml_text
from twinbayes.errors import CohortError

PEOPLE = "id,dx,end,status\n01,2020-01-01,2021-01-01,dead\n02,2020-02-01,2021-02-01,alive\n"


def base() -> dict[str, Any]:
    return {
        "schema": "twinbayes/mapping/v1",
        "name": "shapes",
        "simulated": True,
        "dates": "%Y-%m-%d",
        "tables": {
            "patients": {
                "table": "people",
                "origin": "dx",
                "columns": {
                    "patient_id": "id",
                    "subgroup": {"constant": "all"},
                    "centre": {"constant": "all"},
                },
            },
            "events": [
                {
                    "table": "people",
                    "columns": {"patient_id": "id"},
                    "closing": {
                        "vital_status": {
                            "column": "status",
                            "values": {"dead": "death", "alive": "last_contact"},
                        },
                        "last_contact": "end",
                    },
                }
            ],
        },
        "variables": {
            "hb": {"table": "visits", "unit": "g/dL"},
            "glucose": {"table": "visits", "unit": "mmol/L", "molar_mass": 180.156},
            "chemo": {"table": "treatments", "unit": "g"},
        },
    }


@pytest.fixture
def imported(tmp_path: Path) -> Any:
    def run(mapping: dict[str, Any], **tables: str) -> tb.Cohort:
        source = tmp_path / "source"
        source.mkdir()
        (source / "people.csv").write_text(PEOPLE)
        for name, text in tables.items():
            (source / f"{name}.csv").write_text(text)
        (tmp_path / "map.yaml").write_text(yaml_text(mapping))
        return tb.import_cohort(source, tmp_path / "map.yaml", tell=None)

    return run


def rows(frame: DataFrame | None) -> list[tuple[Any, ...]]:
    assert frame is not None
    text = frame.astype(object).where(frame.notna(), None)
    return [tuple(row) for row in text.itertuples(index=False)]


LABS = """\
pat,when,test,result,u,flag
01,2020-01-11,HB,95,g/L,
01,2020-01-12,HB,9.6,g/dL,
01,2020-01-11,GLU,90,mg/dL,
02,2020-02-02,GLU,4,mmol/L,L
02,2020-02-03,GLU,<3,mmol/L,L
02,2020-02-04,GLU,,mmol/L,
02,2020-02-04,SODIUM,140,mmol/L,
"""


def lab_part() -> dict[str, Any]:
    return {
        "table": "labs",
        "where": {"test": ["HB", "GLU"]},
        "columns": {
            "patient_id": "pat",
            "day": "when",
            "marker": {"column": "test", "values": {"HB": "hb", "GLU": "glucose"}},
            "value": "result",
            "unit": "u",
            "censored": {"column": "flag", "values": {"L": "left"}},
        },
    }


def test_one_row_a_value_with_units_and_a_column_of_limits(imported: Any) -> None:
    pytest.importorskip("pint")
    mapping = base()
    mapping["tables"]["visits"] = lab_part()
    cohort = imported(mapping, labs=LABS)
    found = rows(cohort.visits)
    assert found == [
        ("01", 10.0, "hb", 9.5, "none"),
        ("01", 10.0, "glucose", pytest.approx(90 / 18.0156), "none"),
        ("01", 11.0, "hb", 9.6, "none"),
        ("02", 1.0, "glucose", 4.0, "left"),
        ("02", 2.0, "glucose", 3.0, "left"),
    ]
    assert list(cohort.excluded["rule"]) == ["no-value", "not-selected"]
    assert list(cohort.excluded["row"]) == [7, 8]


@pytest.mark.parametrize(
    ("old", "new", "rule", "row"),
    [
        ("95,g/L,", "95,,", "unit-blank", 2),
        ("95,g/L,", "95,furlong,", "unit-unknown", 2),
        ("95,g/L,", "95,mmol/L,", "unit-incompatible", 2),
        ("<3,mmol/L,L", ">3,mmol/L,L", "censoring-contradiction", 6),
        ("4,mmol/L,L", "4,mmol/L,H", "value-unmapped", 5),
        ("01,2020-01-12,HB", "01,2020-01-11,HB", "duplicate-visit", 3),
    ],
)
def test_bad_values_and_units_are_told_by_row(
    imported: Any, old: str, new: str, rule: str, row: int
) -> None:
    pytest.importorskip("pint")
    mapping = base()
    mapping["tables"]["visits"] = lab_part()
    assert old in LABS
    with pytest.raises(CohortError) as caught:
        imported(mapping, labs=LABS.replace(old, new))
    faults = caught.value.faults
    assert faults is not None
    assert list(faults.loc[faults["rule"] == rule, "row"]) == [row]
    assert set(faults["table"]) == {"labs.csv"}


def test_one_row_an_event_with_the_last_day_without_it(imported: Any) -> None:
    mapping = base()
    mapping["tables"]["events"].append(
        {
            "table": "events",
            "columns": {
                "patient_id": "pat",
                "day": "seen",
                "day_lower": "before",
                "event": {"column": "what", "values": {"REL": "relapse", "CR": "remission"}},
            },
        }
    )
    text = "pat,seen,before,what\n01,2020-03-01,,CR\n01,2020-05-01,2020-04-01,REL\n"
    cohort = imported(mapping, events=text)
    assert rows(cohort.events[["patient_id", "day", "day_lower", "event"]]) == [
        ("01", 60.0, None, "remission"),
        ("01", 121.0, 91.0, "relapse"),
        ("01", 366.0, None, "death"),
        ("02", 366.0, None, "last_contact"),
    ]


def test_one_row_a_treatment_and_columns_of_each(imported: Any) -> None:
    pytest.importorskip("pint")
    mapping = base()
    mapping["tables"]["treatments"] = [
        {
            "table": "given",
            "columns": {"patient_id": "pat"},
            "treatments": {
                "chemo": {
                    "start_day": "begun",
                    "stop_day": "ended",
                    "dose": {"column": "mg", "unit": "mg"},
                    "line": {"constant": 1},
                }
            },
        },
        {
            "table": "later",
            "columns": {
                "patient_id": "pat",
                "start_day": {"column": "day", "date": "days"},
                "treatment": {"constant": "chemo"},
                "line": "line",
            },
        },
    ]
    cohort = imported(
        mapping,
        given="pat,begun,ended,mg\n01,2020-01-02,2020-01-05,1500\n02,,,\n",
        later="pat,day,line\n01,40,2\n",
    )
    assert rows(cohort.treatments) == [
        ("01", 1.0, 4.0, "chemo", 1.5, 1),
        ("01", 40.0, None, "chemo", None, 2),
    ]
    assert list(cohort.excluded["table"]) == ["given.csv"]


def test_days_need_no_origin_where_no_date_is_mapped(imported: Any) -> None:
    mapping = base()
    del mapping["dates"]
    del mapping["tables"]["patients"]["origin"]
    mapping["tables"]["events"] = {
        "table": "ends",
        "columns": {"patient_id": "id"},
        "closing": {"last_contact": "day", "death": "died"},
    }
    cohort = imported(mapping, ends="id,day,died\n01,10,\n02,,20\n")
    assert rows(cohort.events) == [("01", 10.0, "last_contact"), ("02", 20.0, "death")]


def test_patients_of_several_tables_and_spellings_of_a_header(imported: Any) -> None:
    mapping = base()
    part = mapping["tables"]["patients"]
    other = {**part, "table": "south", "columns": {**part["columns"], "centre": {"constant": "s"}}}
    part["columns"] = {**part["columns"], "patient_id": ["id", "Patient ID"]}
    other["columns"]["patient_id"] = ["id", "Patient ID"]
    part["columns"]["centre"] = {"constant": "n"}
    ends = mapping["tables"]["events"][0]
    mapping["tables"]["events"].append(
        {**ends, "table": "south", "columns": {"patient_id": "PATIENT  id"}}
    )
    mapping["tables"]["patients"] = [part, other]
    cohort = imported(mapping, south=PEOPLE.replace("id,", "Patient ID,").replace("\n0", "\n1"))
    assert list(cohort.patients["centre"]) == ["n", "n", "s", "s"]


@pytest.mark.parametrize(
    ("old", "new", "rule", "row"),
    [
        ("2021-01-01,dead", ",dead", "closing-blank", 2),
        ("2021-02-01,alive", "2021-02-01,gone", "value-unmapped", 3),
        ("02,2020-02-01,2021-02-01", "02,2020-02-01,2019-02-01", "before-origin", 3),
    ],
)
def test_ends_that_do_not_fit_are_told(
    imported: Any, old: str, new: str, rule: str, row: int
) -> None:
    assert old in PEOPLE
    with pytest.raises(CohortError) as caught:
        imported(base(), people=PEOPLE.replace(old, new))
    faults = caught.value.faults
    assert faults is not None
    assert row in list(faults.loc[faults["rule"] == rule, "row"])


def test_a_last_contact_after_the_death_is_refused(imported: Any) -> None:
    mapping = base()
    mapping["tables"]["events"][0]["closing"]["death"] = "died"
    text = "id,dx,end,status,died\n01,2020-01-01,2021-01-01,dead,2020-05-01\n"
    with pytest.raises(CohortError) as caught:
        imported(mapping, people=text)
    assert caught.value.faults is not None
    assert list(caught.value.faults["rule"]) == ["closing-contradiction"]
