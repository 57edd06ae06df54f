"""A mapping held against itself: names that fit, columns that the contract needs, dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from twinbayes import names
from twinbayes.cohort.importing.cells.dates import DAYS, is_date_format
from twinbayes.cohort.importing.cells.values import is_limit, measured
from twinbayes.cohort.importing.mapping.building import Noted, Place, known_as
from twinbayes.cohort.importing.mapping.description import (
    VARIABLE,
    Cell,
    EventsPart,
    MappingFile,
    Part,
    PatientsPart,
    TreatmentsPart,
    VisitsPart,
    WidePart,
)
from twinbayes.cohort.importing.source import folded
from twinbayes.discovery import declared_names

#: Columns that a part may map besides declared variables.
FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    names.PATIENTS: (names.PATIENT_ID, names.SUBGROUP, names.CENTRE),
    names.GENOMICS: (names.PATIENT_ID,),
    names.VISITS: (
        *(names.PATIENT_ID, names.DAY, names.MARKER, names.VISIT_VALUE, names.CENSORED),
        "unit",
    ),
    names.EVENTS: (names.PATIENT_ID, names.DAY, names.DAY_LOWER, names.EVENT),
    names.TREATMENTS: (
        *(names.PATIENT_ID, "start_day", "stop_day", names.TREATMENT, "dose", "line"),
    ),
}
OPEN: Final = (names.PATIENTS, names.GENOMICS)
AGE: Final = "age_years"
_DOSE: Final = "dose"
_LONG: Final = (names.PATIENT_ID, VARIABLE, names.VISIT_VALUE)
_CONCEPT: Final = re.compile(r"[0-9]{1,18}")
_READERS: Final = "twinbayes.cohort.importing.readers"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def parts_of(mapping: MappingFile) -> Iterator[tuple[str, int, Part]]:
    """Every part with its table and position."""
    for table in FIXED:
        for k, part in enumerate(getattr(mapping.tables, table)):
            yield table, k, part


def check(mapping: MappingFile, noted: Noted) -> None:
    """Note what contradicts itself."""
    if mapping.dates is not None and not is_date_format(mapping.dates):
        noted.add(("dates",), "date-format", "the format of dates cannot be read")
    readers = declared_names(_READERS, "READERS")
    if mapping.format is not None and mapping.format not in readers:
        noted.add(("format",), "value-kind", known_as(mapping.format, readers))
    for name, variable in mapping.variables.items():
        if any("|" in level or level != level.strip() for level in variable.levels):
            text = "a level has a bar, or blanks around it"
            noted.add(("variables", name, "levels"), "value-kind", text)
        if not _NAME.fullmatch(name):
            text = "a name has letters, digits and underscores"
            noted.add(("variables", name), "name-unknown", text)
    dated = False
    for table, k, part in parts_of(mapping):
        place: Place = ("tables", table, k)
        _check_columns(mapping, table, part, place, noted)
        _check_shape(mapping, part, place, noted)
        for where, cell in cells_of(part):
            dated |= _check_cell(mapping, cell, (*place, *where), noted)
    _check_joins(mapping, noted)
    _check_added(mapping, noted)
    _check_concepts(mapping, noted)
    if dated:
        for k, part in enumerate(mapping.tables.patients):
            if part.origin is None and not part.joins:
                text = "dates are mapped, and the patients have no day 0"
                noted.add(("tables", names.PATIENTS, k), "origin-undeclared", text)


def _check_joins(mapping: MappingFile, noted: Noted) -> None:
    """Patients come from parts that join nothing, and have their subgroup and centre from any."""
    parts = mapping.tables.patients
    added = {name for part in parts for name in part.added}
    place: Place = ("tables", names.PATIENTS)
    if all(part.joins for part in parts):
        noted.add(
            (*place, 0), "contradiction", "no part has the patients that columns are added to"
        )
    for k, part in enumerate(parts):
        if part.joins and part.origin is not None:
            text = "'origin' is of the part that has the patients"
            noted.add((*place, k, "origin"), "contradiction", text)
        if part.joins:
            continue
        if part.unknown_patients == "list":
            text = "no patient of this part is unknown"
            noted.add((*place, k, "unknown_patients"), "contradiction", text)
        for name in FIXED[names.PATIENTS]:
            if name not in part.columns and name not in added:
                noted.add((*place, k, "columns"), "key-missing", f"{name!r} is not there")


def _check_added(mapping: MappingFile, noted: Noted) -> None:
    """A column is looked up, or a part that joins adds it; not both."""
    for table in OPEN:
        elsewhere = looked_up(mapping, table)
        for k, part in enumerate(getattr(mapping.tables, table)):
            place: Place = ("tables", table, k)
            for where, cell in cells_of(part) if part.joins else ():
                if cell.table is not None:
                    text = "a part that joins has no columns that are looked up"
                    noted.add((*place, *where, "table"), "contradiction", text)
            for name in sorted(part.added & elsewhere):
                text = f"{name!r} is looked up by another part, and added by this one"
                noted.add((*place, "columns"), "contradiction", text)


def looked_up(mapping: MappingFile, table: str) -> frozenset[str]:
    """Columns of `patients` or of `genomics` that are looked up in other tables."""
    parts = [part for part in getattr(mapping.tables, table) if not part.joins]
    return frozenset(n for part in parts for n, cell in part.columns.items() if cell.table)


def _check_concepts(mapping: MappingFile, noted: Noted) -> None:
    """Concept ids are whole numbers."""
    if mapping.omop is None:
        return
    lists: dict[tuple[str, ...], tuple[str, ...]] = {("diagnosis",): mapping.omop.diagnosis}
    for table, own in mapping.omop.concepts.items():
        lists["concepts", table] = own
    for where, ids in lists.items():
        if not all(_CONCEPT.fullmatch(one) for one in ids):
            noted.add(("omop", *where), "value-kind", "a concept id is no whole number")


def cells_of(part: Part) -> Iterator[tuple[tuple[str, ...], Cell]]:
    """Every cell of a part, with its place in it."""
    for name, cell in part.columns.items():
        yield ("columns", name), cell
    if isinstance(part, PatientsPart) and part.origin is not None:
        yield ("origin",), part.origin
    if isinstance(part, VisitsPart):
        yield from ((("markers", name), cell) for name, cell in part.markers.items())
    if isinstance(part, EventsPart):
        yield from ((("events", name), cell) for name, cell in part.events.items())
        if part.closing is not None:
            for key in ("vital_status", "death", "last_contact"):
                if (cell := getattr(part.closing, key)) is not None:
                    yield ("closing", key), cell
    if isinstance(part, TreatmentsPart):
        for name, given in part.treatments.items():
            for key in ("start_day", "stop_day", "dose", "line"):
                if (cell := getattr(given, key)) is not None:
                    yield ("treatments", name, key), cell


def tables_read(mapping: MappingFile) -> set[str]:
    """Names of the source tables that a mapping reads, folded."""
    parts = [part for _, _, part in parts_of(mapping)]
    looked_up = [cell.table for part in parts for _, cell in cells_of(part) if cell.table]
    return {folded(name) for name in (*(part.table for part in parts), *looked_up)}


def columns_read(mapping: MappingFile) -> set[str]:
    """Names of the source columns that a mapping reads of any table, folded."""
    out: set[str] = set()
    for _, _, part in parts_of(mapping):
        out.update(part.where)
        for _, cell in cells_of(part):
            out.update(cell.column, cell.patient, cell.where)
            out.update(name for name in (cell.first, cell.last) if name is not None)
    return {folded(name) for name in out}


def is_day(where: tuple[str, ...]) -> bool:
    """Whether a place in a part holds a day."""
    last = where[-1]
    if where[0] in ("events", "origin"):
        return True
    if where[0] == "closing":
        return last != "vital_status"
    return last in (names.DAY, names.DAY_LOWER, "start_day", "stop_day")


def _check_columns(
    mapping: MappingFile, table: str, part: Part, place: Place, noted: Noted
) -> None:
    declared = tuple(n for n, v in mapping.variables.items() if v.table == table)
    known = FIXED[table] + (declared if table in OPEN else ())
    long = isinstance(part, WidePart) and part.is_long
    if long:
        known = _LONG
    for name in part.columns:
        if name not in known:
            noted.add((*place, "columns", name), "name-unknown", known_as(name, known))
    needed = _LONG if long else (names.PATIENT_ID,)
    for name in needed:
        if name not in part.columns:
            noted.add((*place, "columns"), "key-missing", f"{name!r} is not there")
    named = (
        ("markers", part.markers)
        if isinstance(part, VisitsPart)
        else ("treatments", part.treatments)
        if isinstance(part, TreatmentsPart)
        else ("", {})
    )
    for name in named[1]:
        if name not in declared:
            noted.add((*place, named[0], name), "name-unknown", known_as(name, declared))


def _check_shape(mapping: MappingFile, part: Part, place: Place, noted: Noted) -> None:
    """One row a value, or one column a value; not both and not neither."""
    needed: tuple[str, ...] = ()
    if isinstance(part, VisitsPart):
        own, wide = (names.MARKER, names.VISIT_VALUE), bool(part.markers)
        needed, what = (names.DAY,), "markers"
    elif isinstance(part, EventsPart):
        own, wide = (names.DAY, names.EVENT), bool(part.events) or part.closing is not None
        what = "events or closing"
    elif isinstance(part, TreatmentsPart):
        own, wide = ("start_day", names.TREATMENT), bool(part.treatments)
        what = "treatments"
    else:
        return
    columns = (*place, "columns")
    for name in (*needed, *(() if wide else own)):
        if name not in part.columns:
            hint = "" if wide or name in needed else f" (or give {what})"
            noted.add(columns, "key-missing", f"{name!r} is not there{hint}")
    if wide:
        for name in part.columns:
            if name not in (names.PATIENT_ID, *needed) and name in FIXED_OF[type(part)]:
                text = f"{name!r} is of one row a value, and {what} of one column a value"
                noted.add((*columns, name), "contradiction", text)
    if isinstance(part, EventsPart) and part.closing is not None:
        ends = part.closing
        if ends.death is None and ends.last_contact is None:
            text = "'death' or 'last_contact' is not there"
            noted.add((*place, "closing"), "key-missing", text)


FIXED_OF: Final[Mapping[type[Part], tuple[str, ...]]] = {
    VisitsPart: FIXED[names.VISITS],
    EventsPart: FIXED[names.EVENTS],
    TreatmentsPart: FIXED[names.TREATMENTS],
}


def _check_cell(mapping: MappingFile, cell: Cell, place: Place, noted: Noted) -> bool:
    """Note faults of a cell; return whether it holds dates."""
    if bool(cell.column) == (cell.constant is not None):
        rule = "contradiction" if cell.column else "key-missing"
        noted.add(place, rule, "give either column or constant")
    where = tuple(str(part) for part in place[3:])
    day = is_day(where)
    form = cell.date if cell.date is not None else mapping.dates if day else None
    if cell.date is not None and cell.date != DAYS and not is_date_format(cell.date):
        noted.add((*place, "date"), "date-format", "the format of dates cannot be read")
    if form is not None and cell.date is not None and not day and where[-1] != AGE:
        text = "only days, dates of events and age_years (date of birth) may be dates"
        noted.add((*place, "date"), "contradiction", text)
    if where == ("origin",) and form in (None, DAYS):
        noted.add(place, "date-format", "the origin is a date, and has no format")
    if cell.unit is not None and not (day and form in (None, DAYS)):
        _check_unit(mapping, where, place, noted)
    _check_lookup(cell, str(place[1]), where, place, noted)
    _check_limits(mapping, cell, str(place[1]), where, (*place, "limits"), noted)
    return form not in (None, DAYS)


def _check_lookup(
    cell: Cell, table: str, where: tuple[str, ...], place: Place, noted: Noted
) -> None:
    if cell.table is None:
        for key in ("patient", "where", "first", "last"):
            if getattr(cell, key):
                text = f"{key!r} is of a column that is looked up, and 'table' is not there"
                noted.add((*place, key), "contradiction", text)
        return
    if cell.first is not None and cell.last is not None:
        noted.add(place, "contradiction", "give either first or last")
    one_a_patient = table in OPEN or where[0] in ("events", "closing")
    if not one_a_patient or where[-1] == names.PATIENT_ID:
        text = "only columns of one row a patient are looked up in other tables"
        noted.add((*place, "table"), "contradiction", text)


def _check_limits(
    mapping: MappingFile, cell: Cell, table: str, where: tuple[str, ...], place: Place, noted: Noted
) -> None:
    """Numbers stand for limits of what is a number, and of which limits are not kept."""
    if cell.limits is None:
        return
    name = where[-1]
    variable = mapping.variables.get(name)
    known = name == names.VISIT_VALUE or (variable is not None and not variable.levels)
    of_patients = table in OPEN and known and cell.date is None
    if not of_patients and not (table == names.TREATMENTS and name == _DOSE):
        text = "only covariates that are numbers, and doses, have limits that numbers stand for"
        noted.add(place, "contradiction", text + "; those of visits stay limits" * (not known))
    if isinstance(cell.limits, Mapping):
        for limit in cell.limits:
            if not is_limit(limit) or not (measured(limit, ".") or measured(limit, ",")):
                noted.add((*place, limit), "value-kind", "it is no limit such as '<5'")


def _check_unit(mapping: MappingFile, where: tuple[str, ...], place: Place, noted: Noted) -> None:
    if where == ("columns", names.VISIT_VALUE):
        return
    variable = mapping.variables.get(where[1] if where[0] == "treatments" else where[-1])
    if variable is None or variable.unit is None:
        noted.add((*place, "unit"), "contradiction", "its variable has no unit to convert to")
