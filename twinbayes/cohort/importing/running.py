"""A hospital's files through a mapping: a validated cohort, and the ledger of every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
from pandas import DataFrame, concat

from twinbayes import names
from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import FIRST_DATA_ROW
from twinbayes.cohort.contract.validation import finish_cohort, typed_tables
from twinbayes.cohort.importing.cells.columns import Rows
from twinbayes.cohort.importing.cells.dates import Horizon, latest_day
from twinbayes.cohort.importing.cells.lookups import Lookup
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.finding import find_table, place_of, read_source, reader_of
from twinbayes.cohort.importing.ledger import Ledger, balance
from twinbayes.cohort.importing.mapping.checking import cells_of, parts_of
from twinbayes.cohort.importing.mapping.description import MappingFile, Part, WidePart
from twinbayes.cohort.importing.mapping.reading import ReadMapping, read_mapping
from twinbayes.cohort.importing.rules import import_faults
from twinbayes.cohort.importing.shaping.block import Block, Desk
from twinbayes.cohort.importing.shaping.events import event_blocks
from twinbayes.cohort.importing.shaping.joining import joined
from twinbayes.cohort.importing.shaping.people import genomics_blocks, patients_blocks
from twinbayes.cohort.importing.shaping.treatments import treatment_blocks
from twinbayes.cohort.importing.shaping.visits import visit_blocks
from twinbayes.cohort.importing.source import SourceTable, folded
from twinbayes.cohort.importing.usage import Usage
from twinbayes.cohort.record import Cohort
from twinbayes.errors import CohortError

_SHAPES: Final[Mapping[str, Callable[[Any, Rows, Desk], Any]]] = {
    names.PATIENTS: patients_blocks,
    names.GENOMICS: genomics_blocks,
    names.VISITS: visit_blocks,
    names.EVENTS: event_blocks,
    names.TREATMENTS: treatment_blocks,
}
_ROLES: Final = {
    names.PATIENTS: "covariate", names.GENOMICS: "covariate", names.VISITS: "marker",
    names.TREATMENTS: "treatment",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """An import that went well: the cohort, and what became of every row."""

    cohort: Cohort
    ledger: Ledger


def import_cohort(
    source: str | Path,
    mapping: str | Path,
    *,
    tell: Callable[[str], object] | None = print,
) -> Cohort:
    """Read a hospital's files as a mapping says, and check them against the data contract.

    Parameters
    ----------
    source
        A CSV, TSV or Excel file, or a folder of CSV files; a REDCap export beside its data
        dictionary; FHIR or phenopackets as files or folders of them; CDISC ADaM data sets; an OMOP
        database, as a file, a folder or the connection URL of SQLAlchemy; the folder of a
        cBioPortal study.
    mapping
        The mapping file; see ``docs/import.md``.
    tell
        What the ledger is told to: rows in, rows used and rows listed, and columns not mapped;
        None for silence. Rows left out are also in ``cohort.excluded``.

    Returns
    -------
    Cohort
        Days since each patient's origin; no calendar date is in it.

    Raises
    ------
    CohortError
        Every fault of the mapping, or else of the files, each with table, row, column, rule and
        remedy, also as the DataFrame ``.faults``; no identifier and no date is in it.

    Examples
    --------
    >>> table = {"id": [1, 2], "diagnosis": ["aml", "apl"], "status": ["dead", "alive"]}
    >>> pd.DataFrame(table | {"last_contact": [310, 505]}).to_csv("export.csv", index=False)
    >>> from pathlib import Path
    >>> size = Path("map.yaml").write_text(tb.propose_mapping("export.csv"))
    >>> cohort = tb.import_cohort("export.csv", mapping="map.yaml")
    export.csv: 2 rows in = 2 used + 0 listed
    ...
    >>> cohort.n_patients
    2
    """
    done = run_import(source, mapping)
    if tell is not None:
        tell(str(done.ledger))
    return done.cohort


def run_import(source: str | Path, mapping: str | Path, *, today: date | None = None) -> Import:
    """Import as `import_cohort` does, and return the ledger with the cohort.

    Parameters
    ----------
    source, mapping
        As of `import_cohort`.
    today
        The day of the import, after which no date may be; default: that of the clock.

    Raises
    ------
    CohortError
        As `import_cohort`.

    Examples
    --------
    >>> table = {"id": [1, 2], "diagnosis": ["aml", "apl"], "status": ["dead", "alive"]}
    >>> pd.DataFrame(table | {"last_contact": [310, 505]}).to_csv("export.csv", index=False)
    >>> from pathlib import Path
    >>> size = Path("map.yaml").write_text(tb.propose_mapping("export.csv"))
    >>> run_import("export.csv", "map.yaml").ledger.rows
            table  rows_in  rows_used  rows_listed
    0  export.csv        2          2            0
    """
    place = place_of(source)
    try:
        read = read_mapping(mapping)
    except CohortError as error:
        raise _with_source(error, place) from None
    faults = import_faults()
    tables, unread = read_source(place, read.mapping.format, read.mapping, faults)
    horizon = _horizon(read, latest_day() if today is None else today, faults)
    desk = Desk(mapping=read.mapping, faults=faults, usage=Usage(), horizon=horizon)
    parts = _parts(read, tables, desk)
    # without its tables and columns nothing else can be judged
    _with_places(faults, tables).raise_if_any()
    blocks: dict[str, list[Block]] = {}
    for table, part, rows in sorted(parts, key=lambda p: isinstance(p[1], WidePart) and p[1].joins):
        rows.take(part.where)
        blocks.setdefault(table, []).extend(_SHAPES[table](part, rows, desk))
    private = set(desk.origins)
    made = {
        table: joined(several, faults, largest=table == names.GENOMICS)
        for table, several in blocks.items()
    }
    typed = _contract(read, made, faults)
    _with_places(faults, tables).raise_if_any(private)
    mapped = {name for _, _, rows in parts for name in rows.tables}
    ledger = balance(tables, mapped, blocks, made, desk.usage, private, unread)
    text = read.mapping.source
    cohort = finish_cohort(
        name=read.mapping.name,
        typed=typed,
        excluded=ledger.listed,
        simulated=read.mapping.simulated,
        source={} if text is None else _said(text),
        faults=Faults(),
    )
    return Import(cohort=cohort, ledger=ledger)


def _with_source(error: CohortError, place: str | Path) -> CohortError:
    """The faults of a mapping, and that of a source which is not there either."""
    faults = import_faults()
    if isinstance(place, str) or place.is_dir() or place.is_file():
        return error
    reader_of(place, None, faults)
    try:
        faults.raise_if_any()
    except CohortError as other:
        known = [e.faults for e in (error, other) if e.faults is not None]
        return CohortError(f"{error}\n{other}", concat(known, ignore_index=True))
    return error


def _horizon(read: ReadMapping, today: date, faults: Faults) -> Horizon:
    """The last days that dates may be of; no export is of a day to come."""
    cutoff = read.mapping.data_cutoff
    if cutoff is not None and cutoff > today:
        problem, line = "the day of the export is after that of the import", "data_cutoff"
        place = [read.line(line)]
        faults.add("date-in-the-future", read.file, problem, column=line, rows=place)
    return Horizon(today=today, cutoff=cutoff)


def _said(text: Any) -> dict[str, str]:
    keys = ("title", "origin", "licence", "note")
    return {key: said for key in keys if (said := getattr(text, key)) is not None}


def _parts(
    read: ReadMapping, tables: Sequence[SourceTable], desk: Desk
) -> list[tuple[str, Part, Rows]]:
    """Each part with its rows; tables and columns that are not there are noted as faults."""
    parts = []
    looked_in: dict[str, Lookup] = {}
    for table, k, part in parts_of(read.mapping):
        found = find_table(part.table, tables)
        if isinstance(found, Problem):
            # A table that could not be read has its own fault.
            if not any(_same(fault.table, part.table) for fault in desk.faults.found) and tables:
                place, line = (
                    f"tables.{table}[{k + 1}].table",
                    read.line("tables", table, k, "table"),
                )
                desk.faults.add(found.rule, read.file, found.text, column=place, rows=[line])
            continue
        others: dict[str, Lookup] = {}
        for where, cell in cells_of(part):
            if cell.table is None:
                continue
            other = find_table(cell.table, tables)
            if isinstance(other, Problem):
                line = read.line("tables", table, k, *where, "table")
                place = f"tables.{table}[{k + 1}].{'.'.join(where)}.table"
                desk.faults.add(other.rule, read.file, other.text, column=place, rows=[line])
            else:
                lookup = Lookup(other, desk.usage, desk.horizon)
                others[cell.table] = looked_in.setdefault(other.name, lookup)
        people = part.columns[names.PATIENT_ID].column
        rows = Rows(found, read.mapping, desk.faults, desk.usage, desk.horizon, people, others)
        rows.require(part.where, [cell for _, cell in cells_of(part)])
        if table == names.PATIENTS and not found.rows:
            desk.faults.add("no-patients", found.name, "the table has no rows")
        parts.append((table, part, rows))
    return parts


def _with_places(faults: Faults, tables: Sequence[SourceTable]) -> Faults:
    """The faults, each with where in the files it is if its table is none of them."""
    located = {table.name: table.located for table in tables if table.located is not None}
    if not located:
        return faults
    out = import_faults()
    for fault in faults.found:
        of, rows, text = located.get(fault.table), None, fault.problem
        if fault.row is not None:
            rows = [fault.row]
            text += "" if of is None else f" ({of(fault.row)})"
        out.add(fault.rule, fault.table, text, column=fault.column, rows=rows)
    return out


def _same(file: str, name: str) -> bool:
    return folded(name) in (folded(file), folded(file.rpartition(".")[0]))


def _contract(
    read: ReadMapping, blocks: Mapping[str, Sequence[Block]], faults: Faults
) -> dict[str, DataFrame]:
    """Hold what was made to the data contract; faults are told at their place in the source."""
    raw = {table: _raw(several) for table, several in blocks.items()}
    raw[names.VARIABLES] = _variables(read.mapping)
    broken = Faults()
    typed = typed_tables(raw, broken)
    # Cells that could not be read are blank by now: what follows from that is no second fault.
    spoilt = {(fault.table, fault.row, fault.column) for fault in faults.found}
    ends = {block.source for block in blocks.get(names.EVENTS, ())}
    ends |= {block.source for block in blocks.get(names.PATIENTS, ())}  # with the origins
    open_ends = any(fault.table in ends for fault in faults.found)
    for fault in broken.found:
        place = _Place(read, blocks, fault.table)
        row = None if fault.row is None else fault.row - FIRST_DATA_ROW
        source, number, header = place.of(row, fault.column)
        if (source, number, header) in spoilt or (fault.rule == "no-terminal" and open_ends):
            continue
        target = fault.table if fault.column is None else f"{fault.table}.{fault.column}"
        faults.add(
            fault.rule, source, f"{fault.problem} ({target})",
            column=header, rows=None if number is None else [number],
        )  # fmt: skip
    return typed


class _Place:
    """Where rows of the contract come from."""

    def __init__(self, read: ReadMapping, blocks: Mapping[str, Sequence[Block]], table: str):
        self._read, self._table = read, table
        self._blocks = blocks.get(table, ())
        self._ends = np.cumsum([len(b.rows) for b in self._blocks])

    def of(self, row: int | None, column: str | None) -> tuple[str, int | None, str | None]:
        """Source table, its row, and its column."""
        if self._table == names.VARIABLES:
            known = list(self._read.mapping.variables)
            if row is None or row >= len(known):
                return self._read.file, self._read.line("variables"), "variables"
            line = self._read.line("variables", known[row], column or "")
            return self._read.file, line, f"variables.{known[row]}.{column or ''}".rstrip(".")
        if row is None or not self._blocks:
            return self._table, None, column
        k = int(np.searchsorted(self._ends, row, side="right"))
        block = self._blocks[k]
        within = row - (0 if k == 0 else int(self._ends[k - 1]))
        if (within, column) in block.joined:
            return block.joined[within, column or ""]
        return block.source, block.rows[within], block.headers.get(column or "") or column


def _raw(blocks: Sequence[Block]) -> DataFrame:
    """Rows of several parts as one frame of cells, indexed as if it had been read from a file."""
    columns = list(dict.fromkeys(name for block in blocks for name in block.columns))
    cells = {
        name: [c for b in blocks for c in b.columns.get(name, [None] * len(b.rows))]
        for name in columns
    }
    n = sum(len(block.rows) for block in blocks)
    frame = DataFrame(cells, columns=columns, dtype=object)
    return frame.set_axis(np.arange(FIRST_DATA_ROW, FIRST_DATA_ROW + n), axis=0)


def _variables(mapping: MappingFile) -> DataFrame:
    rows = [
        {
            "name": name, "table": v.table, "role": v.role or _ROLES[v.table], "group": v.group,
            "unit": v.unit, "min": v.min, "max": v.max, "levels": "|".join(v.levels) or None,
            "description": v.description,
        }
        for name, v in mapping.variables.items()
    ]  # fmt: skip
    columns = ["name", "table", "role", "group", "unit", "min", "max", "levels", "description"]
    frame = DataFrame(rows, columns=columns, dtype=object)
    return frame.set_axis(np.arange(FIRST_DATA_ROW, FIRST_DATA_ROW + len(frame)), axis=0)
