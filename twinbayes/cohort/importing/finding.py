"""A source read by the reader that recognises it, and tables of it found by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.checking import tables_read
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.readers import READERS
from twinbayes.cohort.importing.rules import import_faults
from twinbayes.cohort.importing.source import Reader, SourceTable, folded
from twinbayes.errors import require_known

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+_]*://")


def place_of(source: str | Path) -> str | Path:
    """The URL of a database as it is, anything else as a path."""
    return source if isinstance(source, str) and _URL.match(source) else Path(source)


def name_of_place(place: str | Path) -> str:
    """How messages call a source; a URL may hold a password."""
    return "database" if isinstance(place, str) else place.name


def read_source(
    path: str | Path, form: str | None, mapping: MappingFile | Unmapped, faults: Faults
) -> tuple[list[SourceTable], int]:
    """Read every table of a source; what cannot be read is noted as a fault.

    Parameters
    ----------
    path
        File or folder, or the connection URL of a database.
    form
        Name of a reader, or None for the one that recognises the path.
    mapping
        The mapping, or what is known before there is one.
    faults
        Where faults are noted; those of files and sheets that are not mapped are no hindrance.

    Returns
    -------
    tuple
        The tables, and the number of those that are not mapped and could not be read.

    Raises
    ------
    OptionError
        If the reader is unknown.
    """
    reader = reader_of(path, form, faults)
    if reader is None:
        return [], 0
    found, name = import_faults(), name_of_place(path)
    omop = None if isinstance(mapping, Unmapped) else mapping.omop
    if omop is not None and reader is not READERS["omop"]:
        faults.add("contradiction", name, "the mapping has settings of OMOP, and it is no database")
    if isinstance(path, Path):
        tables = reader.read(path, mapping, found)
    elif reader.connects is None:
        found.add("source-missing", name, f"a URL is none of this format ({reader.what})")
        tables = []
    else:
        tables = reader.connects(path, mapping, found)
    if not tables and not len(found):
        faults.add("source-missing", name, f"no table is there ({reader.what})")
    unread = set()
    for fault in found.found:
        if (
            isinstance(mapping, Unmapped)
            or reader.whole
            or fault.table == name
            or _is_mapped(fault.table, mapping)
        ):
            rows = None if fault.row is None else [fault.row]
            faults.add(fault.rule, fault.table, fault.problem, column=fault.column, rows=rows)
        else:
            unread.add(fault.table)
    return [table for table in tables if table.name not in unread], len(unread)


def _is_mapped(name: str, mapping: MappingFile) -> bool:
    return not tables_read(mapping).isdisjoint({folded(name), folded(name.rpartition(".")[0])})


def reader_of(path: str | Path, form: str | None, faults: Faults) -> Reader | None:
    """The reader that recognises a source, or the one asked for; None with a fault noted."""
    if form is not None:
        require_known(form, READERS, "format")
    if isinstance(path, str):
        connecting = [reader for reader in READERS.values() if reader.connects is not None]
        return READERS[form] if form is not None else max(connecting, key=lambda r: r.rank)
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
