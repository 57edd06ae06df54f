"""Another table in which the rows of patients are looked up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from twinbayes.cohort.importing.cells.dates import DAYS, Horizon, moment
from twinbayes.cohort.importing.cells.values import Problem, number, spelt
from twinbayes.cohort.importing.mapping.description import Cell, MappingFile, Words
from twinbayes.cohort.importing.source import SourceTable
from twinbayes.cohort.importing.usage import Usage

_SEVERAL: Final = "rows of the patient say different things"
_ORDER: Final = "cells that order rows of the patient are neither all dates nor all numbers"
_DATE: Final = "date"
_NO_ORDER: Final = "no row of the patient has a cell to order it by"


@dataclass(slots=True)
class Lookup:
    """A table in which the rows of patients are looked up; what was found is kept for the next."""

    table: SourceTable
    usage: Usage
    horizon: Horizon
    _index: dict[int, dict[str, list[int]]] = field(default_factory=dict)

    def rows_of(
        self, cell: Cell, places: Callable[[Words], int | None], default: Words
    ) -> tuple[int, dict[str, list[int]]] | None:
        """Position of a cell's column, and the rows of each patient that it may be read from.

        Parameters
        ----------
        cell
            The cell.
        places
            Spellings of a column to its position, or None with a fault noted.
        default
            What the column of patients is called unless the cell says it.
        """
        value, people = places(cell.column), places(cell.patient or default)
        wanted = [(places((name,)), words) for name, words in cell.where.items()]
        if value is None or people is None or any(at is None for at, _ in wanted):
            return None
        self.usage.looked_up.setdefault(self.table.name, set())
        rows: Sequence[int] = range(len(self.table.rows))
        for k, (at, words) in enumerate(wanted):
            found = [row for word in words for row in self._where(at or 0).get(word, ())]
            rows = found if k == 0 else sorted(set(rows) & set(found))
        out: defaultdict[str, list[int]] = defaultdict(list)
        for row in rows:
            cells = self.table.rows[row]
            person = spelt(cells[people])
            if person is not None and spelt(cells[value]) is not None:
                out[str(person)].append(row)
        return value, out

    def _where(self, at: int) -> Mapping[str, list[int]]:
        """Rows by what a column says, as it stands and as it is labelled."""
        if at not in self._index:
            labels = self.table.labels.get(self.table.header[at], {})
            index: defaultdict[str, list[int]] = defaultdict(list)
            for row, cells in enumerate(self.table.rows):
                text = spelt(cells[at])
                for said in {str(text), labels.get(str(text), str(text))} - {"None"}:
                    index[said].append(row)
            self._index[at] = dict(index)
        return self._index[at]

    def pick(
        self, rows: Sequence[int], value: int, order: int | None, last: bool, mapping: MappingFile
    ) -> int | Problem:
        """The one of a patient's rows that a cell is read from."""
        if order is not None:
            cells = [self.table.rows[row][order] for row in rows]
            ranks = [_rank(cell, mapping) for cell in cells]
            for cell, rank in zip(cells, ranks, strict=True):
                if isinstance(cell, Problem):
                    return cell
                if rank is None and spelt(cell) is not None:
                    return Problem("lookup-order", _ORDER)
            # Rows without a cell to order them by are none to be taken.
            known = [rank for rank in ranks if rank is not None]
            if not known:
                return Problem("lookup-order", _NO_ORDER)
            if len({kind for kind, _ in known}) > 1:
                return Problem("lookup-order", _ORDER)
            for problem in (self.horizon.passed(at) for kind, at in known if kind == _DATE):
                if problem is not None:
                    return problem
            best = max(known) if last else min(known)
            rows = [row for row, rank in zip(rows, ranks, strict=True) if rank == best]
        said = {spelt(self.table.rows[row][value]) for row in rows}
        if len(said) > 1:
            return Problem("lookup-several", f"{len(said)} {_SEVERAL}")
        return rows[0]


def _rank(cell: object, mapping: MappingFile) -> tuple[str, float] | None:
    """Where a row stands in the order of a column: among dates, or among numbers."""
    value = spelt(cell)
    if (at := moment(value, mapping.dates or DAYS)) is not None:
        return _DATE, float(at)
    mark = mapping.decimal if isinstance(cell, str) else "."
    found = number(value, mark) if isinstance(value, str) else None
    return None if found is None else ("number", found)
