"""Ways to spoil a valid cohort folder, each with the fault it must produce."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandas import DataFrame

# A corruption spoils a valid folder at a place chosen by `k` and returns the fault it must
# produce: rule, table, row (None: the whole table, -1: not checked here).
Expected = tuple[str, str, int | None]
Corruption = Callable[[Path, int], Expected]
CORRUPTIONS: dict[str, Corruption] = {}


def corruption(function: Corruption) -> Corruption:
    CORRUPTIONS[function.__name__] = function
    return function


def load(folder: Path, table: str) -> DataFrame:
    return pd.read_csv(folder / f"{table}.csv", dtype=object, keep_default_na=False)


def store(folder: Path, table: str, frame: DataFrame) -> None:
    frame.to_csv(folder / f"{table}.csv", index=False, lineterminator="\n")


def put(folder: Path, table: str, column: str, value: str, k: int) -> int:
    """Write a value into a cell of a column; return its row number."""
    frame = load(folder, table)
    at = k % len(frame)
    frame.loc[at, column] = value
    store(folder, table, frame)
    return at + 2


def put_where(folder: Path, table: str, key: tuple[str, str], column: str, value: str) -> int:
    frame = load(folder, table)
    at = int(frame.index[frame[key[0]] == key[1]][0])
    frame.loc[at, column] = value
    store(folder, table, frame)
    return at + 2


def append(folder: Path, table: str, k: int, **changes: str) -> int:
    """Repeat a row at the end, changed; return its row number."""
    frame = load(folder, table)
    row = frame.iloc[k % len(frame)].to_dict() | changes
    store(folder, table, pd.concat([frame, DataFrame([row])], ignore_index=True))
    return len(frame) + 2


def cell(rule: str, table: str, column: str, *values: str) -> Corruption:
    def spoil(folder: Path, k: int) -> Expected:
        return rule, table, put(folder, table, column, values[k % len(values)], k)

    return spoil


CORRUPTIONS |= {
    "a blank patient identifier": cell("blank", "patients", "patient_id", ""),
    "a blank subgroup": cell("blank", "patients", "subgroup", "", "NA"),
    "a blank centre": cell("blank", "patients", "centre", ""),
    "a blank event day": cell("blank", "events", "day", ""),
    "a blank marker value": cell("blank", "visits", "value", ""),
    "a covariate without a group": lambda f, k: (
        "blank", "variables", put_where(f, "variables", ("name", "wbc"), "group", "")
    ),
    "a padded identifier": cell("padded", "events", "patient_id", " SECRET-001", "SECRET-001\t"),
    "a control character": cell("padded", "patients", "centre", "north\x07", "nor\nth"),
    "a code for missing in text": cell("missing-code", "patients", "subgroup", "n/a", "null", "."),
    "a day in words": cell("not-a-number", "events", "day", "ten", "10 days", "1_0", "٣"),
    "a decimal comma": cell("not-a-number", "visits", "value", "3,5"),
    "a limit written into a number": cell("not-a-number", "patients", "wbc", "<0.1", ">500", "?"),
    "a calendar date for an event": cell(
        "calendar-date", "events", "day", "2020-03-01", "01.03.2020", "3/1/20", "2020-03-01 10:00"
    ),
    "a calendar date for a treatment": cell(
        "calendar-date", "treatments", "start_day", "2020-03-01"
    ),
    "an infinite day": cell("not-finite", "events", "day", "Inf", "-inf", "1e999", "Infinity"),
    "an infinite covariate": cell("not-finite", "patients", "wbc", "inf"),
    "a fractional line of therapy": cell("not-whole", "treatments", "line", "1.5"),
    "a line of therapy beyond all counting": cell("not-whole", "treatments", "line", "9.3e18"),
    "a negative event day": cell("before-origin", "events", "day", "-1", "-0.5"),
    "a negative visit day": cell("before-origin", "visits", "day", "-1"),
    "a negative treatment start": cell("before-origin", "treatments", "start_day", "-7"),
    "a covariate below its minimum": cell("below-minimum", "patients", "wbc", "0.01", "-2"),
    "a marker above its maximum": cell("above-maximum", "visits", "value", "1e6"),
    "a marker below its minimum": cell("below-minimum", "visits", "value", "-1"),
    "a dose above its maximum": cell("above-maximum", "treatments", "dose", "2500"),
    "an impossible age": cell("above-maximum", "patients", "age_years", "150"),
    "an age outside the declared range": cell("below-minimum", "patients", "age_years", "17"),
    "a line of therapy below 1": cell("below-minimum", "treatments", "line", "0"),
    "an unknown code of sex": cell("not-allowed", "patients", "sex", "F", "1", "Male"),
    "an unknown code of censoring": cell("not-allowed", "visits", "censored", "<", "yes", "LEFT"),
    "an unknown role": cell("not-allowed", "variables", "role", "covariable"),
    "an unknown table in the dictionary": cell("not-allowed", "variables", "table", "labs"),
    "an event name with blanks": cell("name-malformed", "events", "event", "second relapse", "1st"),
    "a level that is not declared": cell("level-undeclared", "patients", "stage", "Late", "III"),
    "a lesion coded as a percentage": cell("not-a-fraction", "genomics", "TP53", "31"),
    "a lesion coded 2 or -1": cell("not-a-fraction", "genomics", "NPM1", "2", "-1"),
    "an unknown patient in events": cell("unknown-patient", "events", "patient_id", "SECRET-999"),
    "an unknown patient in visits": cell("unknown-patient", "visits", "patient_id", "SECRET-999"),
    "an unknown patient in genomics": cell(
        "unknown-patient", "genomics", "patient_id", "SECRET-999"
    ),
    "an unknown patient in treatments": cell(
        "unknown-patient", "treatments", "patient_id", "SECRET-999"
    ),
    "an undeclared marker": cell("unknown-marker", "visits", "marker", "MRD", "ldh"),
    "an undeclared treatment": cell("unknown-treatment", "treatments", "treatment", "chemotherapy"),
    "a treatment that stops before it starts": cell(
        "stop-before-start", "treatments", "stop_day", "3"
    ),
    "a treatment that starts after death": cell(
        "after-terminal", "treatments", "start_day", "900"
    ),
    "a treatment that stops after death": cell("after-terminal", "treatments", "stop_day", "900"),
    "a visit after death": cell("after-terminal", "visits", "day", "900"),
    "a reserved variable name": lambda f, k: (
        "name-reserved", "variables", append(f, "variables", k, name="subgroup")
    ),
    "a variable described twice": lambda f, k: (
        "duplicate-variable", "variables", append(f, "variables", k)
    ),
    "a range that is upside down": lambda f, k: (
        "range-inverted", "variables", put_where(f, "variables", ("name", "wbc"), "min", "900")
    ),
    "levels listed twice": lambda f, k: (
        "levels-malformed", "variables",
        put_where(f, "variables", ("name", "stage"), "levels", "early|late|early"),
    ),
    "a blank level": lambda f, k: (
        "levels-malformed", "variables",
        put_where(f, "variables", ("name", "stage"), "levels", "early||late"),
    ),
    "levels and a range": lambda f, k: (
        "levels-and-range", "variables",
        put_where(f, "variables", ("name", "stage"), "min", "0"),
    ),
    "a marker declared for patients": lambda f, k: (
        "role-table", "variables", put_where(f, "variables", ("name", "wbc"), "role", "marker")
    ),
    "a variable without its column": lambda f, k: (
        "variable-without-column", "variables", append(f, "variables", 2, name="ldh")
    ),
    "a patient twice": lambda f, k: ("duplicate-patient", "patients", append(f, "patients", k)),
    "a patient twice in genomics": lambda f, k: (
        "duplicate-patient", "genomics", append(f, "genomics", k)
    ),
    "a patient without events": lambda f, k: (
        "no-terminal", "patients", append(f, "patients", k, patient_id="SECRET-777")
    ),
    "the same event twice": lambda f, k: (
        "duplicate-row", "events", append(f, "events", k)
    ),
    "the same treatment start twice": lambda f, k: (
        "duplicate-row", "treatments", append(f, "treatments", k)
    ),
    "a marker twice on one day": lambda f, k: (
        "duplicate-visit", "visits", append(f, "visits", k, value="0.5")
    ),
    "a second terminal event": lambda f, k: (
        "two-terminals", "events", append(f, "events", k, day="500", event="death")
    ),
    "an event after death": lambda f, k: (
        "after-terminal", "events", append(f, "events", k, day="900", event="second_relapse")
    ),
}  # fmt: skip


@corruption
def no_terminal_event(folder: Path, k: int) -> Expected:
    frame = load(folder, "events")
    last = frame.index[frame["event"].isin(["death", "last_contact"])]
    store(folder, "events", frame.drop(last[k % len(last)]))
    return "no-terminal", "patients", k % len(last) + 2


def interval(folder: Path, event: str, lower: str, k: int) -> int:
    """Let an event begin an interval; return its row number."""
    frame = load(folder, "events")
    at = frame.index[frame["event"] == event]
    frame.loc[at[k % len(at)], "day_lower"] = lower
    store(folder, "events", frame)
    return int(at[k % len(at)]) + 2


@corruption
def an_interval_that_ends_before_it_begins(folder: Path, k: int) -> Expected:
    return "interval-empty", "events", interval(folder, "relapse", ("390", "399.5")[k % 2], k)


@corruption
def an_interval_that_ends_the_record(folder: Path, k: int) -> Expected:
    return "interval-terminal", "events", interval(folder, "death", "390", k)


@corruption
def an_interval_over_an_earlier_event(folder: Path, k: int) -> Expected:
    return "interval-overlap", "events", interval(folder, "relapse", ("0", "12.5")[k % 2], k)


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
