"""`treatments`: from one row a treatment, or from columns with the dates of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twinbayes import names
from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.mapping.description import Cell, TreatmentsPart
from twinbayes.cohort.importing.shaping.block import Block, Desk
from twinbayes.cohort.importing.shaping.linked import LinkedRows
from twinbayes.cohort.importing.shaping.measured_units import conversion_of


def treatment_blocks(part: TreatmentsPart, rows: Rows, desk: Desk) -> Iterator[Block]:
    """Rows of `treatments`, one block a treatment where each has columns."""
    linked = LinkedRows(part, rows, desk)
    patient = part.columns[names.PATIENT_ID]
    if not part.treatments:
        treatments = rows.text(part.columns[names.TREATMENT])
        yield _block(rows, linked, desk, dict(part.columns), treatments, None)
        return
    for name, given in part.treatments.items():
        keys = ("start_day", "stop_day", "dose", "line")
        cells = {key: cell for key in keys if (cell := getattr(given, key)) is not None}
        cells[names.PATIENT_ID] = patient
        yield _block(rows, linked, desk, cells, [name] * len(rows), name)


def _block(
    rows: Rows,
    linked: LinkedRows,
    desk: Desk,
    cells: dict[str, Cell],
    treatments: Sequence[str | None],
    name: str | None,
) -> Block:
    nothing: list[float | None] = [None] * len(rows)
    starts = linked.days(cells["start_day"])
    columns: dict[str, Sequence[object]] = {
        names.PATIENT_ID: linked.ids,
        "start_day": starts,
        "stop_day": linked.days(cells["stop_day"]) if "stop_day" in cells else nothing,
        names.TREATMENT: treatments,
        "dose": nothing,
        "line": rows.number(cells["line"]) if "line" in cells else nothing,
    }
    if (dose := cells.get("dose")) is not None:
        unit = None if name is None else conversion_of(name, dose.unit, desk, rows, dose)
        columns["dose"] = rows.number(dose, unit)
    block = Block(
        source=rows.table.name,
        rows=rows.numbers,
        columns=columns,
        headers={key: rows.header_of(cell) for key, cell in cells.items()},
    )
    if name is None:
        given = [s is not None or t is not None for s, t in zip(starts, treatments, strict=True)]
    else:  # a row a patient: not given where nothing is filled in
        filled = zip(starts, columns["stop_day"], columns["dose"], strict=True)
        given = [any(cell is not None for cell in some) for some in filled]
    return block.kept([k and g for k, g in zip(linked.keep, given, strict=True)])
