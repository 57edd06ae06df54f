"""The conversion of a column to the unit of its variable."""

from __future__ import annotations

from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.cells.units import Conversion, conversion
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import Cell
from twinbayes.cohort.importing.shaping.block import Desk


def conversion_of(
    variable: str, unit: str | None, desk: Desk, rows: Rows, cell: Cell
) -> Conversion | None:
    """Return how values in a unit become those of the variable; faults are noted."""
    declared = desk.mapping.variables.get(variable)
    if unit is None or declared is None or declared.unit is None:
        return None
    found = conversion(unit, declared.unit, declared.molar_mass)
    if isinstance(found, Problem):
        desk.faults.add(found.rule, rows.table.name, found.text, column=rows.header_of(cell))
        return None
    return found
