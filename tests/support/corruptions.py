"""Ways to spoil a valid cohort folder, each with the fault it must produce."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
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


def name_patient(folder: Path, k: int) -> int:
    """Say of a row left out whose it is; return its row number."""
    patient = load(folder, "patients")["patient_id"].iloc[k % 5]
    text = f"table,row,rule,reason\nevents,7,no-date,{patient} died abroad\n"
    (folder / "excluded.csv").write_text(text, encoding="utf-8")
    return 2


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
    "a text without end": cell("too-long", "patients", "centre", "9" * 20_000, "x" * 9_000),
    "digits without end": cell(
        "not-a-number", "visits", "value", "9" * 20_000 + "x", "1." * 9_000
    ),
    "a number without end": cell("not-finite", "visits", "value", "9" * 20_000 + "."),
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
    "a range for sex, or levels of age": lambda f, k: (
        "kind-fixed", "variables",
        put_where(f, "variables", ("name", ("sex", "age_years")[k % 2]), ("min", "levels")[k % 2],
                  ("0", "18|19")[k % 2]),
    ),
    "a marker declared for patients": lambda f, k: (
        "role-table", "variables", put_where(f, "variables", ("name", "wbc"), "role", "marker")
    ),
    "a variable without its column": lambda f, k: (
        "variable-without-column", "variables", append(f, "variables", 2, name="ldh")
    ),
    "an entry after the end of the record": cell(
        "entry-after-end", "patients", "entry_day", "99999"
    ),
    "a subgroup that is called as all are": cell(
        "name-of-the-whole", "patients", "subgroup", "all"
    ),
    "a row left out that names a patient": lambda f, k: (
        "identifier", "excluded", name_patient(f, k)
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
