"""Rows of the contract that one part gives, each with its place in the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.dates import Horizon
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.usage import Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Rows of one table of the contract.

    Attributes
    ----------
    source
        Source table that they are made of.
    rows
        Row of the source of each.
    columns
        Column of the contract -> its cells.
    headers
        Column of the contract -> header of the source, or None where it is a constant.
    joins
        Whether its values go to rows of other blocks.
    joined
        Place in this block, and column -> source table, row and header of a value that was joined.
    """

    source: str
    rows: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    headers: Mapping[str, str | None]
    joins: bool = False
    joined: Mapping[tuple[int, str], tuple[str, int, str | None]] = field(default_factory=dict)

    def kept(self, keep: Sequence[bool]) -> Block:
        """Return the rows that are marked."""
        return Block(
            source=self.source,
            rows=[r for r, k in zip(self.rows, keep, strict=True) if k],
            columns={
                name: [c for c, k in zip(cells, keep, strict=True) if k]
                for name, cells in self.columns.items()
            },
            headers=self.headers,
            joins=self.joins,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What every part is read with.

    Attributes
    ----------
    horizon
        The last days that dates may be of.
    origins
        Patient -> day 0 in seconds of the calendar, or None where dates are not asked for.
    """

    mapping: MappingFile
    faults: Faults
    usage: Usage
    horizon: Horizon
    origins: dict[str, int | None] = field(default_factory=dict)
