"""Values of several parts put together, row by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from twinbayes import names
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.shaping.block import Block

type _Where = tuple[str, int, str | None]


def joined(blocks: Sequence[Block], faults: Faults, *, largest: bool) -> list[Block]:
    """Give the values of blocks that join to the patients of those that do not.

    Parameters
    ----------
    blocks
        Of one table.
    faults
        Where different values for one cell are noted.
    largest
        Of different values for one cell, take the largest: a lesion that was found is present.
        Patients of whom no other block has a row get one.

    Returns
    -------
    list
        The blocks as they are, if none joins.
    """
    if not any(block.joins for block in blocks):
        return list(blocks)
    bases = [_Base.of(block) for block in blocks if not block.joins]
    home: dict[str, tuple[_Base, int]] = {}
    for base in bases:
        for k, patient in enumerate(base.columns[names.PATIENT_ID]):
            home.setdefault(patient, (base, k))
    for block in (block for block in blocks if block.joins):
        fresh = _Base(block, rows=[], columns={names.PATIENT_ID: []})
        ids = block.columns[names.PATIENT_ID]
        column = block.headers.get(names.PATIENT_ID)
        blank = [row for row, patient in zip(block.rows, ids, strict=True) if patient is None]
        faults.add("blank", block.source, "the patient is blank", column=column, rows=blank)
        for k, patient in enumerate(ids):
            if patient is None:
                continue
            if patient not in home:
                home[patient] = fresh, fresh.extended(patient, block.rows[k])
        for name, cells in block.columns.items():
            if name == names.PATIENT_ID:
                continue
            header = block.headers.get(name)
            several = []
            for row, patient, value in zip(block.rows, ids, cells, strict=True):
                if patient is None or value is None:
                    continue
                base, at = home[patient]
                if not base.put(at, name, value, (block.source, row, header), largest=largest):
                    several.append(row)
            problem = "the patient has another value already"
            faults.add("several-values", block.source, problem, column=header, rows=several)
        bases.append(fresh)
    return [base.block() for base in bases if base.rows]


@dataclass(slots=True)
class _Base:
    """Rows that are still being filled in."""

    begun: Block
    rows: list[int]
    columns: dict[str, list[Any]]
    joined: dict[tuple[int, str], _Where] = field(default_factory=dict)

    @classmethod
    def of(cls, block: Block) -> _Base:
        columns = {name: list(cells) for name, cells in block.columns.items()}
        return cls(block, list(block.rows), columns)

    def extended(self, patient: str, row: int) -> int:
        """Add a row; return its position."""
        self.rows.append(row)
        for name, cells in self.columns.items():
            cells.append(patient if name == names.PATIENT_ID else None)
        return len(self.rows) - 1

    def put(self, at: int, name: str, value: Any, where: _Where, *, largest: bool) -> bool:
        """Fill in a cell; False if it holds something else that stays."""
        cells = self.columns.setdefault(name, [None] * len(self.rows))
        largest = largest and isinstance(value, float)  # words have no order
        if cells[at] is not None and cells[at] != value and not largest:
            return False
        if cells[at] is None or (largest and value > cells[at]):
            cells[at] = value
            self.joined[at, name] = where
        return True

    def block(self) -> Block:
        headers = {names.PATIENT_ID: self.begun.headers.get(names.PATIENT_ID)}
        return Block(
            source=self.begun.source,
            rows=self.rows,
            columns=self.columns,
            headers=headers if self.begun.joins else self.begun.headers,
            joined=self.joined,
        )
