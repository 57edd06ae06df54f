"""Columns that a draft makes nothing of: what their cells look like, and never what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import spelt
from twinbayes.cohort.importing.proposing.headers import IGNORED, meaning_of
from twinbayes.cohort.importing.proposing.kinds import Kind
from twinbayes.cohort.importing.source import SourceTable
from twinbayes.cohort.quality.suppression import SMALLEST_CELL

_NO_COLUMN: Final = frozenset(("table", "date", "decimal", "constant", "values"))


def unmatched(
    tables: Sequence[tuple[SourceTable, Mapping[str, Kind]]], drafted: Mapping[str, Any]
) -> str:
    """Lines of comment: each header that a draft does not read, with what stands below it.

    Levels are shown where they are few and of several patients each, and where the header names
    neither people nor notes.
    """
    lines = []
    for table, kinds in tables:
        read = _read(table.name, drafted)
        rest = [name for name in dict.fromkeys(table.header) if name and name not in read]
        if rest:
            lines.append(f"# Not read of {table.name!r}:")
        lines += [f"#   {name!r}: {_seen(table, name, kinds[name])}" for name in rest]
    return "".join(f"{line}\n" for line in lines)


def _read(table: str, drafted: Mapping[str, Any]) -> set[str]:
    """Headers of a table that a draft reads."""
    found: set[str] = set()
    for parts in drafted.values():
        for part in parts if isinstance(parts, list) else [parts]:
            if part["table"] == table:
                found.update(_columns(part))
            found.update(*(_columns(cell) for cell in _cells(part) if cell["table"] == table))
    return found


def _cells(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Cells of a part that are looked up in other tables."""
    inner = [v for v in part.values() if isinstance(v, Mapping)]
    return [v for v in inner if "table" in v] + [c for v in inner for c in _cells(v)]


def _columns(said: Any) -> list[str]:
    if isinstance(said, str):
        return [said]
    if not isinstance(said, Mapping):
        return []
    return [
        column
        for key, value in said.items()
        if key not in _NO_COLUMN and not (isinstance(value, Mapping) and "table" in value)
        for column in _columns(value)
    ]


def _seen(table: SourceTable, name: str, kind: Kind) -> str:
    place = table.places(name)[0]
    filled = [str(c) for row in table.rows if (c := spelt(row[place])) is not None]
    what = {"date": f"dates {kind.form}", "number": "numbers", "blank": "blank"}.get(kind.what)
    if what is None:
        counts = Counter(filled)
        few = kind.what == "category" and min(counts.values()) >= SMALLEST_CELL
        what = f"{len(kind.levels)} levels" if kind.what == "category" else "text"
        if few and meaning_of(name) != IGNORED:
            what += f" ({', '.join(map(repr, kind.levels))})"
    return f"{what}{', all different' * kind.distinct}, {len(filled)} of {len(table.rows)} filled"
