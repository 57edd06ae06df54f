"""A view compiled: one resource in, rows of cells out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.readers.clinical_json.fhirpath import (
    Items,
    Path,
    PathError,
    compiled,
)
from twinbayes.cohort.importing.readers.clinical_json.fhirpath_syntax import (
    Node,
    NotSimpleError,
    parsed,
)
from twinbayes.cohort.importing.readers.clinical_json.references import References
from twinbayes.cohort.importing.readers.clinical_json.times import Clocks, moment_of
from twinbayes.cohort.importing.readers.clinical_json.views import View
from twinbayes.cohort.importing.source import folded

type Row = tuple[object, ...]
type _Rows = Callable[[Any], list[Row]]

_TIMES: Final = ("date", "dateTime", "instant")
_SEVERAL: Final = Problem("view-several", "the path of the view gives several values")
_NO_CELL: Final = Problem("view-no-cell", "the path of the view gives an object, not a value")
_NO_PATH: Final = Problem("view-path", "the path of the view cannot be evaluated for the resource")
_POOLED: Final = 1_000_000  # texts that are kept once each
_LONGEST: Final = 200  # characters of a text that may occur again


class Flattening:
    """Rows of the resources of a view.

    Parameters
    ----------
    view
        The view.
    references
        What references mean.
    clocks
        Where the clocks of times are noted.
    wanted
        Columns that are read, folded; None for all. Others are left blank.

    Raises
    ------
    PathError
        If a path is no FHIRPath.
    CohortError
        If a path needs fhirpathpy, which is not installed.
    """

    def __init__(
        self, view: View, references: References, clocks: Clocks, wanted: Collection[str] | None
    ) -> None:
        self.view = view
        self._references, self._clocks, self._wanted = references, clocks, wanted
        self._pool: dict[str, str] = {}
        self._where = [self._path(text, None) for text in view.where]
        self._rows = self._cross([self._select(part, None) for part in view.select])

    def rows_of(self, resource: Mapping[str, Any]) -> list[Row] | None:
        """Rows of a resource, or None if the view leaves it out.

        Raises
        ------
        PathError
            If it cannot be told whether the view takes the resource, or which rows it has.
        """
        item: Items = [resource]
        if any(truth(item) != [True] for truth in self._where):
            return None
        return self._rows(resource) or None

    def _path(self, text: str, within: str | None) -> Path:
        return compiled(text, self.view.constants, self._references, within)

    def _select(self, part: Mapping[str, Any], within: str | None) -> _Rows:
        each = part.get("forEach", part.get("forEachOrNull"))
        inner = within if each is None else _element(each, within or self.view.resource)
        pieces: list[_Rows] = []
        if part.get("column"):
            pieces.append(self._columns(part["column"], inner))
        pieces += [self._select(nested, inner) for nested in part.get("select", ())]
        if part.get("unionAll"):
            branches = [self._select(branch, inner) for branch in part["unionAll"]]
            pieces.append(lambda item: [row for branch in branches for row in branch(item)])
        rows = self._cross(pieces)
        if each is None:
            return rows
        elements = self._path(each, within)
        nothing = [(None,) * _width(part)] if "forEachOrNull" in part else []

        def unnested(item: Any) -> list[Row]:
            found = elements([item])
            return [row for element in found for row in rows(element)] if found else list(nothing)

        return unnested

    @staticmethod
    def _cross(pieces: list[_Rows]) -> _Rows:
        """Every row of the first with every row of the second, and so on."""
        if len(pieces) == 1:
            return pieces[0]

        def cross(item: Any) -> list[Row]:
            parts = [piece(item) for piece in pieces]
            return [tuple(itertools.chain(*some)) for some in itertools.product(*parts)]

        return cross

    def _columns(self, columns: list[Mapping[str, Any]], within: str | None) -> _Rows:
        cells = [self._cell(column, within) for column in columns]

        def row(item: Any) -> list[Row]:
            items: Items = [item]
            return [tuple([None if cell is None else cell(items) for cell in cells])]

        return row

    def _cell(
        self, column: Mapping[str, Any], within: str | None
    ) -> Callable[[Items], object] | None:
        path = self._path(column["path"], within)  # a malformed one is told even if not wanted
        if self._wanted is not None and folded(column["name"]) not in self._wanted:
            return None
        timed = column.get("type") in _TIMES

        def cell(items: Items) -> object:
            try:
                found = path(items)
            except PathError:
                return _NO_PATH
            if not found:
                return None
            if len(found) > 1:
                return _SEVERAL
            value = found[0]
            if timed and not isinstance(value, Problem):
                return moment_of(value if isinstance(value, str) else str(value), self._clocks)
            return self._plain(value)

        return cell

    def _plain(self, value: object) -> object:
        if isinstance(value, str):
            if len(value) > _LONGEST:
                return value
            if len(self._pool) > _POOLED:
                self._pool.clear()
            return self._pool.setdefault(value, value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Decimal):
            return float(value)
        return value if isinstance(value, int | float | Problem | date) else _NO_CELL


def _width(part: Mapping[str, Any]) -> int:
    """Number of columns of a part."""
    branches = part.get("unionAll", ())
    return (
        len(part.get("column", ()))
        + sum(_width(nested) for nested in part.get("select", ()))
        + (_width(branches[0]) if branches else 0)
    )


def _element(path: str, base: str) -> str | None:
    """What elements a path leads to: ``Observation.component``; None for the resource itself."""
    try:
        node: Node | None = parsed(path)
    except NotSimpleError:
        return base
    names: list[str] = []
    while node is not None:
        if node.kind == "member":
            names.append(node.word)
        node = node.base
    if not names and "." not in base:
        return None
    return ".".join([base, *reversed(names)])
