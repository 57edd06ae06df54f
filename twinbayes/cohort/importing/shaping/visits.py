"""`visits`: from one row a value, or from one row a visit with a column for each marker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from twinbayes import names
from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.cells.units import Conversion, conversion
from twinbayes.cohort.importing.cells.values import Measured, Problem
from twinbayes.cohort.importing.mapping.description import VisitsPart
from twinbayes.cohort.importing.shaping.block import Block, Desk
from twinbayes.cohort.importing.shaping.linked import LinkedRows
from twinbayes.cohort.importing.shaping.measured_units import conversion_of

_NONE: Final = "none"
_UNIT: Final = "unit"


def visit_blocks(part: VisitsPart, rows: Rows, desk: Desk) -> Iterator[Block]:
    """Rows of `visits`, one block a marker where each has a column."""
    linked = LinkedRows(part, rows, desk)
    days = linked.days(part.columns[names.DAY])
    shared: dict[str, Sequence[object]] = {names.PATIENT_ID: linked.ids, names.DAY: days}
    headers = {name: rows.header_of(cell) for name, cell in part.columns.items()}
    if not part.markers:
        markers = rows.text(part.columns[names.MARKER])
        values = _values(part, rows, desk, markers)
        yield _block(rows, linked, {**shared, names.MARKER: markers}, values, headers)
        return
    for marker, cell in part.markers.items():
        values = rows.measured(cell, conversion_of(marker, cell.unit, desk, rows, cell))
        own = {**headers, names.VISIT_VALUE: rows.header_of(cell)}
        yield _block(rows, linked, {**shared, names.MARKER: [marker] * len(rows)}, values, own)


def _block(
    rows: Rows,
    linked: LinkedRows,
    columns: dict[str, Sequence[object]],
    values: list[Measured | None],
    headers: dict[str, str | None],
) -> Block:
    block = Block(
        source=rows.table.name,
        rows=rows.numbers,
        columns={
            **columns,
            names.VISIT_VALUE: [None if v is None else v.number for v in values],
            names.CENSORED: [_NONE if v is None else v.censored for v in values],
        },
        headers=headers,
    )
    return block.kept([k and v is not None for k, v in zip(linked.keep, values, strict=True)])


def _values(
    part: VisitsPart, rows: Rows, desk: Desk, markers: Sequence[str | None]
) -> list[Measured | None]:
    cell = part.columns[names.VISIT_VALUE]
    values = rows.measured(cell)
    units: Sequence[str | None] = [cell.unit] * len(rows)
    if (column := part.columns.get(_UNIT)) is not None:
        units = rows.text(column)
        blank = [k for k, u in enumerate(units) if u is None and values[k] is not None]
        rows.note("unit-blank", "the value has no unit", blank, column)
    elif cell.unit is None and (told := rows.units(cell)) is not None:
        units = [unit or "1" for unit in told]
    values = _in_own_units(rows, desk, markers, values, units)
    if (flag := part.columns.get(names.CENSORED)) is None:
        return values
    return _flagged(part, rows, values, rows.text(flag))


def _in_own_units(
    rows: Rows,
    desk: Desk,
    markers: Sequence[str | None],
    values: list[Measured | None],
    units: Sequence[str | None],
) -> list[Measured | None]:
    """Convert each value to the unit of its marker."""
    known: dict[tuple[str, str], Conversion | Problem | None] = {}
    wrong: dict[Problem, list[int]] = {}
    out: list[Measured | None] = []
    for k, (marker, value, unit) in enumerate(zip(markers, values, units, strict=True)):
        variable = None if marker is None else desk.mapping.variables.get(marker)
        if marker is None or value is None or unit is None or variable is None:
            out.append(value)
            continue
        if (marker, unit) not in known:
            wanted = variable.unit or "1"
            known[marker, unit] = conversion(unit, wanted, variable.molar_mass)
        found = known[marker, unit]
        if isinstance(found, Problem):
            wrong.setdefault(found, []).append(k)
        elif found is not None:
            value = value._replace(number=found.of(value.number))
        out.append(value)
    for problem, at in wrong.items():
        rows.note(problem.rule, problem.text, at)
    return out


def _flagged(
    part: VisitsPart, rows: Rows, values: list[Measured | None], flags: Sequence[str | None]
) -> list[Measured | None]:
    """Say by a column of its own which values are limits."""
    contradicted: list[int] = []
    out: list[Measured | None] = []
    for k, (value, flag) in enumerate(zip(values, flags, strict=True)):
        said = flag or _NONE
        if value is None:
            out.append(None)
            continue
        if value.censored not in (_NONE, said):
            contradicted.append(k)
        out.append(value if value.censored != _NONE else value._replace(censored=said))
    problem = "the cell is a limit, and the column of censoring says otherwise"
    rows.note("censoring-contradiction", problem, contradicted, part.columns[names.CENSORED])
    return out
