"""The data contract applied: raw tables to a cohort, or one error with every fault."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.contract.cells import typed_table
from twinbayes.cohort.contract.dictionary import (
    check_columns_exist,
    check_dictionary,
    declared_fields,
)
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import raw_frame, without_blank_rows
from twinbayes.cohort.contract.rules import check_tables, in_patient_order
from twinbayes.cohort.contract.schema import (
    EXCLUDED,
    READABLE_TABLES,
    REQUIRED_TABLES,
    table_schema,
)
from twinbayes.cohort.record import Cohort
from twinbayes.cohort.tables import no_exclusions, without_blank_entries
from twinbayes.errors import require_known


def cohort_from_tables(
    name: str,
    tables: Mapping[str, DataFrame],
    *,
    excluded: DataFrame | None = None,
    simulated: bool = False,
    source: Mapping[str, str] | None = None,
) -> Cohort:
    """Validate frames against the data contract, exactly as if they had been read from files.

    Parameters
    ----------
    name
        Name of the cohort.
    tables
        ``patients``, ``events``, ``variables`` and any optional table.
    excluded
        Source rows left out: ``table``, ``row``, ``rule``, ``reason``.
    simulated
        True if no row describes a real person.
    source
        Title, origin, licence and notes.

    Raises
    ------
    CohortError
        With every fault; rows are counted from 2, as in a file with a header.
    OptionError
        If a table is unknown.

    Examples
    --------
    >>> ids, events = ["p1", "p2"], ["death", "last_contact"]
    >>> load = {"name": "load", "table": "visits", "role": "marker", "unit": "1"}
    >>> tables = {
    ...     "patients": pd.DataFrame({"patient_id": ids, "subgroup": "a", "centre": "north"}),
    ...     "events": pd.DataFrame({"patient_id": ids, "day": [90, 700], "event": events}),
    ...     "variables": pd.DataFrame([load]),
    ... }
    >>> tb.cohort_from_tables("mine", tables).n_patients
    2
    """
    for table in tables:
        require_known(table, names.TABLES, "table")
    faults = Faults()
    for table in REQUIRED_TABLES:
        if table not in tables:
            faults.add("table-missing", table, "the table is not given")
    raw: dict[str, DataFrame] = {}
    given_tables: Mapping[str, object] = tables  # of users, who may give anything
    for table, frame in given_tables.items():
        if isinstance(frame, DataFrame):
            raw[table] = raw_frame(frame, table, faults)
        else:
            faults.add("not-a-table", table, "what is given is no DataFrame")
    raw, blank = without_blank_rows(raw)
    given = [part for part in (excluded, blank) if part is not None and len(part)]
    return finish_cohort(
        name=name,
        typed=typed_tables(raw, faults),
        excluded=pd.concat(given, ignore_index=True) if given else no_exclusions(),
        simulated=simulated,
        source=source or {},
        faults=faults,
    )


def typed_tables(raw: Mapping[str, DataFrame], faults: Faults) -> dict[str, DataFrame]:
    """Type and check raw tables indexed by row number, noting every fault."""
    typed: dict[str, DataFrame] = {}
    variables = None
    # The dictionary goes first: it says which columns the other tables have.
    for table in (names.VARIABLES, *(t for t in READABLE_TABLES if t != names.VARIABLES)):
        if table not in raw:
            continue
        schema = table_schema(table)
        if schema.open and variables is None:
            continue
        open_to = variables if schema.open else None
        declared = () if open_to is None else declared_fields(open_to, table)
        frame = typed_table(raw[table], schema, declared, faults)
        if frame is None:
            continue
        typed[table] = frame
        if table == names.VARIABLES:
            variables = frame
            check_dictionary(variables, faults)
            check_columns_exist(variables, raw, faults)
    check_tables(typed, faults)
    return typed


def finish_cohort(
    *,
    name: str,
    typed: dict[str, DataFrame],
    excluded: DataFrame,
    simulated: bool,
    source: Mapping[str, str],
    faults: Faults,
) -> Cohort:
    """Raise what was found, or return the cohort in canonical order."""
    people = [frame[names.PATIENT_ID] for frame in typed.values() if names.PATIENT_ID in frame]
    faults.raise_if_any(private=set().union(*people))
    listed = typed.pop(EXCLUDED, None)
    if listed is not None:
        _require_no_identifier(listed, set(typed[names.PATIENTS][names.PATIENT_ID]), faults)
    ordered = in_patient_order(typed)
    parts = [part for part in (listed, excluded) if part is not None and len(part)]
    return Cohort(
        name=name,
        patients=without_blank_entries(ordered[names.PATIENTS]),
        events=ordered[names.EVENTS],
        variables=ordered[names.VARIABLES],
        genomics=ordered.get(names.GENOMICS),
        visits=ordered.get(names.VISITS),
        treatments=ordered.get(names.TREATMENTS),
        excluded=pd.concat(parts, ignore_index=True) if parts else no_exclusions(),
        simulated=simulated,
        source=dict(source),
    )


def _require_no_identifier(listed: DataFrame, ids: set[str], faults: Faults) -> None:
    """Refuse texts of the table of excluded rows that name a patient: reports show them."""
    for column in ("rule", "reason"):
        words = listed[column].astype(str).str.split(r"[\s,;:()\[\]\"']+")
        named = listed.index[
            [not ids.isdisjoint([*some, *(w.strip(".!?") for w in some)]) for some in words]
        ]
        if len(named):
            faults.add("identifier", EXCLUDED, "names a patient", column=column, rows=named)
    faults.raise_if_any(private=ids)
