"""What drafts of standard formats have in common: columns by name, parts, and variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from twinbayes import names
from twinbayes.cohort.importing.cells.values import Problem, spelt
from twinbayes.cohort.importing.mapping.description import SCHEMA
from twinbayes.cohort.importing.proposing.headers import PATIENT, UNTOLD, WORDS, name_of, unit_of
from twinbayes.cohort.importing.proposing.kinds import Kind, kind_of
from twinbayes.cohort.importing.source import SourceTable, folded

_ORDER: Final = (
    names.PATIENTS, names.GENOMICS, names.VISITS, names.EVENTS, names.TREATMENTS,
)  # fmt: skip
_UNKNOWN: Final = ("u", "unknown", "undifferentiated", "not available", "not reported")
_MOST_NAMED: Final = 60  # markers, treatments or lesions of a table that are drafted


@dataclass(slots=True)
class Sketch:
    """A draft while it is made."""

    name: str
    tables: Sequence[SourceTable]
    parts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=lambda: {PATIENT, "subgroup", "centre"})

    def table(self, stem: str) -> SourceTable | None:
        """The table of a name, whatever its suffix."""
        own = (t for t in self.tables if stem in (folded(t.name), folded(t.name).partition(".")[0]))
        return next(own, None)

    def add(self, table: str, part: dict[str, Any]) -> None:
        """Add a part."""
        self.parts.setdefault(table, []).append(part)

    def kind(self, table: SourceTable, column: str) -> Kind:
        """What a column looks like; its codes for missing values are noted."""
        found = kind_of(table, table.places(column)[0])
        self.missing.update(found.missing)
        return found

    def declare(self, name: str, table: str, **more: Any) -> None:
        """Declare a variable."""
        group = {names.PATIENTS: "clinical", names.GENOMICS: "gene"}.get(table)
        self.variables[name] = {"table": table} | ({"group": group} if group else {}) | more
        self.taken.add(name)

    def declared(
        self, values: Iterable[str], table: str, labels: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, str]:
        """Names of the contract for values, or their labels, which are declared as variables."""
        said = {}
        for value in values:
            label = labels.get(value, value)
            unit = unit_of(label)
            said[value] = name_of(label, self.taken)
            self.declare(said[value], table, **({} if unit is None else {"unit": unit}))
        return said

    def covariates(self, table: SourceTable, columns: Iterable[str]) -> dict[str, str]:
        """Columns that hold numbers or a few values, which are declared as covariates."""
        out = {}
        for column in columns:
            kind = self.kind(table, column)
            if kind.what not in ("number", "category"):
                continue
            name = name_of(column, self.taken)
            levels = {"levels": list(kind.levels)} if kind.levels else {}
            self.declare(name, names.PATIENTS, **levels)
            out[name] = column
        return out

    def worded(self, table: SourceTable, column: str, meaning: str) -> dict[str, Any]:
        """A column whose values are words of the contract in another spelling."""
        missing = self.kind(table, column).missing
        values = [value for value in counted(table, column) if value not in missing]
        said = {value: word_of(value, meaning) or UNTOLD for value in values}
        unknown = {value: None for value in values if value.lower() in _UNKNOWN}
        return {"column": column, "values": said | unknown}

    def mapping(self, **more: Any) -> dict[str, Any]:
        """Return the whole mapping as plain data."""
        ends = {"vital_status": UNTOLD, "death": UNTOLD, "last_contact": UNTOLD}
        if names.EVENTS not in self.parts:
            part = {"table": UNTOLD, "columns": {PATIENT: UNTOLD}, "closing": ends}
            self.add(names.EVENTS, part)
        out: dict[str, Any] = {"schema": SCHEMA, "name": self.name, "simulated": False, **more}
        if self.missing:
            out["missing"] = sorted(self.missing)
        out["tables"] = {table: self.parts[table] for table in _ORDER if table in self.parts}
        return out | {"variables": self.variables}


def word_of(value: str, meaning: str) -> str | None:
    """The word of the contract for a value such as ``Deceased`` or ``1:DECEASED``, or None."""
    return WORDS[meaning].get((value.partition(":")[2] or value).strip().lower())


def counted(table: SourceTable, column: str, *, most: int = _MOST_NAMED) -> list[str]:
    """Values of a column, the most frequent first."""
    place = table.places(column)
    cells = [spelt(row[place[0]]) for row in table.rows] if place else []
    counts = Counter(str(c) for c in cells if c is not None and not isinstance(c, Problem))
    return [value for value, _ in counts.most_common(most)]


def first_of(table: SourceTable, *columns: str) -> str | None:
    """The first of several columns that the table has and that holds anything."""
    for column in columns:
        if len(table.places(column)) == 1 and counted(table, column, most=1):
            return table.header[table.places(column)[0]]
    return None
