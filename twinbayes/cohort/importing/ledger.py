"""The ledger of an import: rows in are rows used and rows listed, and what was not mapped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from pandas import DataFrame

from twinbayes.cohort.importing.cells.dates import looks_like_date
from twinbayes.cohort.importing.rules import LISTED
from twinbayes.cohort.importing.shaping.block import Block
from twinbayes.cohort.importing.source import SourceTable
from twinbayes.cohort.importing.usage import Usage
from twinbayes.cohort.tables import EXCLUDED_COLUMNS

MASKED: Final = "(masked)"
_WORDS: Final = re.compile(r"[^0-9A-Za-z]+")
_SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """What became of every row and column of a source.

    Attributes
    ----------
    rows
        One row a source table that is mapped: ``table``, ``rows_in``, ``rows_used``,
        ``rows_listed``.
    made
        Rows of each table of the contract.
    listed
        Rows left out: ``table``, ``row``, ``rule``, ``reason``.
    substituted
        Limits of quantification that numbers stand for: ``table``, ``column``, ``limit``,
        ``number`` in the unit of the column, and ``cells``, how many of the rows used.
    unmapped_columns
        Source table -> columns that the mapping does not read.
    unmapped_tables
        Source table that the mapping does not read -> its number of rows.
    unread
        Number of files and sheets that the mapping does not read, and that could not be.
    """

    rows: DataFrame
    made: Mapping[str, int]
    listed: DataFrame
    substituted: DataFrame
    unmapped_columns: Mapping[str, tuple[str, ...]]
    unmapped_tables: Mapping[str, int]
    unread: int = 0

    def __str__(self) -> str:
        """Return the ledger as lines of text, without any identifier or date."""
        lines = [
            f"{row['table']}: {_rows(row['rows_in'])} in = {row['rows_used']} used + "
            f"{row['rows_listed']} listed"
            for row in self.rows.to_dict(orient="records")
        ]
        shown = self.listed.head(_SHOWN)
        lines += [f"  {r.table}, row {r.row}: {r.rule}: {r.reason}" for r in shown.itertuples()]
        if len(self.listed) > len(shown):
            lines.append(f"  … and {len(self.listed) - len(shown)} more, all in the cohort.")
        lines.append(
            "Made: " + ", ".join(f"{_rows(n)} of {table}" for table, n in self.made.items())
        )
        lines += [
            f"Substituted in {r.table}, {r.column}: {r.number:.6g} for {r.limit!r} in "
            f"{'1 cell' if r.cells == 1 else f'{r.cells} cells'}"
            for r in self.substituted.itertuples()
        ]
        for table, columns in self.unmapped_columns.items():
            if columns:
                lines.append(f"Not mapped in {table}: {', '.join(columns)}")
        for table, n in self.unmapped_tables.items():
            lines.append(f"Not mapped: {table} ({_rows(n)})")
        if self.unread:
            lines.append(f"Not mapped, and not to be read: {self.unread} files or sheets")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as plain values."""
        return {
            "tables": self.rows.to_dict(orient="records"),
            "made": dict(self.made),
            "substituted": self.substituted.to_dict(orient="records"),
            "listed": self.listed.to_dict(orient="records"),
            "unmapped_columns": {k: list(v) for k, v in self.unmapped_columns.items()},
            "unmapped_tables": dict(self.unmapped_tables),
            "unread": self.unread,
        }


def balance(
    tables: Sequence[SourceTable],
    mapped: Collection[str],
    blocks: Mapping[str, Sequence[Block]],
    made: Mapping[str, Sequence[Block]],
    usage: Usage,
    private: Collection[str],
    unread: int = 0,
) -> Ledger:
    """Account for every row and column of the source.

    Parameters
    ----------
    tables
        The source.
    mapped
        Names of tables that the mapping reads.
    blocks
        Table of the contract -> what parts of the mapping gave for it.
    made
        The same, row by patient where parts are joined.
    usage
        Columns that were read, and why rows were left out.
    private
        Identifiers, which no name of a column or file may show.
    unread
        Number of tables that are not mapped and could not be read.
    """
    used: dict[str, set[int]] = {}
    for block in (b for several in blocks.values() for b in several):
        used.setdefault(block.source, set()).update(block.rows)
    for source, rows in usage.looked_up.items():
        used.setdefault(source, set()).update(rows)
    counts, listed = [], []
    for table in tables:
        if table.name not in mapped:
            continue
        taken, reasons = used.get(table.name, set()), usage.reasons[table.name]
        shown = masked(table.name, private)
        other = "not-selected" if table.name in usage.looked_up else "no-value"
        out = [(shown, row, "blank-row") for row in table.blank]
        out += [(shown, row, rule) for row, rule in table.left_out.items()]
        out += [(shown, row, reasons.get(row, other)) for row in table.numbers if row not in taken]
        rows_in = len(table.rows) + len(table.blank) + len(table.left_out)
        counts.append((shown, rows_in, len(taken), len(out)))
        listed += sorted(out, key=lambda entry: entry[1])
    columns = ["table", "rows_in", "rows_used", "rows_listed"]
    return Ledger(
        rows=DataFrame(counts, columns=columns),
        made={name: sum(len(b.rows) for b in several) for name, several in made.items()},
        listed=DataFrame(
            [(*entry, LISTED[entry[2]]) for entry in listed], columns=list(EXCLUDED_COLUMNS)
        ).astype({"row": "int64"}),
        substituted=_substituted(usage, used, private),
        unmapped_columns={
            masked(t.name, private): tuple(
                masked(name or f"(column {k + 1})", private)
                for k, name in enumerate(t.header)
                if k not in usage.columns[t.name]
            )
            for t in tables
            if t.name in mapped
        },
        unmapped_tables=_counted(tables, mapped, private),
        unread=unread,
    )


def _substituted(usage: Usage, used: Mapping[str, set[int]], private: Collection[str]) -> DataFrame:
    """Each limit that a number stands for, in rows that are used."""
    found = [
        (masked(table, private), masked(column, private), one.limit, one.number, n)
        for (table, column, one), rows in usage.substituted.items()
        if (n := len(rows & used.get(table, set())))
    ]
    return DataFrame(found, columns=["table", "column", "limit", "number", "cells"])


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n} rows"


def masked(name: str, private: Collection[str]) -> str:
    """A name, unless an identifier or a calendar date is in it."""
    words = {name, name.rpartition(".")[0], *_WORDS.split(name)}
    return MASKED if words & set(private) or looks_like_date(name) else name


def _counted(
    tables: Sequence[SourceTable], mapped: Collection[str], private: Collection[str]
) -> dict[str, int]:
    series = pd.Series(
        {k: len(t.rows) for k, t in enumerate(tables) if t.name not in mapped}, dtype="int64"
    )
    names = {k: masked(tables[k].name, private) for k in series.index}
    return {str(k): int(v) for k, v in series.groupby(names).sum().items()} if len(series) else {}
