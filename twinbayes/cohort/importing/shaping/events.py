"""`events`: from one row an event, or from one row a patient with a column for each date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twinbayes import names
from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.mapping.description import Closing, EventsPart
from twinbayes.cohort.importing.shaping.block import Block, Desk
from twinbayes.cohort.importing.shaping.linked import LinkedRows

type _Days = list[float | None]


def event_blocks(part: EventsPart, rows: Rows, desk: Desk) -> Iterator[Block]:
    """Rows of `events`, one block an event where each has a column."""
    linked = LinkedRows(part, rows, desk)
    headers = {name: rows.header_of(cell) for name, cell in part.columns.items()}
    if not part.events and part.closing is None:
        columns: dict[str, Sequence[object]] = {
            names.PATIENT_ID: linked.ids,
            names.DAY: linked.days(part.columns[names.DAY]),
            names.EVENT: rows.text(part.columns[names.EVENT]),
        }
        if (lower := part.columns.get(names.DAY_LOWER)) is not None:
            columns[names.DAY_LOWER] = linked.days(lower)
        block = Block(source=rows.table.name, rows=rows.numbers, columns=columns, headers=headers)
        pairs = zip(linked.keep, columns[names.DAY], columns[names.EVENT], strict=True)
        yield block.kept([k and (d is not None or e is not None) for k, d, e in pairs])
        return
    for event, cell in part.events.items():
        yield _dated(rows, linked, event, linked.days(cell), headers, rows.header_of(cell))
    if part.closing is not None:
        yield from _closing(part.closing, rows, linked, headers)


def _dated(
    rows: Rows,
    linked: LinkedRows,
    event: str,
    days: _Days,
    headers: dict[str, str | None],
    header: str | None,
) -> Block:
    block = Block(
        source=rows.table.name,
        rows=rows.numbers,
        columns={
            names.PATIENT_ID: linked.ids,
            names.DAY: days,
            names.EVENT: [event] * len(rows),
        },
        headers={**headers, names.DAY: header},
    )
    return block.kept([k and d is not None for k, d in zip(linked.keep, days, strict=True)])


def _closing(
    closing: Closing, rows: Rows, linked: LinkedRows, headers: dict[str, str | None]
) -> Iterator[Block]:
    """How each record ends; the vital status decides, or else whether there is a date of death."""
    nothing: _Days = [None] * len(rows)
    died = nothing if closing.death is None else linked.days(closing.death)
    seen = nothing if closing.last_contact is None else linked.days(closing.last_contact)
    status: Sequence[str | None] = [
        names.DEATH if day is not None else names.LAST_CONTACT for day in died
    ]
    if closing.vital_status is not None:
        status = rows.text(closing.vital_status)
    known = (*names.TERMINAL_EVENTS, None)
    odd = [k for k, s in enumerate(status) if s not in known]
    problem = "the vital status means neither death nor last_contact"
    rows.note("value-unmapped", problem, odd, closing.vital_status)
    alive = [k for k, s in enumerate(status) if s == names.LAST_CONTACT and died[k] is not None]
    problem = "the patient is alive, and has a date of death"
    rows.note("closing-contradiction", problem, alive, closing.vital_status)
    late = [
        k for k, s in enumerate(status)
        if s == names.DEATH and (d := died[k]) is not None and (c := seen[k]) is not None and c > d
    ]  # fmt: skip
    problem = "the last contact is after the death"
    rows.note("closing-contradiction", problem, late, closing.last_contact)
    # Where deaths have no column of their own, the last contact of the dead is their death.
    days = {
        names.DEATH: died if closing.death is not None else seen,
        names.LAST_CONTACT: seen,
    }
    blank = [
        k for k, s in enumerate(status)
        if linked.keep[k] and linked.ids[k] is not None
        and (s is None or (s in days and days[s][k] is None))
    ]  # fmt: skip
    cells = {names.DEATH: closing.death or closing.last_contact,
             names.LAST_CONTACT: closing.last_contact}  # fmt: skip
    problem = "the vital status, or the date that belongs to it, is blank"
    ends = (closing.vital_status, closing.death, closing.last_contact)
    told = closing.vital_status or closing.last_contact or closing.death
    rows.note("closing-blank", problem, blank, told, [end for end in ends if end is not None])
    for event, when in days.items():
        own = [day if s == event else None for day, s in zip(when, status, strict=True)]
        yield _dated(rows, linked, event, own, headers, rows.header_of(cells[event]))
