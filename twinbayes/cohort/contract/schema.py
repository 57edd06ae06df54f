"""The data contract in memory: Table Schema files, the single source of truth for columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from twinbayes import names
from twinbayes.resources import resource_path

CONTRACT: Final = "cohort/v1"
EXCLUDED: Final = "excluded"
REQUIRED_TABLES: Final = (names.PATIENTS, names.EVENTS, names.VARIABLES)
READABLE_TABLES: Final = (*names.TABLES, EXCLUDED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One column of a table and the constraints on its cells."""

    name: str
    kind: str  # "string", "number" or "integer"
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    pattern: str | None = None
    declared: bool = False  # by the variables table of the cohort, not by the contract


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSchema:
    """The columns of a table; an open table may have declared covariates besides."""

    table: str
    fields: tuple[Field, ...]
    open: bool
    key: tuple[str, ...]
    missing: frozenset[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the fixed columns, in order."""
        return tuple(field.name for field in self.fields)


def schema_descriptor(table: str) -> dict[str, Any]:
    """Return the Frictionless Table Schema of a table, as in its JSON file."""
    path = resource_path("schemas", *CONTRACT.split("/"), f"{table}.json")
    descriptor: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return descriptor


@cache
def table_schema(table: str) -> TableSchema:
    """Return the schema of one table of the contract."""
    descriptor = schema_descriptor(table)
    return TableSchema(
        table=table,
        fields=tuple(_field(entry) for entry in descriptor["fields"]),
        open=descriptor["fieldsMatch"] == "partial",
        key=tuple(descriptor.get("primaryKey", ())),
        missing=frozenset(descriptor["missingValues"]),
    )


def _field(entry: Mapping[str, Any]) -> Field:
    limits = entry.get("constraints", {})
    return Field(
        name=entry["name"],
        kind=entry["type"],
        required=limits.get("required", False),
        minimum=limits.get("minimum"),
        maximum=limits.get("maximum"),
        allowed=tuple(limits["enum"]) if "enum" in limits else None,
        pattern=limits.get("pattern"),
    )
