"""Tables of an OMOP database as tables of raw cells, with what several of them say of a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import FIRST_DATA_ROW
from twinbayes.cohort.importing.mapping.description import Omop
from twinbayes.cohort.importing.omop.persons import Persons, with_baseline
from twinbayes.cohort.importing.omop.queries import CONCEPT, PERSON, SOURCE, TABLES, query
from twinbayes.cohort.importing.omop.sessions import Session
from twinbayes.cohort.importing.source import SourceTable, is_blank, raw_cell

#: Column in which tables of text files keep the rows of their files.
ROW: Final = "row_of_the_file_"
_MOST_CELLS: Final = 20_000_000
_DRAFTED: Final = 20_000  # rows of a table that a draft is made of
_PIECE: Final = 500  # concept ids that are asked for together
_UNIT: Final = "unit_concept_id"
_OF_PERSONS: Final = (PERSON, "death", "observation_period")  # columns of persons say all of them
_BASELINE: Final = ("measurement", "observation")


@dataclass(slots=True)
class OmopTables:
    """What is read through a session.

    Attributes
    ----------
    wanted
        Tables that the mapping names, or None for all there are.
    """

    session: Session
    settings: Omop
    wanted: set[str] | None
    faults: Faults
    _there: set[str] = field(default_factory=set)

    def read(self) -> list[SourceTable]:
        """Read what is wanted, and count what is not."""
        self._there = self.session.tables()
        diagnosis = bool(self.settings.diagnosis)
        needed = {PERSON, "condition_occurrence"} if diagnosis else {PERSON}
        for name in sorted(needed - self._there):
            self.faults.add("source-table-missing", name, "the database has no such table")
        self._check_columns()
        for name in self.settings.concepts:
            if name not in TABLES or TABLES[name].concept is None:
                known = ", ".join(t for t, form in TABLES.items() if form.concept)
                problem = f"no rows of it are chosen by concepts, as they are of {known}"
                self.faults.add("name-unknown", name, problem)
        if len(self.faults):
            return []
        persons = self._persons()
        tables: list[SourceTable] = []
        for name in TABLES:
            if name not in self._there:
                continue
            if self.wanted is not None and name not in self.wanted:
                if name not in _OF_PERSONS:
                    tables.append(_unread(name, self._count(name)))
                continue
            whole = self._count(name)
            table = persons.table if name == PERSON else self._table(name, persons)
            tables.append(table)
            rest = whole - len(table.rows) - len(table.blank)
            if rest > 0 and self.wanted is not None:
                # Rows of others, or of other concepts, stay where they are.
                tables.append(_unread(f"{name}, of other persons or concepts", rest))
        return tables

    def _check_columns(self) -> None:
        for name in (name for name in TABLES if name in self._there):
            needed = set(TABLES[name].needed) | ({SOURCE} if name == PERSON else set())
            if name == "condition_occurrence" and self.settings.diagnosis:
                needed.add("condition_start_date")
            if name == "observation_period":
                needed.add("observation_period_end_date")
            header, rows = self._run("columns", table=name)
            list(rows)
            for column in sorted(needed - set(header)):
                problem = "the column is not there"
                self.faults.add("source-column-missing", name, problem, column=column)

    def _run(
        self, name: str, lists: Mapping[str, Sequence[str]] | None = None, table: str = "person"
    ) -> tuple[list[str], Iterator[Sequence[object]]]:
        session = self.session
        sql, bound = query(name, lists or {}, schema=session.schema, mark=session.mark, table=table)
        values = bound if session.as_text else {key: int(one) for key, one in bound.items()}
        return session.run(sql, values)

    def _count(self, name: str) -> int:
        [row] = self._run("count", table=name)[1]
        return int(str(row[0]))

    def _rows(
        self, name: str, lists: Mapping[str, Sequence[str]]
    ) -> tuple[list[str], list[list[object]]]:
        """Header and rows; a table that has too many cells is a fault."""
        header, rows = self._run(name, lists)
        most = _DRAFTED if self.wanted is None else _MOST_CELLS // max(1, len(header))
        taken = [[raw_cell(cell) for cell in row] for row in islice(rows, most + 1)]
        if len(taken) > most and self.wanted is not None:
            problem = f"it has more than {most} rows"
            self.faults.add("source-too-large", name, problem)
            return header, []
        return header, taken[:most]

    def _lists(self, name: str) -> dict[str, Sequence[str]]:
        chosen = self.settings.concepts.get(name, ())
        return {"diagnosis": self.settings.diagnosis, "concepts": chosen}

    def _table(self, name: str, persons: Persons | None) -> SourceTable:
        header, rows = self._rows(name, self._lists(name))
        table = _source_table(name, header, rows)
        if persons is not None and name in _BASELINE:
            table = with_baseline(table, TABLES[name], persons.index)
        return self._labelled(table)

    def _persons(self) -> Persons:
        """Persons, with the first diagnosis, the death and the days of observation of each."""
        base = _source_table(PERSON, *self._rows(PERSON, self._lists(PERSON)))
        found: dict[str, tuple[list[str], list[list[object]]]] = {}
        lists = self._lists(PERSON)
        if self.settings.diagnosis:
            found["first_diagnosis"] = self._rows("first_diagnosis", lists)
        if "observation_period" in self._there:
            header, rows = self._run("observed")
            found["observed"] = header, [[raw_cell(cell) for cell in row] for row in rows]
        if "death" in self._there:
            found["death"] = self._rows("death", lists)
        persons = Persons.of(base, found)
        return Persons(table=self._labelled(persons.table), index=persons.index)

    def _labelled(self, table: SourceTable) -> SourceTable:
        """Say what concept ids mean, where the database has the table of concepts."""
        if CONCEPT not in self._there:
            return table
        at = {k: name for k, name in enumerate(table.header) if name.endswith("_concept_id")}
        ids = sorted({
            str(row[k]) for row in table.rows for k in at if str(row[k]).isdecimal()
        })  # fmt: skip
        named: dict[str, tuple[str, str]] = {}
        for start in range(0, len(ids), _PIECE):
            _, rows = self._run("concept", {"concepts": ids[start : start + _PIECE]})
            named |= {str(row[0]): (str(row[1]), str(row[2])) for row in rows}
        labels = {
            name: {one: said[name == _UNIT] for one, said in named.items()} for name in at.values()
        }
        return SourceTable(
            name=table.name, header=table.header, rows=table.rows, numbers=table.numbers,
            blank=table.blank, labels=labels,
        )  # fmt: skip


def _source_table(name: str, header: Sequence[str], rows: list[list[Any]]) -> SourceTable:
    """Rows with their numbers: those of the file, or else by the order of their key."""
    numbers = list(range(FIRST_DATA_ROW, FIRST_DATA_ROW + len(rows)))
    kept = [k for k, column in enumerate(header) if column != ROW]
    if len(kept) < len(header):
        place = list(header).index(ROW)
        numbers = [int(row[place]) for row in rows]
        order = sorted(range(len(rows)), key=numbers.__getitem__)
        rows, numbers = [rows[k] for k in order], [numbers[k] for k in order]
    cells = [[row[k] for k in kept] for row in rows]
    full = [k for k, row in enumerate(cells) if not is_blank(row)]
    return SourceTable(
        name=name,
        header=tuple(header[k] for k in kept),
        rows=[cells[k] for k in full],
        numbers=[numbers[k] for k in full],
        blank=[n for n, row in zip(numbers, cells, strict=True) if is_blank(row)],
    )


def _unread(name: str, rows: int) -> SourceTable:
    """A table of which only the number of rows is known."""
    return SourceTable(name=name, header=(), rows=[()] * rows, numbers=range(rows))
