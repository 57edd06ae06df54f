"""New rows of patients' records: checked, and joined with what was known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from twinbayes.cohort import Cohort
from twinbayes.cohort.contract.cells import typed_table
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.files import by_row
from twinbayes.cohort.contract.rules import check_tables, in_patient_order
from twinbayes.cohort.contract.schema import table_schema
from twinbayes.errors import TwinError
from twinbayes.names import (
    DAY,
    DAY_LOWER,
    DEATH,
    EVENT,
    EVENTS,
    LAST_CONTACT,
    MARKER,
    PATIENT_ID,
    PATIENTS,
    TERMINAL_EVENTS,
    TREATMENT,
    TREATMENTS,
    VARIABLES,
    VISITS,
)
from twinbayes.twin.weighting.seen import last_days

if TYPE_CHECKING:
    from twinbayes.twin.twin import Twin

_START: Final = "start_day"
# Column of days, other columns needed, and those that may be left out.
_COLUMNS: Final = {
    VISITS: (DAY, (MARKER, "value"), ("censored",)),
    EVENTS: (DAY, (EVENT,), (DAY_LOWER,)),
    TREATMENTS: (_START, (TREATMENT,), ("stop_day", "dose", "line")),
}
_HEADER: Final = 2  # number of a table's first row, as people count in files


@dataclass(frozen=True)
class Change:
    """One update.

    Attributes
    ----------
    before
        The twin that was updated.
    visits, events, treatments
        The rows that were added, with patient_id.
    """

    before: Twin
    visits: pd.DataFrame
    events: pd.DataFrame
    treatments: pd.DataFrame


def updated_record(
    twin: Twin,
    visits: pd.DataFrame | None,
    events: pd.DataFrame | None,
    treatments: pd.DataFrame | None,
    day: float | None,
) -> tuple[Cohort, Change]:
    """Join new rows with a twin's records; see `Twin.update`.

    Returns
    -------
    tuple of Cohort and Change
        The records up to the new landmark, and what was added.
    """
    given = {VISITS: visits, EVENTS: events, TREATMENTS: treatments}
    rows = {table: _read(table, frame, twin.patient_ids) for table, frame in given.items()}
    if not any(len(frame) for frame in rows.values()):
        raise TwinError(
            "update: there is nothing new. Give at least one row of visits, events or treatments; "
            "an event last_contact says that the patient was seen."
        )
    _require_markers(rows[VISITS], twin.cohort)
    _require_new(rows[VISITS], twin.cohort)
    landmarks = _landmarks(rows, twin.cohort, day)
    cohort = _joined(twin.cohort, rows, landmarks)
    return cohort, Change(twin, rows[VISITS], rows[EVENTS], rows[TREATMENTS])


def _read(table: str, frame: pd.DataFrame | None, ids: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of one table with every column of theirs, days and values as numbers."""
    when, needed, optional = _COLUMNS[table]
    names = [PATIENT_ID, when, *needed, *optional]
    if frame is None:
        return pd.DataFrame(columns=names)
    if not isinstance(frame, pd.DataFrame):
        raise TwinError(f"update: {table} must be a DataFrame, not {type(frame).__name__}.")
    unknown = sum(c not in names for c in frame.columns)
    missing = [c for c in (when, *needed) if c not in frame.columns]
    if unknown or missing or not frame.columns.is_unique:
        raise TwinError(
            f"update: {table} has {unknown} unknown column(s) and lacks {missing or 'none'}. "
            f"Give each of {', '.join((when, *needed))} once; {', '.join((PATIENT_ID, *optional))} "
            "may be added."
        )
    if PATIENT_ID not in frame and len(ids) != 1:
        raise TwinError(
            f"update: {table} has no column {PATIENT_ID}, and this twin is of {len(ids)} "
            "patients. Say whose rows they are."
        )
    columns: dict[str, Any] = {c: frame[c].to_numpy() for c in names if c in frame}
    who = [str(p) for p in columns.get(PATIENT_ID, ids * len(frame))]
    known = set(ids)
    _refuse(table, [p not in known for p in who], "the patient is not in this twin",
            "Choose from twin.patient_ids, or build a twin with fit.twin")  # fmt: skip
    for column in (when, *(("value",) if table == VISITS else ())):
        numbers = np.asarray(pd.to_numeric(columns[column], errors="coerce"), dtype=np.float64)
        _refuse(table, ~np.isfinite(numbers), f"{column} is not a finite number", "Correct it")
        columns[column] = numbers
    _refuse(table, columns[when] < 0, f"{when} lies before the patient's origin",
            "Give days since the origin")  # fmt: skip
    if table == VISITS:
        said = columns.get("censored", [None] * len(frame))
        columns["censored"] = ["none" if pd.isna(x) else x for x in said]
    columns[PATIENT_ID] = who
    return pd.DataFrame({c: columns[c] for c in names if c in columns})


def _refuse(table: str, mask: Iterable[bool], problem: str, remedy: str) -> None:
    bad = np.flatnonzero(np.asarray(mask, dtype=bool))
    if len(bad):
        raise TwinError(
            f"update: {table}, row {bad[0] + _HEADER} (of {len(bad)} such; the header is row 1): "
            f"{problem}. {remedy}."
        )


def _require_markers(visits: pd.DataFrame, cohort: Cohort) -> None:
    variables = cohort.variables
    known = list(variables.loc[variables["table"] == VISITS, "name"].astype(str))
    _refuse(VISITS, ~visits[MARKER].isin(known), "the marker is not known to the cohort",
            f"Known: {', '.join(known) or 'none'}")  # fmt: skip


def _require_new(visits: pd.DataFrame, cohort: Cohort) -> None:
    key = [PATIENT_ID, DAY, MARKER]
    if visits.empty:
        return
    _refuse(VISITS, visits.duplicated(key), "an earlier row has the same patient, day and marker",
            "Keep one of them")  # fmt: skip
    if cohort.visits is None:
        return
    there = set(zip(*(cohort.visits[c].to_numpy() for c in key), strict=True))
    again = [row in there for row in zip(*(visits[c].to_numpy() for c in key), strict=True)]
    _refuse(VISITS, again, "the visit is there already",
            "Leave it out; a correction needs a twin built anew with fit.twin")  # fmt: skip


def _landmarks(
    rows: dict[str, pd.DataFrame], cohort: Cohort, day: float | None
) -> dict[str, tuple[float, str]]:
    """New last day of each patient named, and the event on it."""
    if day is not None and not (np.isfinite(day) and day >= 0):
        raise TwinError(f"update: day must be a finite number of days since origin, not {day!r}.")
    events, before = rows[EVENTS], last_days(cohort)
    gone = cohort.events[cohort.events[EVENT] == DEATH]
    deaths = dict(zip(gone[PATIENT_ID], gone[DAY].astype(float), strict=True))
    if len(events):
        is_death = events[EVENT] == DEATH
        _refuse(EVENTS, is_death & events[PATIENT_ID].isin(deaths),
                "the patient's death is there already", "Leave it out")  # fmt: skip
        _refuse(EVENTS, is_death & (events[DAY] < events[PATIENT_ID].map(before)),
                "the patient was known to be alive later than this death",
                "Check the day; a correction needs a twin built anew with fit.twin")  # fmt: skip
        deaths |= dict(zip(events[PATIENT_ID][is_death], events[DAY][is_death], strict=True))
    last: dict[str, float] = {}
    for table, frame in rows.items():
        when, who = frame[_COLUMNS[table][0]].to_numpy(dtype=np.float64), list(frame[PATIENT_ID])
        died = [deaths.get(p, np.inf) for p in who]
        _refuse(table, when > died, "the day is after the patient's death", "Check both days")
        if day is not None:
            _refuse(table, when > day, f"the day is after the new landmark, day {day:g}",
                    "Leave it out, or choose a later landmark")  # fmt: skip
        for patient, at in zip(who, when, strict=True):
            last[patient] = max(last.get(patient, 0.0), float(at))
    out = {}
    for patient, latest in last.items():
        if patient in deaths:
            out[patient] = (float(deaths[patient]), DEATH)
            continue
        if day is not None and day < before[patient]:
            raise TwinError(
                f"update: day {day:g} lies before the landmark of a patient, who has been followed "
                "for longer. Choose a later day; fit.twin(..., at=day) looks back."
            )
        until = max(latest, before[patient]) if day is None else float(day)
        out[patient] = (until, LAST_CONTACT)
    return out


def _joined(
    cohort: Cohort, rows: dict[str, pd.DataFrame], landmarks: dict[str, tuple[float, str]]
) -> Cohort:
    """The cohort with the new rows, once these have passed the rules of the data contract.

    What was known has passed them before.
    """
    who, kind = cohort.events[PATIENT_ID].tolist(), cohort.events[EVENT].tolist()
    days = cohort.events[DAY].to_numpy(dtype=np.float64, copy=True)
    for k, patient in enumerate(who):
        if patient in landmarks and kind[k] in TERMINAL_EVENTS:
            days[k], kind[k] = landmarks[patient]
    events = cohort.events.assign(day=days, event=pd.Series(kind, dtype=cohort.events[EVENT].dtype))
    fresh = {table: rows[table] for table in (VISITS, TREATMENTS) if len(rows[table])}
    news = rows[EVENTS][~rows[EVENTS][EVENT].isin(TERMINAL_EVENTS)]
    checked = _checked(cohort, news, events[[p in landmarks for p in who]], fresh)
    joined = {table: _stacked([cohort.tables.get(table), checked[table]]) for table in fresh}
    if len(news):
        joined[EVENTS] = _stacked([events, checked[EVENTS].iloc[: len(news)]])
    ordered = in_patient_order({PATIENTS: cohort.patients, **joined})
    return cohort.with_rows({EVENTS: events} | {table: ordered[table] for table in joined})


def _checked(
    cohort: Cohort, news: pd.DataFrame, known: pd.DataFrame, fresh: dict[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """New rows as typed by the data contract; it counts them as the tables that were given do.

    `known` are the other events of the patients named, which end where the new record does.
    """
    tables = dict(fresh)
    if len(news) or TREATMENTS in fresh:
        tables[EVENTS] = _stacked([news, known])
    faults, typed = Faults(), {VARIABLES: cohort.variables}
    for table, frame in tables.items():
        typed_rows = typed_table(by_row(frame), table_schema(table), (), faults)
        if typed_rows is not None:
            typed[table] = typed_rows
    check_tables(typed, faults)
    faults.raise_if_any(private=cohort.patient_ids)
    return typed


def _stacked(parts: list[pd.DataFrame | None]) -> pd.DataFrame:
    """Rows one after the other."""
    some = [p for p in parts if p is not None and len(p)]
    return some[0] if len(some) == 1 else pd.concat(some, ignore_index=True)
