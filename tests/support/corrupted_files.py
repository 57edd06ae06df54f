"""Ways to spoil the files of a cohort: encodings, delimiters, headers, descriptors, links."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from corruptions import Expected, corruption, load, store


@corruption
def a_required_table_is_missing(folder: Path, k: int) -> Expected:
    table = ("patients", "events", "variables")[k % 3]
    (folder / f"{table}.csv").unlink()
    return "table-missing", table, None


@corruption
def a_table_twice(folder: Path, k: int) -> Expected:
    (folder / "events.parquet").write_bytes(b"")
    return "table-twice", "events", None


@corruption
def a_misspelt_table(folder: Path, k: int) -> Expected:
    (folder / ("visit.csv", "SECRET-001.csv", "Events.CSV")[k % 3]).write_text("patient_id\n")
    return "table-unknown", "folder", None


@corruption
def another_encoding(folder: Path, k: int) -> Expected:
    path = folder / "patients.csv"
    text = path.read_text().replace("north", "Köln")
    path.write_bytes(text.encode(("latin-1", "utf-16")[k % 2]))
    return "encoding", "patients", None


@corruption
def another_delimiter(folder: Path, k: int) -> Expected:
    path = folder / "visits.csv"
    path.write_text(path.read_text().replace(",", (";", "\t", "|")[k % 3]))
    return "delimiter", "visits", None


@corruption
def an_empty_file(folder: Path, k: int) -> Expected:
    (folder / "treatments.csv").write_text(("", "\n", "\ufeff")[k % 3], encoding="utf-8")
    return "file-empty", "treatments", None


@corruption
def an_unclosed_quotation(folder: Path, k: int) -> Expected:
    path = folder / "events.csv"
    path.write_text(path.read_text() + '"SECRET-001,3,relapse\n')
    return "file-unreadable", "events", None


@corruption
def a_damaged_parquet_file(folder: Path, k: int) -> Expected:
    pytest.importorskip("pyarrow")
    (folder / "events.csv").unlink()
    (folder / "events.parquet").write_bytes(b"PAR1 SECRET-001"[: k % 16])
    return "file-unreadable", "events", None


@corruption
def a_row_with_a_cell_too_many(folder: Path, k: int) -> Expected:
    path = folder / "events.csv"
    lines = path.read_text().splitlines()
    at = 1 + k % (len(lines) - 1)
    lines[at] = lines[at] + ",extra" if k % 2 else lines[at].rsplit(",", 1)[0]
    path.write_text("\n".join(lines) + "\n")
    return "row-length", "events", at + 1


@corruption
def a_missing_column(folder: Path, k: int) -> Expected:
    table, column = (
        ("patients", "centre"), ("events", "day"), ("visits", "censored"), ("variables", "role"),
        ("treatments", "treatment"), ("genomics", "patient_id"),
    )[k % 6]  # fmt: skip
    store(folder, table, load(folder, table).drop(columns=column))
    return "column-missing", table, None


@corruption
def a_file_without_header(folder: Path, k: int) -> Expected:
    path = folder / ("events", "patients", "visits")[k % 3]
    path = path.with_suffix(".csv")
    path.write_text(path.read_text().split("\n", 1)[1])
    return "column-missing", path.stem, None


@corruption
def a_column_twice(folder: Path, k: int) -> Expected:
    path = folder / "events.csv"
    path.write_text("\n".join(f"{line},{line.split(',')[1]}" for line in path.read_text().split()))
    return "column-twice", "events", None


@corruption
def an_undeclared_covariate(folder: Path, k: int) -> Expected:
    table = ("patients", "genomics")[k % 2]
    store(folder, table, load(folder, table).assign(ldh="200"))
    return "column-unknown", table, None


@corruption
def an_unknown_column_of_events(folder: Path, k: int) -> Expected:
    store(folder, "events", load(folder, "events").assign(date="x"))
    return "column-unknown", "events", None


@corruption
def patients_as_columns(folder: Path, k: int) -> Expected:
    frame = load(folder, "genomics")
    for patient in list(frame["patient_id"]):
        frame[patient] = "0"
    store(folder, "genomics", frame)
    return "column-unknown", "genomics", None


@corruption
def an_age_that_no_variable_declares(folder: Path, k: int) -> Expected:
    frame = load(folder, "variables")
    store(folder, "variables", frame[frame["name"] != "age_years"])
    return "column-unknown", "patients", None


@corruption
def a_table_that_is_a_pipe_a_folder_or_a_link(folder: Path, k: int) -> Expected:
    path = folder / "visits.csv"
    path.unlink()
    if k % 4 == 0:
        os.mkfifo(path)
    elif k % 4 == 1:
        path.mkdir()
    else:
        outside = folder.parent / f"{folder.name}-outside.csv"
        outside.write_text("patient_id,day,marker,value,censored\n")
        path.symlink_to(outside if k % 4 == 2 else path)
    return "file-irregular", "visits", None


@corruption
def a_descriptor_that_is_a_pipe(folder: Path, k: int) -> Expected:
    (folder / "datapackage.json").unlink()
    os.mkfifo(folder / "datapackage.json")
    return "file-irregular", "datapackage.json", None


@corruption
def a_list_in_a_cell(folder: Path, k: int) -> Expected:
    pytest.importorskip("pyarrow")
    frame = load(folder, "patients")
    (folder / "patients.csv").unlink()
    wrong = ([1.5], b"SECRET-001")[k % 2]
    frame.assign(wbc=[wrong] * len(frame)).to_parquet(folder / "patients.parquet")
    change_descriptor(folder, resources=[])
    return "not-a-cell", "patients", -1


@corruption
def no_patient_at_all(folder: Path, k: int) -> Expected:
    store(folder, "patients", load(folder, "patients").head(0))
    return "no-patients", "patients", None


@corruption
def no_descriptor(folder: Path, k: int) -> Expected:
    (folder / "datapackage.json").unlink()
    return "descriptor-missing", "datapackage.json", None


ENDLESS = (
    b"[]", b"{", b"\xff", b"3", b"[" * 10**5, b"[" * 5000 + b"]" * 5000,
    b'{"a": ' + b"7" * 5000 + b"}", b'{"name": "\\ud800"}',
)  # fmt: skip


@corruption
def a_descriptor_that_is_no_object(folder: Path, k: int) -> Expected:
    (folder / "datapackage.json").write_bytes(ENDLESS[k % len(ENDLESS)])
    return "descriptor-unreadable", "datapackage.json", None


def change_descriptor(folder: Path, **changes: object) -> None:
    path = folder / "datapackage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@corruption
def a_descriptor_of_another_contract(folder: Path, k: int) -> Expected:
    wrong = ({"contract": "cohort/v2"}, {}, None, {"contract": "cohort/v1", "simulated": "no"})
    change_descriptor(folder, twinbayes=wrong[k % 4])
    return "descriptor-contract", "datapackage.json", None


@corruption
def a_descriptor_that_points_elsewhere(folder: Path, k: int) -> Expected:
    wrong = ("../../etc/passwd", "data/events.csv", "excluded.csv", 3, None)[k % 5]
    change_descriptor(folder, resources=[{"path": wrong}])
    return "descriptor-path", "datapackage.json", None


@corruption
def a_number_stored_as_identifier(folder: Path, k: int) -> Expected:
    pytest.importorskip("pyarrow")
    frame = load(folder, "patients")
    (folder / "patients.csv").unlink()
    frame.assign(centre=1.5).to_parquet(folder / "patients.parquet")
    change_descriptor(folder, resources=[])
    return "not-text", "patients", -1
