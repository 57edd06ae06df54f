"""New rows of patients' records, joined with what a cohort knew of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes.cohort.contract.cells import typed_table
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import by_row
from twinbayes.cohort.contract.rules import check_tables, in_patient_order
from twinbayes.cohort.contract.schema import table_schema
from twinbayes.cohort.record import Cohort
from twinbayes.names import (
    DAY,
    EVENT,
    EVENTS,
    PATIENT_ID,
    PATIENTS,
    TERMINAL_EVENTS,
    TREATMENTS,
    VARIABLES,
    VISITS,
)


def last_days(cohort: Cohort) -> dict[str, float]:
    """Day of each patient's death or last contact."""
    ends = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)]
    return dict(zip(ends[PATIENT_ID].astype(str), ends[DAY].astype(float), strict=True))


def extended(
    cohort: Cohort, rows: Mapping[str, DataFrame], ends: Mapping[str, tuple[float, str]]
) -> Cohort:
    """Join new rows with what was known, once they have passed the rules of the data contract.

    What was known has passed them before.

    Parameters
    ----------
    rows
        By table: visits, events and treatments, with their columns of the contract; new deaths
        and last contacts are read from `ends` alone.
    ends
        By patient: the new last day, in days since origin, and the event on it.

    Returns
    -------
    Cohort
        The same patients; follow-up of those in `ends` closes there.

    Raises
    ------
    CohortError
        A new row breaks a rule of the data contract.
    """
    who, kind = cohort.events[PATIENT_ID].tolist(), cohort.events[EVENT].tolist()
    days = cohort.events[DAY].to_numpy(dtype=np.float64, copy=True)
    for k, patient in enumerate(who):
        if patient in ends and kind[k] in TERMINAL_EVENTS:
            days[k], kind[k] = ends[patient]
    events = cohort.events.assign(day=days, event=pd.Series(kind, dtype=cohort.events[EVENT].dtype))
    fresh = {table: rows[table] for table in (VISITS, TREATMENTS) if len(rows[table])}
    news = rows[EVENTS][~rows[EVENTS][EVENT].isin(TERMINAL_EVENTS)]
    checked = _checked(cohort, news, events[[p in ends for p in who]], fresh)
    joined = {table: _stacked([cohort.tables.get(table), checked[table]]) for table in fresh}
    if len(news):
        joined[EVENTS] = _stacked([events, checked[EVENTS].iloc[: len(news)]])
    ordered = in_patient_order({PATIENTS: cohort.patients, **joined})
    return cohort.with_rows({EVENTS: events} | {table: ordered[table] for table in joined})


def _checked(
    cohort: Cohort, news: DataFrame, known: DataFrame, fresh: dict[str, DataFrame]
) -> dict[str, DataFrame]:
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


def _stacked(parts: list[DataFrame | None]) -> DataFrame:
    """Rows one after the other."""
    some = [p for p in parts if p is not None and len(p)]
    return some[0] if len(some) == 1 else pd.concat(some, ignore_index=True)
