"""Parts of a mapping that are put together by patient, and days in months."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pandas import DataFrame

import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.running import run_import
from twinbayes.errors import CohortError

FILES = {
    "people": "id,place,seen\nA,x,12\nB,y,24\n",
    "samples": "id,disease,panel\nA,aml,one\nB,mds,two\nB,mds,two\n",
    "values": "id,what,value\nA,age,61\nB,age,\nB,stage,late\nA,wbc,3.5\n",
    "genes": "id,gene,vaf\nA,TP53,0.2\nA,TP53,0.4\nB,NRAS,0.1\nA,TTN,0.9\n",
}
MAPPING: dict[str, Any] = {
    "schema": "twinbayes/mapping/v1", "name": "joined", "simulated": True,
    "tables": {
        "patients": [
            {"table": "people", "columns": {"patient_id": "id", "centre": "place"}},
            {"table": "samples", "join": True, "columns": {"patient_id": "id",
                                                           "subgroup": "disease"}},
            {"table": "values", "columns": {
                "patient_id": "id", "value": "value",
                "variable": {"column": "what", "values": {"age": "age_years", "stage": "stage",
                                                          "wbc": "wbc"}}}},
        ],
        "genomics": [
            {"table": "samples", "join": True, "columns": {
                "patient_id": "id", "TP53": {"constant": 0}, "NRAS": {"constant": 0}}},
            {"table": "genes", "where": {"gene": ["TP53", "NRAS"]}, "columns": {
                "patient_id": "id", "variable": "gene", "value": "vaf"}},
        ],
        "events": {"table": "people", "columns": {"patient_id": "id"},
                   "closing": {"last_contact": {"column": "seen", "unit": "mo"}}},
    },
    "variables": {
        "age_years": {"table": "patients", "group": "clinical", "unit": "a", "min": 18},
        "stage": {"table": "patients", "group": "clinical", "levels": ["early", "late"]},
        "wbc": {"table": "patients", "group": "clinical", "unit": "10*9/L"},
        "TP53": {"table": "genomics", "group": "gene"},
        "NRAS": {"table": "genomics", "group": "gene"},
    },
}  # fmt: skip


def written(folder: Path, **changed: str) -> tuple[Path, Path]:
    source = folder / "export"
    source.mkdir()
    for name, text in (FILES | changed).items():
        (source / f"{name}.csv").write_text(text)
    (folder / "map.yaml").write_text(yaml.safe_dump(MAPPING))
    return source, folder / "map.yaml"


def read(folder: Path, **changed: str) -> Cohort:
    pytest.importorskip("pint")
    return tb.import_cohort(*written(folder, **changed), tell=None)


def faults(folder: Path, **changed: str) -> DataFrame:
    with pytest.raises(CohortError) as caught:
        read(folder, **changed)
    assert caught.value.faults is not None
    return caught.value.faults


def test_columns_of_several_tables_go_to_one_row_a_patient(tmp_path: Path) -> None:
    cohort = read(tmp_path)
    rows = cohort.patients.set_index("patient_id")
    assert list(rows["subgroup"]) == ["aml", "mds"]
    assert list(rows["centre"]) == ["x", "y"]
    assert rows.loc["A", "age_years"] == 61.0
    assert rows["age_years"].isna().tolist() == [False, True]
    assert rows["stage"].isna().tolist() == [True, False]
    assert rows.loc["A", "wbc"] == 3.5
    assert list(cohort.events["day"]) == [12 * 30.4375, 24 * 30.4375]


def test_of_several_values_of_a_lesion_the_largest_counts(tmp_path: Path) -> None:
    genomics = read(tmp_path).genomics
    assert genomics is not None
    assert list(genomics["TP53"]) == [0.4, 0.0]
    assert list(genomics["NRAS"]) == [0.0, 0.1]


def test_every_row_that_is_joined_is_used(tmp_path: Path) -> None:
    pytest.importorskip("pint")
    done = run_import(*written(tmp_path))
    rows = done.ledger.rows.set_index("table")
    assert rows["rows_used"].to_dict() == {
        "genes.csv": 3, "people.csv": 2, "samples.csv": 3, "values.csv": 3,
    }  # fmt: skip
    assert list(done.cohort.excluded["rule"]) == ["not-selected", "no-value"]
    assert done.ledger.made["genomics"] == 2


@pytest.mark.parametrize(
    ("table", "text", "rule", "row", "column"),
    [
        ("values", "id,what,value\nA,age,61\nA,age,62\n", "several-values", 3, "value"),
        ("values", "id,what,value\nA,age,7\n", "below-minimum", 2, "value"),
        ("values", "id,what,value\nA,stage,third\n", "level-undeclared", 2, "value"),
        ("values", "id,what,value\nA,age,old\n", "not-a-number", 2, "value"),
        ("values", "id,what,value\n,age,70\n", "blank", 2, "id"),
        ("values", "id,what,value\nC,age,70\n", "unknown-patient", 2, "id"),
        ("samples", "id,disease,panel\nA,aml,1\nB,mds,1\nB,aml,2\n", "several-values", 4,
         "disease"),
        ("genes", "id,gene,vaf\nA,TP53,7\n", "not-a-fraction", 2, "vaf"),
        ("genes", "id,gene,vaf\nC,TP53,0.1\n", "unknown-patient", 2, "id"),
    ],
)  # fmt: skip
def test_a_fault_of_a_joined_value_is_told_at_its_own_place(
    table: str, text: str, rule: str, row: int, column: str, tmp_path: Path
) -> None:
    found = faults(tmp_path, **{table: text})
    at = found[(found["rule"] == rule) & (found["table"] == f"{table}.csv")]
    assert row in list(at["row"])
    assert column in set(at["column"])


@pytest.mark.parametrize(
    ("part", "changed", "words"),
    [
        (0, {"join": True}, "no part has the patients"),
        (0, {"unknown_patients": "list"}, "no patient of this part is unknown"),
        (1, {"origin": "seen"}, "'origin' is of the part that has the patients"),
        (1, {"columns": {"patient_id": "id"}}, "'subgroup' is not there"),
        (2, {"columns": {"patient_id": "id", "variable": "what"}}, "'value' is not there"),
        (2, {"columns": {"patient_id": "id", "variable": "what", "value": "value",
                         "wbc": "value"}}, "known: 'patient_id', 'variable', 'value'"),
    ],
)  # fmt: skip
def test_parts_that_cannot_be_joined_are_refused(
    part: int, changed: dict[str, Any], words: str, tmp_path: Path
) -> None:
    source, path = written(tmp_path)
    mapping = yaml.safe_load(path.read_text())
    mapping["tables"]["patients"][part] |= changed
    path.write_text(yaml.safe_dump(mapping))
    with pytest.raises(CohortError, match=words):
        tb.import_cohort(source, path)


@pytest.mark.requirement("R-014")
def test_a_unit_that_is_none_of_time_is_refused_for_days(tmp_path: Path) -> None:
    pytest.importorskip("pint")
    source, path = written(tmp_path)
    path.write_text(path.read_text().replace("unit: mo", "unit: g/dL"))
    with pytest.raises(CohortError, match="unit-incompatible"):
        tb.import_cohort(source, path)
