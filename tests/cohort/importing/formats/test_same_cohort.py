"""A registry written in a standard format and read back: the same cohort, and every row told of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import adam_files
import cbioportal_study
import omop_database
import twinbayes as tb
from twinbayes.cohort import Cohort
from twinbayes.cohort.importing.running import run_import
from twinbayes.datasets.simulated.simulate import simulate_registry

type Carried = Callable[[Cohort, Path], tuple[str | Path, Path, Cohort]]


def adam(form: str) -> Carried:
    def write(cohort: Cohort, folder: Path) -> tuple[Path, Path, Cohort]:
        written = adam_files.as_adam(cohort)
        if form == "csv":
            return *adam_files.write_csv(written, folder), cohort
        pytest.importorskip("pyreadstat")
        return *adam_files.write_xpt(written, folder, version=int(form)), cohort

    return write


def omop(form: str) -> Carried:
    def write(cohort: Cohort, folder: Path) -> tuple[str | Path, Path, Cohort]:
        pytest.importorskip("duckdb")
        written = omop_database.as_omop(cohort)
        if form == "sqlite":
            pytest.importorskip("sqlalchemy")
            return *omop_database.write_sqlite(written, folder), cohort
        if form == "duckdb":
            return *omop_database.write_duckdb(written, folder), cohort
        return *omop_database.write_files(written, folder, form), cohort

    return write


def study(cohort: Cohort, folder: Path) -> tuple[Path, Path, Cohort]:
    written = cbioportal_study.as_study(cohort)
    return *cbioportal_study.write_study(written, folder), cbioportal_study.in_whole_days(cohort)


FORMATS: dict[str, Carried] = {
    "xpt-5": adam("5"), "xpt-8": adam("8"), "adam-csv": adam("csv"), "duckdb": omop("duckdb"),
    "omop-csv": omop("csv"), "omop-parquet": omop("parquet"), "sqlite": omop("sqlite"),
    "cbioportal": study,
}  # fmt: skip
WHOLE = ("duckdb",)


def the_same(carried: Carried, cohort: Cohort, folder: Path) -> None:
    source, mapping, expected = carried(cohort, folder)
    done = run_import(source, mapping)
    rows = done.ledger.rows
    assert (rows["rows_in"] == rows["rows_used"] + rows["rows_listed"]).all()
    assert len(done.cohort.excluded) == rows["rows_listed"].sum()
    assert done.cohort.fingerprint == expected.fingerprint


@pytest.mark.parametrize("form", WHOLE)
def test_a_registry_of_300_comes_back_the_same(form: str, tmp_path: Path) -> None:
    the_same(FORMATS[form], simulate_registry(seed=11, n_patients=300)[0], tmp_path)


@pytest.mark.requirement("R-013")
@pytest.mark.parametrize("form", [name for name in FORMATS if name not in WHOLE])
def test_a_small_registry_comes_back_the_same(form: str, small: Cohort, tmp_path: Path) -> None:
    the_same(FORMATS[form], small, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 25))
@pytest.mark.parametrize("form", FORMATS)
def test_any_registry_of_300_comes_back_the_same(form: str, seed: int, tmp_path: Path) -> None:
    the_same(FORMATS[form], simulate_registry(seed=seed, n_patients=300)[0], tmp_path)


def test_rows_that_queries_leave_in_the_database_are_counted(small: Cohort, tmp_path: Path) -> None:
    source, mapping, _ = omop("duckdb")(small, tmp_path)
    told = run_import(source, mapping).ledger.unmapped_tables
    assert told["person, of other persons or concepts"] == 5
    assert told["measurement, of other persons or concepts"] == 5  # 3 of a concept, 2 of a person
    assert told["condition_occurrence"] == small.n_patients


def test_a_schema_of_any_name_is_quoted(small: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    name = 'my "cdm"; DROP TABLE person; --'
    written = omop_database.as_omop(small)
    written.mapping["omop"] = {**written.mapping["omop"], "schema": name}
    source, mapping = omop_database.write_duckdb(written, tmp_path, schema=name)
    cohort = tb.import_cohort(source, mapping, tell=None)
    assert cohort.fingerprint == small.fingerprint


def test_names_of_concepts_stand_for_their_numbers(small: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    written = omop_database.as_omop(small)
    visits = written.mapping["tables"]["visits"]
    visits["where"] = {"measurement_concept_id": list(markers_of(small))}
    visits["columns"]["marker"] = "measurement_concept_id"
    visits["columns"]["unit"] = {"column": "unit_concept_id", "values": {
        "g/dL": "g/dL", "10*9/L": "10*9/L", "%": "%", "0": "1"}}  # fmt: skip
    cohort = tb.import_cohort(*omop_database.write_duckdb(written, tmp_path), tell=None)
    assert cohort.fingerprint == small.fingerprint


def test_tables_of_a_database_that_are_only_looked_up_in_are_read(
    small: Cohort, tmp_path: Path
) -> None:
    pytest.importorskip("duckdb")
    written = omop_database.as_omop(small)
    patients, added = written.mapping["tables"]["patients"]
    said = added["columns"]["variable"]
    for code, name in said["values"].items():
        where = {"baseline": "Y", said["column"]: code}
        patients["columns"][name] = {
            "table": added["table"], "column": added["columns"]["value"], "where": where,
        }  # fmt: skip
    written.mapping["tables"] |= {
        "patients": patients,
        # Death alone, so that no part is made of the table of observations.
        "events": {"table": "person", "columns": {"patient_id": "person_source_value"},
                   "closing": {"death": "death_datetime", "last_contact": "last_date"}},
    }  # fmt: skip
    source, mapping = omop_database.write_duckdb(written, tmp_path)
    cohort = tb.import_cohort(source, mapping, tell=None)
    assert cohort.patients.equals(small.patients)


def test_ids_that_became_decimals_are_the_same_ids(small: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    written = omop_database.as_omop(small)
    for name, table in written.tables.items():
        ids = [column for column in table if column.endswith("_id")]
        written.tables[name] = table.astype(dict.fromkeys(ids, float))
    cohort = tb.import_cohort(*omop_database.write_files(written, tmp_path, "csv"), tell=None)
    assert cohort.fingerprint == small.fingerprint


def markers_of(cohort: Cohort) -> set[str]:
    assert cohort.visits is not None
    return {str(m) for m in cohort.visits["marker"]}


def test_the_page_says_what_formats_cannot_carry(root: Path) -> None:
    page = (root / "docs" / "import.md").read_text(encoding="utf-8")
    lost: dict[str, Any] = {
        "ADaM": adam_files.CANNOT, "OMOP": omop_database.CANNOT,
        "cBioPortal": cbioportal_study.CANNOT,
    }  # fmt: skip
    for name, fields in lost.items():
        [line] = [row for row in page.splitlines() if row.startswith(f"| {name}")]
        assert line.split("|")[2].strip() == ("; ".join(fields) or "nothing")
