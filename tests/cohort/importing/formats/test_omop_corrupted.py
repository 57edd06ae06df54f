"""Corrupted OMOP databases: each refused with table, row, rule and remedy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pandas import DataFrame

import omop_database
import twinbayes as tb
from refusals import (
    Case,
    Change,
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
from twinbayes.errors import CohortError

duckdb = pytest.importorskip("duckdb")

M, OBS, P = "measurement", "observation", "person"
EVENT = "observation_datetime"


def first_event(column: str, value: object) -> Change:
    """Overwrite a cell of the first row of an event, which follows the covariates."""

    def change(written: Written) -> None:
        concepts = written.tables[OBS]["observation_concept_id"]
        row = int(concepts.index[concepts >= omop_database.OWN + 400][0])
        cell(OBS, column, value, row + 2)(written)

    return change


def gene(column: str, value: object) -> Change:
    """Overwrite a cell of the first row of a lesion, which follows the visits."""

    def change(written: Written) -> None:
        concepts = written.tables[M]["measurement_concept_id"]
        row = int(concepts.index[concepts >= omop_database.OWN + 200][0])
        cell(M, column, value, row + 2)(written)

    return change


CELLS: dict[str, Case] = {
    "no-diagnosis-date": (cell("condition_occurrence", "condition_start_datetime", "soon"),
                          "not-a-date", P, 4, "index_datetime"),
    "index-date": (cell("condition_occurrence", "condition_start_datetime", "03/11/1998"),
                   "not-a-date", P, 4, "index_datetime"),
    "site": (cell(P, "care_site_id", 77), "value-unmapped", P, 4, "care_site_id"),
    "sex": (cell(P, "gender_concept_id", 5), "value-unmapped", P, 4, "gender_concept_id"),
    "person-blank": (cell(P, "person_source_value", ""), "blank", P, 4, "person_source_value"),
    "person-twice": (twice(P), "duplicate-patient", P, None, "person_source_value"),
    "born-never": (cell(P, "month_of_birth", 13), "not-a-date", P, 4, "birth_date"),
    "born-early": (cell(P, "year_of_birth", 1800), "above-maximum", P, 4, "birth_date"),
    "born-late": (cell(P, "year_of_birth", 2015), "birth-after-origin", P, 4, "birth_date"),
    "value-word": (cell(M, "value_as_number", "high"), "not-a-number", M, 4, "value_as_number"),
    "value-range": (cell(M, "value_as_number", 1e9), "above-maximum", M, 4, "value_as_number"),
    "value-long": (cell(M, "value_as_number", "7" * 20_000), "not-a-number", M, 4,
                   "value_as_number"),
    "operator": (cell(M, "operator_concept_id", 1), "value-unmapped", M, 4,
                 "operator_concept_id"),
    "visit-undated": (cell(M, "measurement_datetime", ""), "blank", M, 4, "measurement_datetime"),
    "visit-early": (cell(M, "measurement_datetime", "1980-01-01 00:00:00"), "before-origin", M, 4,
                    "measurement_datetime"),
    "visit-form": (cell(M, "measurement_datetime", "1.1.2001"), "not-a-date", M, 4,
                   "measurement_datetime"),
    "visit-twice": (twice(M), "duplicate-visit", M, None, None),
    "gene-result": (gene("value_as_concept_id", 3), "value-unmapped", M, None,
                    "value_as_concept_id"),
    "covariate-word": (cell(OBS, "value_as_number", "some"), "not-a-number", OBS, 4,
                       "value_as_number"),
    "covariate-range": (cell(OBS, "value_as_number", 99), "above-maximum", OBS, 4,
                        "value_as_number"),
    "event-undated": (first_event(EVENT, ""), "blank", OBS, None, EVENT),
    "event-form": (first_event(EVENT, "2001"), "not-a-date", OBS, None, EVENT),
    "event-early": (first_event(EVENT, "1980-01-01 00:00:00"), "before-origin", OBS, None, EVENT),
    "death-form": (cell("death", "death_datetime", "dead"), "not-a-date", "death", 4,
                   "death_datetime"),
    "death-twice": (twice("death"), "two-terminals", "death", None, None),
    "line": (cell("episode", "episode_number", 0), "below-minimum", "episode", 4,
             "episode_number"),
    "treatment": (cell("episode", "episode_object_concept_id", 8), "value-unmapped", "episode", 4,
                  "episode_object_concept_id"),
    "start": (cell("episode", "episode_start_datetime", ""), "blank", "episode", 4,
              "episode_start_datetime"),
    "no-person": (renamed(M, "person_id", "pid"), "source-column-missing", M, None, "person_id"),
    "no-concept": (renamed(M, "measurement_concept_id", "concept"), "source-column-missing", M,
                   None, "measurement_concept_id"),
    "no-value": (renamed(M, "value_as_number", "amount"), "source-column-missing", M, None,
                 "value_as_number"),
    "no-table": (without("episode"), "source-table-missing", "map.yaml", None,
                 "tables.treatments[1].table"),
    "no-conditions": (without("condition_occurrence"), "source-table-missing",
                      "condition_occurrence", None, None),
    "two-names": (renamed(M, "unit_concept_id", "Person_ID"), "column-twice", "measurement.csv",
                  None, "Person_ID"),
}  # fmt: skip
#: Those that hide others.
ALONE = ("person-blank", "no-diagnosis-date", "index-date")
#: Table: the first row that is changed.
FIRST = {"person": 4}


@pytest.fixture(scope="module")
def whole(small: Cohort) -> Written:
    return omop_database.as_omop(small)


@pytest.fixture
def written(whole: Written) -> Written:
    return Written(whole.cohort, dict(whole.tables), yaml.safe_load(yaml.safe_dump(whole.mapping)))


TOGETHER = cells_of(CELLS, ALONE)
#: Told alone among the slow tests.
SELDOM = (
    *TOGETHER,
    *("person-twice", "visit-twice", "death-twice", "event-form", "event-early"),
)


def is_told(case: Case, faults: DataFrame) -> None:
    _, rule, table, row, column = case
    holds(faults, rule, table, row, column)


def test_corrupted_cells_are_told_all_at_once_each_by_its_place(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    cases = one_a_row(TOGETHER, FIRST, written)
    faults = refused(*omop_database.write_files(written, tmp_path, "csv"), private)
    for case in cases:
        is_told(case, faults)


@pytest.mark.parametrize(
    "name",
    [name if name not in SELDOM else pytest.param(name, marks=pytest.mark.slow) for name in CELLS],
)
def test_a_corrupted_place_is_told_alone(
    name: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    CELLS[name][0](written)
    is_told(CELLS[name], refused(*omop_database.write_files(written, tmp_path, "csv"), private))


@pytest.mark.parametrize("case", ["value-range", "visit-undated", "born-never", "no-person"])
def test_a_database_is_told_of_as_a_folder_is(
    case: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    change, *place = CELLS[case]
    if case == "visit-undated":
        change = cell(M, "measurement_datetime", pd.NaT)
    change(written)
    is_told((change, *place), refused(*omop_database.write_duckdb(written, tmp_path), private))


def test_values_of_one_person_and_covariate_that_differ_are_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    del written.mapping["tables"]["patients"][1]["where"]["baseline"]  # the later ones too
    faults = refused(*omop_database.write_duckdb(written, tmp_path), private)
    assert set(faults["rule"]) == {"several-values"}
    assert set(faults["table"]) == {OBS}
    assert set(faults["column"]) == {"value_as_number"}


MAPPINGS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "diagnosis": (lambda m: m["omop"].update(diagnosis="1) OR (1=1"), "value-kind"),
    "concepts": (lambda m: m["omop"]["concepts"].update(measurement=["1; DROP TABLE person"]),
                 "value-kind"),
    "table": (lambda m: m["tables"]["visits"].update(table="measurement; DROP TABLE person"),
              "source-table-missing"),
    "table-quoted": (lambda m: m["tables"]["visits"].update(table='measurement" --'),
                     "source-table-missing"),
    "table-of-the-database": (lambda m: m["tables"]["visits"].update(table="duckdb_settings"),
                              "source-table-missing"),
    "concept-table": (lambda m: m["omop"]["concepts"].update({"person WHERE 1=1": [1]}),
                      "name-unknown"),
    "schema": (lambda m: m["omop"].update(schema="main; DROP TABLE person"),
               "source-table-missing"),
    "column": (lambda m: m["tables"]["visits"]["columns"].update(day="day; DROP TABLE person"),
               "source-column-missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", MAPPINGS)
def test_sql_in_a_mapping_is_never_run(
    case: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    change, rule = MAPPINGS[case]
    change(written.mapping)
    source, mapping = omop_database.write_duckdb(written, tmp_path)
    before = source.read_bytes()
    assert rule in set(refused(source, mapping, private)["rule"])
    assert source.read_bytes() == before


def test_sql_in_a_value_chooses_nothing(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    where = {"measurement_concept_id": "1' OR '1'='1"}
    written.mapping["tables"]["visits"]["where"] = where
    source, mapping = omop_database.write_duckdb(written, tmp_path)
    cohort = tb.import_cohort(source, mapping, tell=None)
    assert cohort.visits is None or not len(cohort.visits)
    assert len(cohort.excluded)


DATABASES: dict[str, bytes] = {
    "none": b"this is no database" * 500,
    "empty": b"",
    "short": b"\0" * 8 + b"DUCK",
    "sqlite": b"SQLite format 3\0" + b"\0" * 4096,
}


@pytest.mark.parametrize("case", DATABASES)
def test_a_file_that_is_no_database_is_refused(
    case: str, written: Written, private: list[str], tmp_path: Path
) -> None:
    source, mapping = tmp_path / "cdm.duckdb", written.map_into(tmp_path)
    source.write_bytes(DATABASES[case])
    holds(refused(source, mapping, private), "source-unreadable", "cdm.duckdb", None, None)
    assert source.read_bytes() == DATABASES[case]


def test_a_truncated_database_is_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    source, mapping = omop_database.write_duckdb(written, tmp_path)
    source.write_bytes(source.read_bytes()[:200_000])
    holds(refused(source, mapping, private), "source-unreadable", "cdm.duckdb", None, None)


def test_a_view_that_reads_another_file_reaches_nothing(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("person_id,death_date\n1,2001-01-01\n")
    del written.tables["death"]
    source, mapping = omop_database.write_duckdb(written, tmp_path)
    connection = duckdb.connect(str(source))
    secret = tmp_path / "secret.csv"
    view = f"CREATE VIEW death AS SELECT * FROM read_csv('{secret}')"  # noqa: S608
    connection.execute(view)
    connection.close()
    holds(refused(source, mapping, private), "source-unreadable", "cdm.duckdb", None, None)


def test_cells_that_are_lists_or_infinite_are_faults_of_their_place(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    source, mapping = omop_database.write_duckdb(written, tmp_path)
    connection = duckdb.connect(str(source))
    connection.execute("UPDATE measurement SET value_as_number = 'inf' WHERE measurement_id = 3")
    connection.execute("ALTER TABLE episode ADD COLUMN odd INTEGER[] DEFAULT [1, 2]")
    connection.close()
    written.mapping["tables"]["treatments"]["columns"]["line"] = "odd"
    mapping = written.map_into(tmp_path)
    faults = refused(source, mapping, private)
    holds(faults, "not-finite", M, 4, "value_as_number")
    holds(faults, "not-a-cell", "episode", 4, "odd")


def test_pipes_links_and_files_of_the_same_name_are_refused(
    written: Written, private: list[str], tmp_path: Path
) -> None:
    source, mapping = omop_database.write_files(written, tmp_path, "csv")
    (source / "episode.csv").unlink()
    os.mkfifo(source / "episode.csv")
    (source / "death.csv").rename(tmp_path / "death.csv")
    (source / "death.csv").symlink_to(tmp_path / "death.csv")
    (source / "observation.parquet").write_bytes(b"PAR1")
    (source / "measurement.csv").unlink()
    (source / "measurement.parquet").write_bytes(b"PAR1 and no more")
    faults = refused(source, mapping, private)
    holds(faults, "source-irregular", "episode.csv", None, None)
    holds(faults, "source-irregular", "death.csv", None, None)
    holds(faults, "source-table-ambiguous", "observation", None, None)
    holds(faults, "source-unreadable", "measurement.parquet", None, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///nowhere.sqlite", "no such SQLite file"),
        ("sqlite://", "no such SQLite file"),
        ("nosuchdialect://reader:secret@host/cdm", "driver"),
        ("postgresql+nosuchdriver://reader:secret@host/cdm", "driver"),
        ("postgresql://reader:secret@host:port/cdm", "URL cannot be read"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_its_password(
    url: str, words: str, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CohortError, match=words) as caught:
        tb.import_cohort(url, written.map_into(tmp_path))
    assert "secret" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["map.yaml"]


def test_an_sqlite_database_is_not_written_to(written: Written, tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from twinbayes.cohort.importing.omop.sessions import UrlSession

    url, _ = omop_database.write_sqlite(written, tmp_path)
    session = UrlSession(url, None)
    with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
        session.run("DELETE FROM person", {})
    session.close()


@pytest.mark.parametrize(
    ("module", "extra", "form"),
    [("duckdb", "omop", "duckdb"), ("sqlalchemy", "omop", "sqlite"),
     ("pyreadstat", "adam", "xpt")],
)  # fmt: skip
def test_a_library_that_is_not_there_is_named_with_its_extra(
    module: str, extra: str, form: str, written: Written, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    mapping = written.map_into(tmp_path)
    source: str | Path = tmp_path / f"one.{form}"
    Path(source).write_bytes(b"")
    if form == "sqlite":
        source = f"sqlite:///{source}"
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(CohortError, match=rf"twinbayes\[{extra}\]"):
        tb.import_cohort(source, mapping)
