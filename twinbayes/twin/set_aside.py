"""Rows of a record with no place in the model: named, or refused where they are new."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from twinbayes.errors import TwinError
from twinbayes.names import (
    DAY,
    EVENT,
    EVENTS,
    MARKER,
    PATIENT_ID,
    TREATMENT,
    TREATMENTS,
    VISITS,
)
from twinbayes.twin.patients import Change, Patients

_KEYS: Final = {EVENTS: [PATIENT_ID, DAY, EVENT], TREATMENTS: [PATIENT_ID, "start_day", TREATMENT]}
_HEADER: Final = 2  # number of a table's first row, as people count in files


def set_aside(patients: Patients) -> pd.DataFrame:
    """Rows of the records up to the landmark that say nothing to the model, and why.

    Returns
    -------
    DataFrame
        Columns ``table, row, rule, reason``; `row` counts the rows of the table of
        `patients.cohort` from 0. Events and treatment starts with no way in the state graph, as in
        `Fit.set_aside`; treatments and markers that the model does not have.
    """
    found = [patients.histories.set_aside]
    treatments, visits = patients.cohort.treatments, patients.cohort.visits
    if treatments is not None:
        known = [t.name for t in patients.graph.treatments]
        found.append(_outside(treatments, TREATMENTS, TREATMENT, known))
    if visits is not None:
        curves = patients.learnt.curves
        known = [] if curves is None else [m.marker for m in curves.markers]
        found.append(_outside(visits, VISITS, MARKER, known))
    return pd.concat(found, ignore_index=True)


def _outside(frame: pd.DataFrame, table: str, column: str, known: list[str]) -> pd.DataFrame:
    """Rows of what the model does not have."""
    what = frame[column].astype(str)
    rows = np.flatnonzero(~what.isin(known))
    return pd.DataFrame(
        {
            "table": table,
            "row": rows,
            "rule": f"{column} outside the model",
            "reason": [f"the model has no {column} {name}" for name in what.iloc[rows]],
        }
    )


def require_placed(after: Patients, change: Change) -> None:
    """Refuse an update by which a row of events or treatments has no place in the state graph.

    Raises
    ------
    TwinError
        Naming the first such row among the new ones; or saying that one known before has lost its
        place by them.
    """
    lost = after.histories.set_aside
    there = change.before.histories.set_aside
    for table, key in _KEYS.items():
        frame = after.cohort.tables.get(table)
        mine = lost[lost["table"] == table]
        if frame is None or mine.empty:
            continue
        rows = _named(frame.iloc[mine["row"].to_numpy(dtype=int)], key)
        reasons = dict(zip(rows, mine["reason"], strict=True))
        for k, row in enumerate(_named(getattr(change, table), key)):
            if row in reasons:
                raise TwinError(
                    f"update: {table}, row {k + _HEADER} (the header is row 1): {reasons[row]}, so "
                    "that it would say nothing to the model. Check day and name, give what led "
                    "there as well, or leave it out."
                )
        before = change.before.cohort.tables.get(table)
        old = there.loc[there["table"] == table, "row"].to_numpy(dtype=int)
        known = set() if before is None else set(_named(before.iloc[old], key))
        pushed = [reason for row, reason in reasons.items() if row not in known]
        if pushed:
            raise TwinError(
                f"update: {len(pushed)} row(s) of {table} that were known before have no place "
                f"beside the new ones: {pushed[0]}. Check the days; a correction needs a twin "
                "built anew with fit.twin."
            )


def _named(frame: pd.DataFrame, key: list[str]) -> list[tuple[object, ...]]:
    return list(frame[key].itertuples(index=False, name=None))
