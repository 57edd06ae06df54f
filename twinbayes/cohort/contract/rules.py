"""Rules that join tables: who is in them, in what order things happened, and what is declared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.cohort.contract.day_numbers import beyond_life, looks_like
from twinbayes.cohort.contract.dictionary import check_ranges
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.identifiers import lost_zeros
from twinbayes.cohort.tables import without_blank_intervals


def check_tables(tables: Mapping[str, DataFrame], faults: Faults) -> None:
    """Note every fault that only shows when typed tables are compared.

    A table that could not be typed is absent, and rules that need it are left to the next
    reading: its own faults come first.
    """
    patients = tables.get(names.PATIENTS)
    if patients is not None:
        _check_patients(patients, tables, faults)
    _check_repeats(tables, faults)
    _check_order_of_days(tables, faults)
    _check_declared(tables, faults)


def _note(
    faults: Faults, rule: str, table: str, problem: str, column: str, frame: DataFrame, mask: Series
) -> None:
    rows = frame.index[mask.to_numpy(dtype=bool)]
    if len(rows):
        faults.add(rule, table, problem, column=column, rows=rows)


def _check_patients(patients: DataFrame, tables: Mapping[str, DataFrame], faults: Faults) -> None:
    ids = patients[names.PATIENT_ID]
    if patients.empty:
        faults.add("no-patients", names.PATIENTS, "the table has no rows")
    repeated = ids.notna() & ids.duplicated()
    problem = "the patient is there already"
    _note(
        faults, "duplicate-patient", names.PATIENTS, problem, names.PATIENT_ID, patients, repeated
    )
    for table in (names.GENOMICS, names.VISITS, names.EVENTS, names.TREATMENTS):
        if (frame := tables.get(table)) is None:
            continue
        _check_known(table, frame, ids, faults)
    for column in (names.SUBGROUP, names.CENTRE):
        labels = patients[column]
        whole = labels == names.WHOLE
        if 0 < whole.sum() < len(patients):
            problem = f"{names.WHOLE!r} names all patients together"
            _note(faults, "name-of-the-whole", names.PATIENTS, problem, column, patients, whole)
    if (events := tables.get(names.EVENTS)) is not None:
        closed = events.loc[events[names.EVENT].isin(names.TERMINAL_EVENTS), names.PATIENT_ID]
        problem = "the patient has no death or last_contact in events"
        _note(
            faults,
            "no-terminal",
            names.PATIENTS,
            problem,
            names.PATIENT_ID,
            patients,
            ids.notna() & ~repeated & ~ids.isin(closed),
        )


def _check_known(table: str, frame: DataFrame, ids: Series, faults: Faults) -> None:
    """Note rows of unknown patients, and tell zeros that were lost from the identifier."""
    who = frame[names.PATIENT_ID]
    unknown = who.notna() & ~who.isin(ids)
    lost = Series(False, index=frame.index)
    lost[unknown] = lost_zeros(who[unknown], ids)
    problem = "the patient is not in the patients table"
    cause = (
        f"{problem}, but would be if zeros in front of numbers did not count: one of the tables "
        "has lost them, as spreadsheets do. Store the column as text"
    )
    for said, mask in ((cause, lost), (problem, unknown & ~lost)):
        _note(faults, "unknown-patient", table, said, names.PATIENT_ID, frame, mask)


def _check_repeats(tables: Mapping[str, DataFrame], faults: Faults) -> None:
    for table, rule, key in (
        (names.GENOMICS, "duplicate-patient", [names.PATIENT_ID]),
        (names.EVENTS, "duplicate-row", [names.PATIENT_ID, names.DAY, names.EVENT]),
        (names.VISITS, "duplicate-visit", [names.PATIENT_ID, names.DAY, names.MARKER]),
        (names.TREATMENTS, "duplicate-row", [names.PATIENT_ID, "start_day", names.TREATMENT]),
    ):
        if (frame := tables.get(table)) is None:
            continue
        repeated = frame[key].notna().all(axis=1) & frame.duplicated(key)
        problem = f"an earlier row has the same {', '.join(key)}"
        _note(faults, rule, table, problem, key[-1], frame, repeated)
    if (events := tables.get(names.EVENTS)) is not None:
        terminal = events[events[names.EVENT].isin(names.TERMINAL_EVENTS)]
        again = terminal[names.PATIENT_ID].notna() & terminal.duplicated(names.PATIENT_ID)
        problem = "an earlier row already ends the patient's record"
        _note(faults, "two-terminals", names.EVENTS, problem, names.EVENT, terminal, again)


def _check_order_of_days(tables: Mapping[str, DataFrame], faults: Faults) -> None:
    if (treatments := tables.get(names.TREATMENTS)) is not None:
        early = treatments["stop_day"] < treatments["start_day"]
        _note(
            faults,
            "stop-before-start",
            names.TREATMENTS,
            "the treatment stops before it starts",
            "stop_day",
            treatments,
            early,
        )
    if (events := tables.get(names.EVENTS)) is None:
        return
    _check_intervals(events, faults)
    terminal = events[events[names.EVENT].isin(names.TERMINAL_EVENTS)]
    last = terminal.groupby(names.PATIENT_ID)[names.DAY].max()
    if (patients := tables.get(names.PATIENTS)) is not None:
        dead = terminal.loc[terminal[names.EVENT] == names.DEATH, names.PATIENT_ID]
        entry, ends = patients[names.ENTRY_DAY], patients[names.PATIENT_ID].map(last).astype(float)
        at_death = patients[names.PATIENT_ID].isin(dead) & (entry > 0.0) & (entry == ends)
        late = (entry > ends) | at_death
        problem = "the patient comes under observation when the record has ended"
        column = names.ENTRY_DAY
        _note(faults, "entry-after-end", names.PATIENTS, problem, column, patients, late)
    for table, column in (
        (names.EVENTS, names.DAY),
        (names.VISITS, names.DAY),
        (names.TREATMENTS, "start_day"),
        (names.TREATMENTS, "stop_day"),
    ):
        if (frame := tables.get(table)) is None:
            continue
        late = frame[column] > frame[names.PATIENT_ID].map(last).astype(float)
        problem = "the day is after the patient's death or last contact"
        dates = late & beyond_life(frame[column].to_numpy(dtype=float))
        _note(faults, "after-terminal", table, problem, column, frame, late & ~dates)
        if dates.any():
            like = looks_like(frame.loc[dates, column].to_numpy(dtype=float))
            said = f"{problem}, and like {like}"
            _note(faults, "after-terminal", table, said, column, frame, dates)


def _check_intervals(events: DataFrame, faults: Faults) -> None:
    """Events that are only known to lie between two days, `day_lower` and `day`."""
    lower, terminal = events[names.DAY_LOWER], events[names.EVENT].isin(names.TERMINAL_EVENTS)
    by_day = events.sort_values([names.DAY], kind="stable")
    before = by_day.groupby(names.PATIENT_ID)[names.DAY].shift().reindex(events.index)
    for rule, problem, mask in (
        ("interval-empty", "day_lower is not before day", lower >= events[names.DAY]),
        ("interval-terminal", "an event that ends the record has a day_lower", terminal),
        ("interval-overlap", "day_lower is before an earlier event", ~terminal & (lower < before)),
    ):
        found = lower.notna() & mask
        _note(faults, rule, names.EVENTS, problem, names.DAY_LOWER, events, found)


def _check_declared(tables: Mapping[str, DataFrame], faults: Faults) -> None:
    if (variables := tables.get(names.VARIABLES)) is None:
        return
    for table, column, rule, value in (
        (names.VISITS, names.MARKER, "unknown-marker", "value"),
        (names.TREATMENTS, names.TREATMENT, "unknown-treatment", "dose"),
    ):
        if (frame := tables.get(table)) is None:
            continue
        known = variables.loc[variables["table"] == table, "name"]
        unknown = frame[column].notna() & ~frame[column].isin(known)
        problem = f"the variables table does not declare the {column}"
        _note(faults, rule, table, problem, column, frame, unknown)
        check_ranges(frame, table, value, column, variables, faults)


def in_patient_order(tables: Mapping[str, DataFrame]) -> dict[str, DataFrame]:
    """Order valid tables by patient as in `patients`, then by day, terminal events last."""
    patients = tables[names.PATIENTS].reset_index(drop=True)
    rank = {patient: k for k, patient in enumerate(patients[names.PATIENT_ID].tolist())}
    ordered = {names.PATIENTS: patients}
    for table, given in tables.items():
        frame = without_blank_intervals(given) if table == names.EVENTS else given
        if table in (names.PATIENTS, names.VARIABLES):
            ordered[table] = frame.reset_index(drop=True)
        elif table == names.GENOMICS:
            # A patient without a row was not assessed: every lesion is unknown.
            by_patient = frame.set_index(names.PATIENT_ID).reindex(patients[names.PATIENT_ID])
            ordered[table] = by_patient.reset_index()
        else:
            day = frame["start_day" if table == names.TREATMENTS else names.DAY]
            who = np.array([rank[p] for p in frame[names.PATIENT_ID].tolist()], dtype=float)
            keys = [day.to_numpy(dtype=float), who]
            if table == names.EVENTS:
                keys.insert(0, frame[names.EVENT].isin(names.TERMINAL_EVENTS).to_numpy())
            ordered[table] = frame.iloc[np.lexsort(tuple(np.asarray(k) for k in keys))].reset_index(
                drop=True
            )
    return ordered
