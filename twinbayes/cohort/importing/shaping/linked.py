"""Rows of patients who must be in the patients table: who they are, and their day 0."""

from __future__ import annotations

from twinbayes import names
from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.mapping.description import Cell, LinkedPart
from twinbayes.cohort.importing.shaping.block import Desk


class LinkedRows:
    """Rows of a part, with the patient of each.

    Attributes
    ----------
    ids
        Patient of each row, None where blank.
    keep
        Whether the row can be used: others are left out and listed, or are faults.
    """

    def __init__(self, part: LinkedPart, rows: Rows, desk: Desk) -> None:
        self.rows = rows
        cell = part.columns[names.PATIENT_ID]
        self.ids = rows.text(cell)
        self._origins = [None if p is None else desk.origins.get(p) for p in self.ids]
        unknown = [k for k, p in enumerate(self.ids) if p is not None and p not in desk.origins]
        if part.unknown_patients == "list":
            rows.leave_out("unknown-patient", unknown)
        else:
            problem = "the patient is not in the patients table"
            rows.note("unknown-patient", problem, unknown, cell)
        # Rows of a patient without day 0, which is a fault by itself, cannot be dated.
        undated = {p for p, origin in desk.origins.items() if origin is None}
        if len(undated) == len(desk.origins):
            undated = set()
        self.keep = [p is None or (p in desk.origins and p not in undated) for p in self.ids]

    def days(self, cell: Cell) -> list[float | None]:
        """Days since the origin of each row's patient."""
        return self.rows.days(cell, self._origins)
