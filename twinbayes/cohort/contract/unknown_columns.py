"""Columns that nobody declared: told by their place, and by name only where that is a slip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.schema import TableSchema
from twinbayes.spelling import nearest

_COMPARED: Final = 64  # columns with known names: the rest of a huge header is counted
_PLACES: Final = 5


def note_unknown_columns(
    found: Sequence[str], known: Sequence[str], schema: TableSchema, faults: Faults
) -> None:
    """Note columns that are not known; the header of a table with patients as columns names them.

    Parameters
    ----------
    found
        Columns as read.
    known
        Fixed and declared columns.
    schema, faults
        Table that they are in, and where faults are noted.
    """
    what = "is not in the contract"
    if schema.open:
        what = "is not declared by the variables table"
    unnamed: list[int] = []
    declared = set(known)
    unknown = [(place, name) for place, name in enumerate(found, 1) if name not in declared]
    for compared, (place, name) in enumerate(unknown):
        meant = nearest(name, known) if compared < _COMPARED else None
        if meant is None or meant in found:
            unnamed.append(place)
        else:
            problem = f"the column {what}; it may be meant for {meant!r}"
            faults.add("column-unknown", schema.table, problem, column=name)
    if len(unnamed) == 1:
        faults.add("column-unknown", schema.table, f"column {unnamed[0]} of the table {what}")
    elif unnamed:
        places = ", ".join(map(str, unnamed[:_PLACES])) + ", …" * (len(unnamed) > _PLACES)
        problem = f"{len(unnamed)} columns, in places {places}: each {what}"
        faults.add("column-unknown", schema.table, problem)
