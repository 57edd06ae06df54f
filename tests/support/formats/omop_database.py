"""A cohort as an OMOP database 5.4: DuckDB, folders of CSV or Parquet, SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pandas import DataFrame

from clinical_cohort import genes_of
from standard_formats import Written, covariates, day_zero, frame_of, moments
from twinbayes.cohort import Cohort

#: Nothing, if last contacts and lines of therapy stand in observation and episode.
CANNOT: tuple[str, ...] = ()
OWN = 2_000_000_000  # ids above it are a site's own concepts
SEX = {"male": 8507, "female": 8532}
PRESENT, ABSENT = 45884084, 45878583
LIMITS = {"none": 4172703, "left": 4171756, "right": 4172704}
REGIMEN = 32531
STRANGER = 7_790_001  # id of the first person without the diagnosis
UNITS = {"haemoglobin": 8713, "platelet_count": 8848, "residual_disease_pct": 8554}
UCUM = {8713: "g/dL", 8848: "10*9/L", 8554: "%"}


def as_omop(cohort: Cohort, *, others: int = 5) -> Written:
    """Return the tables and their mapping; `others` are persons without the diagnosis."""
    zero = day_zero(cohort)
    ids = {p: 7_700_001 + k for k, p in enumerate(cohort.patient_ids)}
    groups = {name: OWN + 1 + k for k, name in enumerate(cohort.subgroups)}
    sites = {name: 1 + k for k, name in enumerate(cohort.centres)}
    assert cohort.visits is not None
    assert cohort.genomics is not None
    markers = {m: OWN + 100 + k for k, m in enumerate(sorted(set(cohort.visits["marker"])))}
    genes = {name: OWN + 200 + k for k, name in enumerate(genes_of(cohort))}
    baseline = {name: OWN + 300 + k for k, name in enumerate(covariates(cohort))}
    told = ("complete_remission", "relapse", "last_contact")
    events = {name: OWN + 400 + k for k, name in enumerate(told)}
    people = cohort.patients
    born = [zero[p] - timedelta(days=age * 365.25)
            for p, age in zip(people["patient_id"], people["age_years"], strict=True)]  # fmt: skip
    person = DataFrame({
        "person_id": [ids[p] for p in people["patient_id"]],
        "gender_concept_id": [SEX.get(s, 0) for s in people["sex"]],
        "year_of_birth": [b.year for b in born],
        "month_of_birth": [b.month for b in born],
        "day_of_birth": [b.day for b in born],
        "care_site_id": people["centre"].map(sites),
        "person_source_value": people["patient_id"],
    })  # fmt: skip
    strangers = person.head(others).assign(
        person_id=range(STRANGER, STRANGER + others),
        person_source_value=[f"OTHER-{k}" for k in range(others)],
    )
    when = [zero[p] for p in people["patient_id"]]
    conditions = _rows(
        "condition_occurrence",
        person["person_id"],
        "condition",
        list(people["subgroup"].map(groups)),
        when,
    )
    found = pd.concat(
        [_measured(cohort, zero, ids, markers), _lesions(cohort, zero, ids, genes)],
        ignore_index=True,
    )
    extra = found.head(3).assign(measurement_concept_id=OWN + 999)  # of no interest
    foreign = found.head(2).assign(person_id=STRANGER)
    measurement = pd.concat([found, extra, foreign], ignore_index=True)
    measurement.insert(0, "measurement_id", range(1, len(measurement) + 1))
    died = cohort.events[cohort.events["event"] == "death"]
    deaths = moments(died, "day", zero)
    tables = {
        "person": pd.concat([person, strangers], ignore_index=True),
        "condition_occurrence": conditions,
        "measurement": measurement,
        "observation": _observed(cohort, zero, ids, baseline, events),
        "death": DataFrame({
            "person_id": died["patient_id"].map(ids),
            "death_date": [d.date() for d in deaths if d is not None],
            "death_datetime": deaths,
        }),
        "observation_period": _periods(cohort, zero, ids),
        "episode": _episodes(cohort, zero, ids),
        "concept": _concepts({**groups, **markers, **genes, **baseline, **events}),
    }  # fmt: skip
    tables = {name: table.reset_index(drop=True) for name, table in tables.items()}
    mapping = _mapping(cohort, groups, sites, markers, genes, baseline, events)
    return Written(cohort, tables, mapping)


def write_duckdb(written: Written, folder: Path, *, schema: str = "main") -> tuple[Path, Path]:
    """Write a DuckDB file and the mapping; return both places."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cdm.duckdb"
    connection = duckdb.connect(str(path))
    if schema != "main":
        quoted = '"' + schema.replace('"', '""') + '"'
        connection.execute(f"CREATE SCHEMA {quoted}")
        connection.execute(f"USE {quoted}")
    for name, table in written.tables.items():
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")  # noqa: S608
        connection.unregister("given")
    connection.close()
    return path, written.map_into(folder)


def write_files(written: Written, folder: Path, suffix: str) -> tuple[Path, Path]:
    """Write a folder of CSV or Parquet files and the mapping; return both places."""
    source = folder / "cdm"
    source.mkdir(parents=True)
    for name, table in written.tables.items():
        if suffix == "parquet":
            table.to_parquet(source / f"{name}.parquet", index=False)
        else:
            table.to_csv(source / f"{name}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
    return source, written.map_into(folder)


def write_sqlite(written: Written, folder: Path) -> tuple[str, Path]:
    """Write an SQLite file and the mapping; return its URL and the place of the mapping."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cdm.sqlite"
    connection = sqlite3.connect(path)
    for name, table in written.tables.items():
        text = table.map(
            lambda cell: cell.strftime("%Y-%m-%d %H:%M:%S") if isinstance(cell, datetime) else cell
        )
        text = text.astype(object).where(table.notna(), None)
        columns = ", ".join(f'"{column}"' for column in text)
        connection.execute(f"CREATE TABLE {name} ({columns})")
        places = ", ".join("?" * text.shape[1])
        connection.executemany(
            f"INSERT INTO {name} VALUES ({places})",  # noqa: S608
            [[str(c) if hasattr(c, "isoformat") else c for c in row]
             for row in text.itertuples(index=False)],
        )  # fmt: skip
    connection.commit()
    connection.close()
    return f"sqlite:///{path}", written.map_into(folder)


def _rows(table: str, people: Any, word: str, concepts: Any, when: Any) -> DataFrame:
    """Rows of a table of the model whose columns begin with a word."""
    return DataFrame({
        f"{table}_id": range(1, len(concepts) + 1),
        "person_id": list(people),
        f"{word}_concept_id": concepts,
        f"{word}_start_date": [d.date() for d in when],
        f"{word}_start_datetime": when,
    })  # fmt: skip


def _measured(cohort: Cohort, zero: Any, ids: Any, markers: Any) -> DataFrame:
    visits = cohort.visits
    assert visits is not None
    when = moments(visits, "day", zero)
    return DataFrame({
        "person_id": visits["patient_id"].map(ids),
        "measurement_concept_id": visits["marker"].map(markers),
        "measurement_date": [d.date() for d in when if d is not None],
        "measurement_datetime": when,
        "operator_concept_id": visits["censored"].map(LIMITS),
        "value_as_number": visits["value"],
        "value_as_concept_id": 0,
        "unit_concept_id": visits["marker"].map(UNITS).fillna(0).astype(int),
    })  # fmt: skip


def _lesions(cohort: Cohort, zero: Any, ids: Any, genes: Any) -> DataFrame:
    assert cohort.genomics is not None
    long = cohort.genomics.melt("patient_id", var_name="lesion", value_name="present").dropna()
    when = [zero[p] for p in long["patient_id"]]
    return DataFrame({
        "person_id": long["patient_id"].map(ids),
        "measurement_concept_id": long["lesion"].map(genes),
        "measurement_date": [d.date() for d in when],
        "measurement_datetime": when,
        "operator_concept_id": 0,
        "value_as_number": float("nan"),
        "value_as_concept_id": [PRESENT if one else ABSENT for one in long["present"]],
        "unit_concept_id": 0,
    })  # fmt: skip


def _observed(cohort: Cohort, zero: Any, ids: Any, baseline: Any, events: Any) -> DataFrame:
    """Covariates at day 0, with a later value of each, and events."""
    long = cohort.patients[["patient_id", *baseline]].melt("patient_id").dropna()
    when = [zero[p] for p in long["patient_id"]]
    told = cohort.events[cohort.events["event"].isin(list(events))]
    values = DataFrame({
        "person_id": long["patient_id"].map(ids),
        "observation_concept_id": long["variable"].map(baseline),
        "observation_datetime": when,
        "value_as_number": long["value"],
    })  # fmt: skip
    later = values.assign(
        observation_datetime=values["observation_datetime"] + timedelta(days=400),
        value_as_number=0.0,
    )
    dated = DataFrame({
        "person_id": told["patient_id"].map(ids),
        "observation_concept_id": told["event"].map(events),
        "observation_datetime": moments(told, "day", zero),
        "value_as_number": float("nan"),
    })  # fmt: skip
    out = pd.concat([values, later, dated], ignore_index=True)
    out.insert(0, "observation_id", range(1, len(out) + 1))
    return out.assign(observation_date=[d.date() for d in out["observation_datetime"]])


def _periods(cohort: Cohort, zero: Any, ids: Any) -> DataFrame:
    ends = cohort.events[cohort.events["event"].isin(["death", "last_contact"])]
    last = moments(ends, "day", zero)
    return DataFrame({
        "observation_period_id": range(1, len(ends) + 1),
        "person_id": ends["patient_id"].map(ids),
        "observation_period_start_date": [zero[p].date() for p in ends["patient_id"]],
        "observation_period_end_date": [d.date() for d in last if d is not None],
    })  # fmt: skip


def _episodes(cohort: Cohort, zero: Any, ids: Any) -> DataFrame:
    given = cohort.treatments
    assert given is not None
    return DataFrame({
        "episode_id": range(1, len(given) + 1),
        "person_id": given["patient_id"].map(ids),
        "episode_concept_id": REGIMEN,
        "episode_start_datetime": moments(given, "start_day", zero),
        "episode_number": given["line"].astype(int),
        "episode_object_concept_id": OWN + 500,
    })  # fmt: skip


def _concepts(own: dict[str, int]) -> DataFrame:
    named = {**{code: name for name, code in own.items()}, 8507: "MALE", 8532: "FEMALE"}
    rows = [(code, name, name[:20]) for code, name in named.items()]
    rows += [(code, f"unit {ucum}", ucum) for code, ucum in UCUM.items()]
    rows.append((OWN + 500, "allogeneic_transplant", "HSCT"))
    return DataFrame(rows, columns=["concept_id", "concept_name", "concept_code"])


def _mapping(
    cohort: Cohort, groups: Any, sites: Any, markers: Any, genes: Any, baseline: Any, events: Any
) -> dict[str, Any]:
    def meaning(said: dict[str, int]) -> dict[str, str]:
        return {str(code): name for name, code in said.items()}

    patient = {"patient_id": "person_source_value"}
    return frame_of(
        cohort,
        {
            "patients": [
                {
                    "table": "person",
                    "origin": "index_datetime",
                    "columns": {
                        **patient,
                        "subgroup": {"column": "index_concept_id", "values": meaning(groups)},
                        "centre": {"column": "care_site_id", "values": meaning(sites)},
                        "age_years": {"column": "birth_date", "date": "%Y-%m-%d"},
                        "sex": {"column": "gender_concept_id",
                                "values": {"8507": "male", "8532": "female", "0": None}},
                    },
                },
                {
                    "table": "observation",
                    "where": {"baseline": "Y",
                              "observation_concept_id": [str(c) for c in baseline.values()]},
                    "columns": {
                        **patient,
                        "variable": {"column": "observation_concept_id",
                                     "values": meaning(baseline)},
                        "value": "value_as_number",
                    },
                },
            ],
            "genomics": {
                "table": "measurement",
                "where": {"measurement_concept_id": [str(c) for c in genes.values()]},
                "columns": {
                    **patient,
                    "variable": {"column": "measurement_concept_id", "values": meaning(genes)},
                    "value": {"column": "value_as_concept_id",
                              "values": {str(PRESENT): 1, str(ABSENT): 0}},
                },
            },
            "visits": {
                "table": "measurement",
                "where": {"measurement_concept_id": [str(c) for c in markers.values()]},
                "columns": {
                    **patient,
                    "day": "measurement_datetime",
                    "marker": {"column": "measurement_concept_id", "values": meaning(markers)},
                    "value": "value_as_number",
                    "censored": {"column": "operator_concept_id", "values": meaning(LIMITS)},
                },
            },
            "events": [
                {
                    "table": "observation",
                    "where": {"observation_concept_id": [str(c) for c in events.values()]},
                    "columns": {
                        **patient,
                        "day": "observation_datetime",
                        "event": {"column": "observation_concept_id", "values": meaning(events)},
                    },
                },
                {
                    "table": "death",
                    "columns": {**patient, "day": "death_datetime", "event": {"constant": "death"}},
                },
            ],
            "treatments": {
                "table": "episode",
                "columns": {
                    **patient,
                    "start_day": "episode_start_datetime",
                    "treatment": {"column": "episode_object_concept_id",
                                  "values": {str(OWN + 500): "allogeneic_transplant"}},
                    "line": "episode_number",
                },
            },
        },
        dates="%Y-%m-%d %H:%M:%S",
        omop={
            "diagnosis": list(groups.values()),
            "concepts": {"measurement": [*markers.values(), *genes.values()]},
        },
    )  # fmt: skip
