"""The rows of one source table that a part of the mapping takes, column by column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.importing.cells.dates import (
    DAYS,
    Horizon,
    days_between,
    looks_like_date,
    moment,
    moved,
)
from twinbayes.cohort.importing.cells.lookups import Lookup
from twinbayes.cohort.importing.cells.units import Conversion, conversion
from twinbayes.cohort.importing.cells.values import (
    Measured,
    Problem,
    Substituted,
    is_limit,
    measured,
    number,
    spelt,
    substituted,
)
from twinbayes.cohort.importing.mapping.description import Cell, MappingFile, Words
from twinbayes.cohort.importing.source import SourceTable
from twinbayes.cohort.importing.usage import Usage
from twinbayes.spelling import nearest

_COMPARED: Final = 200  # headers that a missing one is compared with
_DAY_UNIT: Final = "d"
_DATE: Final = Problem("calendar-date", "the cell holds a calendar date")


class Rows:
    """Rows of a source table; every cell that cannot be read is noted as a fault.

    Cells are judged value by value: a registry repeats few values often.
    """

    def __init__(
        self,
        table: SourceTable,
        mapping: MappingFile,
        faults: Faults,
        usage: Usage,
        horizon: Horizon,
        people: Words = (),
        others: Mapping[str, Lookup] = MappingProxyType({}),
    ) -> None:
        self.table = table
        self._people, self._others = people, others
        self._mapping, self._faults, self._usage = mapping, faults, usage
        self._horizon = horizon
        self._taken: Sequence[int] = range(len(table.rows))
        self._spoilt: defaultdict[str | None, set[int]] = defaultdict(set)

    def __len__(self) -> int:
        """Return the number of rows taken."""
        return len(self._taken)

    @property
    def numbers(self) -> list[int]:
        """Row numbers in the source."""
        return [self.table.numbers[k] for k in self._taken]

    def require(self, where: Mapping[str, Words], cells: Sequence[Cell]) -> None:
        """Note columns that are not there, or of which there are several."""
        own = [cell.column for cell in cells if cell.table is None]
        for spellings in (*((column,) for column in where), *own):
            if spellings:
                self._position(spellings)
        for cell in cells:
            if cell.table in self._others:
                self._looked_up(cell)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the table and of those that its cells are looked up in."""
        return (self.table.name, *(other.table.name for other in self._others.values()))

    def take(self, where: Mapping[str, Words]) -> None:
        """Keep rows whose columns have one of the values, or what these mean."""
        for column, wanted in where.items():
            position = self._position((column,))
            if position is None:
                continue
            labels = self.table.labels.get(self.table.header[position], {})
            keep = []
            for k in self._taken:
                text = spelt(self.table.rows[k][position])
                if text in wanted or labels.get(str(text)) in wanted:
                    keep.append(k)
            dropped = set(self._taken) - set(keep)
            reasons = self._usage.reasons[self.table.name]
            for k in dropped:
                reasons.setdefault(self.table.numbers[k], "not-selected")
            self._taken = keep

    def at(self, positions: Sequence[int]) -> Rows:
        """Some of the rows taken, by position among them."""
        some = Rows(self.table, self._mapping, self._faults, self._usage, self._horizon)
        some._taken = [self._taken[k] for k in positions]
        some._spoilt = self._spoilt
        return some

    def header_of(self, cell: Cell | None) -> str | None:
        """The column of the source that a cell is read from, once it is known to be there."""
        if cell is None:
            return None
        if cell.table is not None:
            return f"{cell.table}.{cell.column[0]}"
        for name in cell.column:
            if places := self.table.places(name):
                return self.table.header[places[0]]
        return None

    def text(self, cell: Cell) -> list[str | None]:
        """Cells as text, None where missing."""

        def judge(given: object, value: Any) -> object:
            return _DATE if looks_like_date(value) else value

        return self._judged(cell, judge, labelled=True)

    def number(self, cell: Cell, conversion: Conversion | None = None) -> list[float | None]:
        """Cells as numbers, None where missing."""

        def judge(given: object, value: Any) -> object:
            decimal = self._decimal(cell, given)
            if is_limit(value):
                problem = Problem("limit-misplaced", "the cell is a limit, not a value")
                return substituted(value, cell.limits, decimal) or problem
            found = number(value, decimal)
            return _no_number(value) if found is None else _converted(found, conversion)

        found = self._judged(cell, judge)
        if cell.limits is None:
            return found
        column, used = self.header_of(cell) or "", self._usage.substituted
        for row, one in zip(self.numbers, found, strict=True):
            if isinstance(one, Substituted):
                used[self.table.name, column, one].add(row)
        return [
            _converted(one.number, conversion) if isinstance(one, Substituted) else one
            for one in found
        ]

    def measured(self, cell: Cell, conversion: Conversion | None = None) -> list[Measured | None]:
        """Cells as numbers or limits, None where missing."""

        def judge(given: object, value: Any) -> object:
            found = measured(value, self._decimal(cell, given))
            if found is None:
                return _no_number(value)
            return found._replace(number=_converted(found.number, conversion))

        return self._judged(cell, judge)

    def moments(self, cell: Cell) -> list[int | None]:
        """Dates as seconds since the beginning of the calendar, None where missing."""
        form = cell.date or self._mapping.dates or DAYS
        problem = Problem("not-a-date", "the cell is no date of the format")

        def judge(given: object, value: Any) -> object:
            found = moment(value, form)
            return problem if found is None else self._horizon.passed(found) or found

        return self._judged(cell, judge, dates=True)

    def days(self, cell: Cell, origins: Sequence[int | None]) -> list[float | None]:
        """Days since the origin of each row's patient, from dates or from numbers of days."""
        if (cell.date or self._mapping.dates or DAYS) == DAYS:
            unit = None if cell.unit is None else conversion(cell.unit, _DAY_UNIT)
            if isinstance(unit, Problem):
                column = self.header_of(cell)
                self._faults.add(unit.rule, self.table.name, unit.text, column=column)
                return [None] * len(self)
            days = self.number(cell, unit)
            self._judge_days(cell, days, origins, 0.0 if unit is None else unit.of(1.0))
            return days
        return [
            None if at is None or origin is None else days_between(origin, at)
            for at, origin in zip(self.moments(cell), origins, strict=True)
        ]

    def _judge_days(
        self,
        cell: Cell,
        days: Sequence[float | None],
        origins: Sequence[int | None],
        rounded: float,
    ) -> None:
        """Note numbers of days that lead past the horizon, whatever they were rounded by."""
        late: defaultdict[Problem, list[int]] = defaultdict(list)
        for k, (day, origin) in enumerate(zip(days, origins, strict=True)):
            if day is not None and origin is not None:
                problem = self._horizon.passed(moved(origin, day - rounded))
                if problem is not None:
                    late[problem].append(k)
        for problem, rows in late.items():
            self.note(problem.rule, problem.text, rows, cell, [cell])
            self._spoilt[self.header_of(cell)].update(self.numbers[k] for k in rows)

    def note(
        self,
        rule: str,
        problem: str,
        rows: Sequence[int],
        cell: Cell | None = None,
        following: Sequence[Cell | None] = (),
    ) -> None:
        """Note a fault at positions among the rows taken.

        What only follows from a cell that could not be read, among those of `following`, is no
        fault by itself.
        """
        spoilt = {row for one in following for row in self._spoilt[self.header_of(one)]}
        numbers = self.numbers if rows else []
        own = [numbers[k] for k in rows if numbers[k] not in spoilt]
        if own:
            column = self.header_of(cell)
            self._faults.add(rule, self.table.name, problem, column=column, rows=own)

    def leave_out(self, rule: str, rows: Sequence[int]) -> None:
        """Say why rows at positions among those taken are left out."""
        reasons, numbers = self._usage.reasons[self.table.name], self.numbers
        for k in rows:
            reasons[numbers[k]] = rule

    def _decimal(self, cell: Cell, given: object) -> str:
        return (cell.decimal or self._mapping.decimal) if isinstance(given, str) else "."

    def _judged(
        self,
        cell: Cell,
        judge: Callable[[object, Any], object],
        *,
        labelled: bool = False,
        dates: bool = False,
    ) -> list[Any]:
        header, cells, labels = self._source(cell)
        missing = {*self._mapping.missing, *cell.missing}
        meant = {v: None if to is None else str(spelt(to)) for v, to in cell.values.items()}
        kept = {to for to in meant.values() if to is not None}

        def of(given: object) -> object:
            value = spelt(given)
            if value is None:
                blank = meant.get("")
                return None if blank is None else judge(0, blank)
            if isinstance(value, Problem) or value in missing:
                return None if value in missing else value
            if isinstance(given, Problem):
                return given
            if isinstance(value, date):
                return judge(given, value) if dates else _DATE
            value = str(value)
            label = labels.get(value)
            if meant:
                if value in meant or label in meant:
                    value = meant[value] if value in meant else meant[str(label)]
                elif value not in kept and not (cell.limits and is_limit(value)):
                    return Problem(
                        "value-unmapped", "the mapping does not say what the value means"
                    )
                return None if value is None else judge(0 if value in kept else given, value)
            return judge(given, label if labelled and label is not None else value)

        return self._noted(cells, of, header)

    def _source(self, cell: Cell) -> tuple[str | None, list[Any], Mapping[str, str]]:
        """Header, cells and labels of a column, a constant, or what is looked up elsewhere."""
        if not cell.column:
            return None, [cell.constant] * len(self), {}
        if cell.table is not None:
            return self._looked_up(cell)
        position = self._position(cell.column)
        if position is None:
            return None, [None] * len(self), {}
        header = self.table.header[position]
        cells = [self.table.rows[k][position] for k in self._taken]
        return header, cells, self.table.labels.get(header, {})

    def units(self, cell: Cell) -> list[str | None] | None:
        """The unit of each cell of a column, where the source has it beside the column."""
        lookup = self._others.get(cell.table or "")
        table = self.table if cell.table is None else None if lookup is None else lookup.table
        places = [k for name in cell.column for k in (table.places(name) if table else ())]
        named = table.units.get(table.header[places[0]]) if table and places else None
        if named is None:
            return None
        beside = replace(cell, column=(named,), values={})
        if cell.table is None:
            return [None if u is None else str(u) for u in map(spelt, self._source(beside)[1])]
        return [None if u is None else str(u) for u in self._looked_up(cell, named)[1]]

    def _looked_up(
        self, cell: Cell, beside: str | None = None
    ) -> tuple[str | None, list[Any], Mapping[str, str]]:
        """What another table says of the patient of each row, or what stands beside that."""
        nothing: list[Any] = [None] * len(self)
        lookup = self._others.get(cell.table or "")
        own = self._position(self._people)
        if lookup is None or own is None:
            return None, nothing, {}
        there = Rows(lookup.table, self._mapping, self._faults, self._usage, self._horizon)
        found = lookup.rows_of(cell, there._position, self._people)
        ordered = cell.first or cell.last
        order = None if ordered is None else there._position((ordered,))
        if found is None or (ordered is not None and order is None):
            return None, nothing, {}
        value, rows = found
        used = self._usage.looked_up[lookup.table.name]
        for k, row in enumerate(self._taken):
            of_patient = rows.get(str(spelt(self.table.rows[row][own])), [])
            if of_patient:
                at = lookup.pick(of_patient, value, order, cell.last is not None, self._mapping)
                if isinstance(at, Problem):
                    nothing[k] = at if beside is None else None
                else:
                    own_place = value if beside is None else lookup.table.places(beside)[0]
                    nothing[k] = lookup.table.rows[at][own_place]
                    used.add(lookup.table.numbers[at])
        header = lookup.table.header[value]
        return self.header_of(cell), nothing, lookup.table.labels.get(header, {})

    def _noted(
        self, cells: list[Any], of: Callable[[object], object], header: str | None
    ) -> list[Any]:
        seen: dict[tuple[type, object], object] = {}
        out: list[Any] = []
        wrong: defaultdict[Problem, list[int]] = defaultdict(list)
        for k, given in zip(self._taken, cells, strict=True):
            key = (type(given), given)
            if key not in seen:
                seen[key] = of(given)
            found = seen[key]
            if isinstance(found, Problem):
                wrong[found].append(self.table.numbers[k])
                found = None
            out.append(found)
        for problem, rows in wrong.items():
            self._spoilt[header].update(rows)
            self._faults.add(problem.rule, self.table.name, problem.text, column=header, rows=rows)
        return out

    def _position(self, spellings: Words) -> int | None:
        """Position of the one column that is meant, or None with a fault noted."""
        places = sorted({k for name in spellings for k in self.table.places(name)})
        used = self._usage.columns[self.table.name]
        if len(places) == 1:
            used.add(places[0])
            return places[0]
        name = spellings[0]
        if places:
            problem = f"{len(places)} columns are called so"
            self._faults.add("source-column-ambiguous", self.table.name, problem, column=name)
            used.update(places)
        else:
            alike = nearest(name, self.table.header[:_COMPARED])
            problem = "the column is not there" + f"; it may be {alike!r}" * (alike is not None)
            self._faults.add("source-column-missing", self.table.name, problem, column=name)
        return None


def _no_number(value: str) -> Problem:
    return _DATE if looks_like_date(value) else Problem("not-a-number", "the cell is not a number")


def _converted(value: float, conversion: Conversion | None) -> float:
    return value if conversion is None else conversion.of(value)
