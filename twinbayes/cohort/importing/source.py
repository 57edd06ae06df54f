"""What a reader gives: tables of raw cells, and what a reader is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped

MOST_BYTES: Final = 256 * 1024 * 1024
"""Size of the largest file that is read."""
_BLANKS: Final = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTable:
    """A table as it stands in the source.

    Attributes
    ----------
    name
        File or sheet.
    header
        Names of its columns, in order.
    rows
        Cells of each row that holds anything: text, numbers, dates, or None.
    numbers
        Number of each row in the source, where the header is row 1 of a text file.
    blank
        Numbers of rows that hold nothing.
    labels
        Column -> code -> what the code means, where the source has a data dictionary.
    left_out
        Number of each row that is no data -> rule of `LISTED`; it is not among the rows.
    units
        Column -> the column with the unit of each of its cells, where the format defines it.
    meanings
        Column -> what it means, for drafts of mappings, where the format defines it.
    located
        Number of a row -> where it stands, where the table is none of the files.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    numbers: Sequence[int]
    blank: Sequence[int] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left_out: Mapping[int, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    located: Callable[[int], str] | None = None

    def places(self, name: str) -> list[int]:
        """Positions of the columns that a header names, whatever its capitals and blanks."""
        exact = [k for k, own in enumerate(self.header) if own == name]
        wanted = folded(name)
        return exact or [k for k, own in enumerate(self.header) if folded(own) == wanted]


def folded(name: str) -> str:
    """A header without its capitals and superfluous blanks."""
    return _BLANKS.sub(" ", name.strip()).casefold()


def raw_cell(value: object) -> object:
    """A value of a database or a statistical file as a cell; what no cell can hold is a problem."""
    infinite = isinstance(value, float) and math.isinf(value)
    if infinite or (isinstance(value, Decimal) and not value.is_finite()):
        return Problem("not-finite", "the cell is no finite number")
    if value is None or isinstance(value, str | int | float | date | Decimal | Problem):
        return value
    return Problem("not-a-cell", "the cell is no text, number or date")


def is_blank(cells: Iterable[object]) -> bool:
    """Whether a row holds nothing."""
    return all(
        cell is None or (isinstance(cell, str) and not cell.strip()) or cell != cell
        for cell in cells
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """A source format.

    Attributes
    ----------
    what
        What it reads, for people.
    recognises
        Whether a path is of this format.
    read
        Path, mapping (or what is known before there is one) and faults -> tables.
    whole
        Whether the source is one thing: a fault of any file of it is one of the import.
    rank
        Of several readers that recognise a path, the one of the highest rank reads it.
    connects
        Connection URL, mapping and faults -> tables, where the format is one of databases.
    drafts
        Tables and name -> the mapping that the standard of the format suggests, as plain data;
        None where only headers and cells say what columns mean.
    """

    what: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, MappingFile | Unmapped, Faults], list[SourceTable]]
    whole: bool = False
    rank: int = 0
    connects: Callable[[str, MappingFile | Unmapped, Faults], list[SourceTable]] | None = None
    drafts: Callable[[Sequence[SourceTable], str], dict[str, Any]] | None = None
