"""New rows of patients' records: read, held against what was known, and joined with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from twinbayes.arrays import is_number
from twinbayes.cohort import Cohort
from twinbayes.cohort.extending import extended, last_days
from twinbayes.errors import TwinError, told
from twinbayes.names import (
    CENSORED,
    DAY,
    DAY_LOWER,
    DEATH,
    EVENT,
    EVENTS,
    LAST_CONTACT,
    MARKER,
    PATIENT_ID,
    TREATMENT,
    TREATMENTS,
    VISIT_VALUE,
    VISITS,
)
from twinbayes.twin.patients import Change, Patients

_START: Final = "start_day"
# Column of days, other columns needed, and those that may be left out.
_COLUMNS: Final = {
    VISITS: (DAY, (MARKER, VISIT_VALUE), (CENSORED,)),
    EVENTS: (DAY, (EVENT,), (DAY_LOWER,)),
    TREATMENTS: (_START, (TREATMENT,), ("stop_day", "dose", "line")),
}
_HEADER: Final = 2  # number of a table's first row, as people count in files


def updated_record(
    patients: Patients,
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
    rows = {table: _read(table, frame, patients.patient_ids) for table, frame in given.items()}
    if not any(len(frame) for frame in rows.values()):
        raise TwinError(
            "update: there is nothing new. Give at least one row of visits, events or treatments; "
            "an event last_contact says that the patient was seen."
        )
    _require_markers(rows[VISITS], patients.cohort)
    _require_new(rows[VISITS], patients.cohort)
    landmarks = _landmarks(rows, patients.cohort, day)
    cohort = extended(patients.cohort, rows, landmarks)
    return cohort, Change(patients, rows[VISITS], rows[EVENTS], rows[TREATMENTS])


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
    for column in (when, *((VISIT_VALUE,) if table == VISITS else ())):
        numbers = np.asarray(pd.to_numeric(columns[column], errors="coerce"), dtype=np.float64)
        _refuse(table, ~np.isfinite(numbers), f"{column} is not a finite number", "Correct it")
        columns[column] = numbers
    _refuse(table, columns[when] < 0, f"{when} lies before the patient's origin",
            "Give days since the origin")  # fmt: skip
    if table == VISITS:
        said = columns.get(CENSORED, [None] * len(frame))
        columns[CENSORED] = ["none" if pd.isna(x) else x for x in said]
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
    if day is not None and not (is_number(day) and day >= 0):
        raise TwinError(
            f"update: day must be a finite number of days since origin, not {told(day)}."
        )
    events, before = rows[EVENTS], last_days(cohort)
    gone = cohort.events[cohort.events[EVENT] == DEATH]
    deaths = dict(zip(gone[PATIENT_ID], gone[DAY].astype(float), strict=True))
    if len(events):
        is_death = events[EVENT] == DEATH
        again = events[PATIENT_ID].where(is_death).duplicated()
        _refuse(EVENTS, is_death & again, "an earlier row has the patient's death already",
                "Keep one of them")  # fmt: skip
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
