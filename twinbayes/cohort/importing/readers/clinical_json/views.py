"""View definitions of SQL on FHIR v2: which rows and columns a type of resource gives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.cohort.importing.readers.clinical_json.strict_text import JsonError, parse
from twinbayes.resources import resource_path

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_LARGEST: Final = 1 << 20  # bytes
_DEEPEST: Final = 8
_SAYS_NOTHING: Final = frozenset((
    "contact", "copyright", "description", "experimental", "extension", "id", "identifier", "meta",
    "profile", "publisher", "text", "title", "url", "useContext", "version", "date",
))  # fmt: skip
_READ: Final = frozenset((
    "constant", "fhirVersion", "name", "resource", "resourceType", "select", "status", "where",
))  # fmt: skip
_SELECT: Final = frozenset(("column", "forEach", "forEachOrNull", "select", "unionAll"))
_COLUMN: Final = frozenset(("collection", "description", "name", "path", "tag", "type"))


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A view definition that keeps to its form.

    Attributes
    ----------
    name
        Of the table that it gives.
    resource
        Type of resource.
    constants
        Value of each ``%name``.
    where
        Paths that have to be true of a resource.
    select
        What its rows are, as the definition has it.
    columns
        Names of its columns, in order.
    """

    name: str
    resource: str
    constants: Mapping[str, str | float | bool]
    where: tuple[str, ...]
    select: tuple[Mapping[str, Any], ...]
    columns: tuple[str, ...]


class _MalformedError(ValueError):
    """A definition that does not keep to its form."""


@cache
def packaged_views() -> tuple[View, ...]:
    """The views that come with the package.

    Examples
    --------
    >>> [view.name for view in packaged_views()][:2]
    ['condition', 'encounter']
    """
    folder = resource_path("schemas", "fhir", "v1")
    return tuple(
        _view(parse(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))
    )


def read_view(path: Path, faults: Faults) -> View | None:
    """Read a view definition of a user; None if it cannot be, with the fault noted."""
    if not is_ordinary_file(path):
        faults.add("view-malformed", path.name, "there is no such file")
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise _MalformedError("it is larger than a view is")
        return _view(parse(content.decode("utf-8-sig")))
    except JsonError as error:
        faults.add(error.problem.rule, path.name, error.problem.text)
    except _MalformedError as error:
        faults.add("view-malformed", path.name, str(error))
    except (OSError, UnicodeDecodeError):
        faults.add("view-malformed", path.name, "it cannot be read as UTF-8")
    return None


def _view(found: Any) -> View:
    if not isinstance(found, dict) or found.get("resourceType", "ViewDefinition") != (
        "ViewDefinition"
    ):
        raise _MalformedError("it is no ViewDefinition")
    _require_known(found, _READ | _SAYS_NOTHING, "the view")
    name, resource = found.get("name"), found.get("resource")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _MalformedError("'name' is not letters, digits and underscores")
    if not isinstance(resource, str) or not _NAME.fullmatch(resource):
        raise _MalformedError("'resource' names no type of resource")
    select = _objects(found, "select")
    if not select:
        raise _MalformedError("'select' is not there")
    columns = [name for part in select for name in _columns(part, 0)]
    if len(set(columns)) < len(columns):
        raise _MalformedError("two columns have the same name")
    where = [_text(entry, "path") for entry in _objects(found, "where")]
    return View(
        name=name,
        resource=resource,
        constants=dict(_constant(entry) for entry in _objects(found, "constant")),
        where=tuple(where),
        select=tuple(select),
        columns=tuple(columns),
    )


def _columns(select: Mapping[str, Any], depth: int) -> list[str]:
    """Names of the columns of a part, which is checked on the way."""
    if depth > _DEEPEST:
        raise _MalformedError(f"'select' is nested more than {_DEEPEST} deep")
    _require_known(select, _SELECT, "select")
    if "forEach" in select and "forEachOrNull" in select:
        raise _MalformedError("'forEach' and 'forEachOrNull' contradict each other")
    for key in ("forEach", "forEachOrNull"):
        if key in select:
            _text(select, key)
    own = [_column(entry) for entry in _objects(select, "column")]
    for part in _objects(select, "select"):
        own += _columns(part, depth + 1)
    branches = [_columns(part, depth + 1) for part in _objects(select, "unionAll")]
    if any(branch != branches[0] for branch in branches):
        raise _MalformedError("the parts of 'unionAll' have not the same columns in the same order")
    return own + (branches[0] if branches else [])


def _column(entry: Mapping[str, Any]) -> str:
    _require_known(entry, _COLUMN, "column")
    _text(entry, "path")
    name = _text(entry, "name")
    if not _NAME.fullmatch(name):
        raise _MalformedError("the 'name' of a column is not letters, digits and underscores")
    if entry.get("collection", False) is not False:
        raise _MalformedError("'collection' is no column of cells: a cell holds one value")
    return name


def _constant(entry: Mapping[str, Any]) -> tuple[str, str | float | bool]:
    values = [value for key, value in entry.items() if key.startswith("value")]
    if len(values) != 1 or not isinstance(values[0], str | int | float | bool):
        raise _MalformedError("a constant has not one value")
    return _text(entry, "name"), values[0]


def _objects(found: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = found.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _MalformedError(f"{key!r} is no list of objects")
    return entries


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _MalformedError(f"{key!r} is no text")
    return value


def _require_known(found: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise _MalformedError(f"{what} has the key {unknown[0][:40]!r}, which is not supported")
