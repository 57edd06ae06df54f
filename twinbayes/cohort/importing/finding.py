"""A source read by the reader that recognises it, and tables of it found by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.readers import READERS
from twinbayes.cohort.importing.source import Reader, SourceTable, folded
from twinbayes.errors import require_known


def read_source(
    path: Path, form: str | None, mapping: MappingFile | None, faults: Faults
) -> list[SourceTable]:
    """Read every table of a source; what cannot be read is noted as a fault.

    Parameters
    ----------
    path
        File or folder.
    form
        Name of a reader, or None for the one that recognises the path.
    mapping
        The mapping, or None before there is one.
    faults
        Where faults are noted.

    Raises
    ------
    OptionError
        If the reader is unknown.
    """
    reader = _reader(path, form, faults)
    if reader is None:
        return []
    tables = reader.read(path, mapping, faults)
    if not tables and not len(faults):
        faults.add("source-missing", path.name, f"no table is there ({reader.what})")
    return tables


def _reader(path: Path, form: str | None, faults: Faults) -> Reader | None:
    if form is not None:
        require_known(form, READERS, "format")
    if not path.is_dir() and not path.is_file():
        there = path.exists()
        rule = "source-irregular" if there else "source-missing"
        problem = "it is neither a file nor a folder" if there else "there is nothing of this name"
        faults.add(rule, path.name, problem)
        return None
    if form is not None:
        return READERS[form]
    fitting = [reader for reader in READERS.values() if reader.recognises(path)]
    if fitting:
        return max(fitting, key=lambda reader: reader.rank)
    known = "; ".join(reader.what for reader in READERS.values())
    faults.add("source-missing", path.name, f"it is no source of a known format ({known})")
    return None


def find_table(name: str, tables: Sequence[SourceTable]) -> SourceTable | Problem:
    """The table of a name: as it is written, or without capitals, or without its suffix."""
    for same in (
        lambda own: own == name,
        lambda own: folded(own) == folded(name),
        lambda own: folded(own.rpartition(".")[0]) == folded(name),
    ):
        found = [table for table in tables if same(table.name)]
        if len(found) == 1:
            return found[0]
        if found:
            problem = f"{len(found)} tables of the source may be meant by {name!r}"
            return Problem("source-table-ambiguous", problem)
    return Problem("source-table-missing", f"the source has no table {name!r}")
