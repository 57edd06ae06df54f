"""Tables of one row a patient: `patients`, with each patient's day 0, and `genomics`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from twinbayes import names
from twinbayes.cohort.contract.schema import table_schema
from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.mapping.checking import AGE, looked_up
from twinbayes.cohort.importing.mapping.description import (
    VARIABLE,
    Cell,
    Part,
    PatientsPart,
    WidePart,
)
from twinbayes.cohort.importing.shaping.block import Block, Desk
from twinbayes.cohort.importing.shaping.linked import LinkedRows
from twinbayes.cohort.importing.shaping.measured_units import conversion_of
from twinbayes.names import DAYS_PER_YEAR


def patients_blocks(part: PatientsPart, rows: Rows, desk: Desk) -> Iterator[Block]:
    """Rows of `patients`, which fill in the origins of the desk, or values that are joined."""
    if part.joins:
        yield from _joining(part, rows, desk, names.PATIENTS)
        return
    ids = rows.text(part.columns[names.PATIENT_ID])
    since: Sequence[int | None] | None = None
    if part.origin is not None:
        since = rows.moments(part.origin)
        blank = [k for k, day in enumerate(since) if day is None and ids[k] is not None]
        problem = "the date of day 0 is blank"
        rows.note("origin-blank", problem, blank, part.origin, [part.origin])
    for k, patient in enumerate(ids):
        if patient is not None:
            desk.origins.setdefault(patient, None if since is None else since[k])
    yield _wide(part, rows, desk, names.PATIENTS, ids, since)


def genomics_blocks(part: WidePart, rows: Rows, desk: Desk) -> Iterator[Block]:
    """Rows of `genomics`, or values that are joined."""
    if part.joins:
        yield from _joining(part, rows, desk, names.GENOMICS)
        return
    linked = LinkedRows(part, rows, desk)
    block = _wide(part, rows, desk, names.GENOMICS, linked.ids, None)
    yield block.kept(linked.keep)


def _joining(part: WidePart, rows: Rows, desk: Desk, table: str) -> Iterator[Block]:
    linked = LinkedRows(part, rows, desk)
    if not part.is_long:
        since = [None if p is None else desk.origins.get(p) for p in linked.ids]
        block = _wide(part, rows, desk, table, linked.ids, since)
        yield replace(block.kept(linked.keep), joins=True)
        return
    told = rows.text(part.columns[VARIABLE])
    declared = [n for n, v in desk.mapping.variables.items() if v.table == table]
    problem = "the variable is not declared for this table"
    odd = [k for k, name in enumerate(told) if name is not None and name not in declared]
    rows.note("variable-undeclared", problem, odd, part.columns[VARIABLE])
    elsewhere = looked_up(desk.mapping, table)
    problem = "the variable is looked up by another part"
    twice = [k for k, name in enumerate(told) if name in elsewhere]
    rows.note("contradiction", problem, twice, part.columns[VARIABLE])
    cell = part.columns[names.VISIT_VALUE]
    for name in (name for name in declared if name not in elsewhere):
        own = [k for k, one in enumerate(told) if one == name and linked.keep[k]]
        some = rows.at(own)
        values: Sequence[object]
        if _is_text(name, table, desk):
            values = some.text(cell)
        else:
            values = some.number(cell, conversion_of(name, cell.unit, desk, some, cell))
            _require_unit(name, cell, some, desk, values)
        ids = [linked.ids[k] for k in own]
        yield Block(
            source=rows.table.name,
            rows=some.numbers,
            columns={names.PATIENT_ID: ids, name: values},
            headers={
                names.PATIENT_ID: rows.header_of(part.columns[names.PATIENT_ID]),
                name: rows.header_of(cell),
            },
            joins=True,
        ).kept([value is not None for value in values])


def _wide(
    part: Part,
    rows: Rows,
    desk: Desk,
    table: str,
    ids: Sequence[str | None],
    since: Sequence[int | None] | None,
) -> Block:
    columns: dict[str, Sequence[object]] = {names.PATIENT_ID: ids}
    for name, cell in part.columns.items():
        if name == names.PATIENT_ID:
            continue
        if _is_text(name, table, desk):
            columns[name] = rows.text(cell)
        elif name == AGE and cell.date is not None:
            columns[name] = _ages(rows, cell, since)
        else:
            unit = conversion_of(name, cell.unit, desk, rows, cell)
            columns[name] = rows.number(cell, unit)
            _require_unit(name, cell, rows, desk, columns[name])
    headers = {name: rows.header_of(cell) for name, cell in part.columns.items()}
    return Block(source=rows.table.name, rows=rows.numbers, columns=columns, headers=headers)


def _require_unit(name: str, cell: Cell, rows: Rows, desk: Desk, values: Sequence[object]) -> None:
    """Note values that the source says are in another unit than the mapping does."""
    told = rows.units(cell)
    variable = desk.mapping.variables.get(name)
    if told is None or variable is None:
        return
    said = cell.unit or variable.unit or "1"
    odd = [
        k
        for k, (unit, value) in enumerate(zip(told, values, strict=True))
        if value is not None and (unit or "1") != said
    ]
    problem = "the source says another unit of the value than the mapping"
    rows.note("unit-other", problem, odd, cell)


def _is_text(name: str, table: str, desk: Desk) -> bool:
    variable = desk.mapping.variables.get(name)
    if variable is not None and variable.table == table and variable.levels:
        return True
    fixed = {field.name: field.kind for field in table_schema(table).fields}
    return fixed.get(name) == "string"


def _ages(rows: Rows, born: Cell, since: Sequence[int | None] | None) -> list[float | None]:
    """Years from birth to day 0, to a tenth: no date can be told from them."""
    if since is None:
        return [None] * len(rows)
    ages = [
        None if day is None else round(-day / DAYS_PER_YEAR, 1) for day in rows.days(born, since)
    ]
    unborn = [k for k, age in enumerate(ages) if age is not None and age < 0]
    rows.note("birth-after-origin", "the birth is after day 0", unborn, born)
    return ages
