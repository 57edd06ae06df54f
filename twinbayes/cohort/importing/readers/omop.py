"""OMOP common data model 5.4: a DuckDB file, a folder of CSV or Parquet files, a connection URL.

The queries are files of ``queries/omop``. Databases are opened to read, and nothing of a mapping is
written into a query but the quoted name of the schema: concept ids are bound as numbers.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import FIRST_DATA_ROW, PARQUET, is_ordinary_file
from twinbayes.cohort.importing.mapping.checking import tables_read
from twinbayes.cohort.importing.mapping.description import MappingFile, Omop
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.omop.queries import CONCEPT, PERSON, SOURCE, TABLES
from twinbayes.cohort.importing.omop.reading import ROW, OmopTables
from twinbayes.cohort.importing.omop.sessions import DuckSession, Session, UrlSession
from twinbayes.cohort.importing.proposing.omop import draft_omop
from twinbayes.cohort.importing.readers.csv_files import read_text_table
from twinbayes.cohort.importing.rules import import_faults
from twinbayes.cohort.importing.source import MOST_BYTES, Reader, SourceTable, folded
from twinbayes.errors import CohortError

_SUFFIX: Final = ".duckdb"
_TEXT: Final = (".csv", ".tsv", ".txt")
_MOST_CELLS: Final = 50_000_000


def _files(path: Path) -> dict[str, list[Path]]:
    """Table of the model -> files of a folder that are called so."""
    found: dict[str, list[Path]] = {}
    try:
        entries = sorted(path.iterdir()) if path.is_dir() else []
    except OSError:
        return {}
    for entry in entries:
        name = folded(entry.stem)
        if name in (*TABLES, CONCEPT) and entry.suffix.lower() in (*_TEXT, PARQUET):
            found.setdefault(name, []).append(entry)
    return found


def _recognises(path: Path) -> bool:
    if path.suffix.lower() == _SUFFIX:
        return True
    found = _files(path)
    return "person" in found and len(found) > 1


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    settings = _settings(mapping)
    if path.is_dir():
        if settings.schema is not None:
            faults.add("contradiction", path.name, "files have no schema, and the mapping has one")
        tables = _loaded(path, mapping, faults)
        if len(faults):
            return []
        # Files have no schema, and what is in a text file is text.
        return _through(
            lambda: DuckSession(None, None, tables, as_text=True), path.name, mapping, faults
        )
    if not is_ordinary_file(path):
        faults.add("source-irregular", path.name, "it is no ordinary file")
        return []
    return _through(
        lambda: DuckSession(path, settings.schema, {}, as_text=False), path.name, mapping, faults
    )


def _connect(url: str, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    settings = _settings(mapping)
    return _through(lambda: UrlSession(url, settings.schema), "database", mapping, faults)


def _settings(mapping: MappingFile | Unmapped) -> Omop:
    return Omop() if isinstance(mapping, Unmapped) or mapping.omop is None else mapping.omop


def _through(
    opened: Callable[[], Session], name: str, mapping: MappingFile | Unmapped, faults: Faults
) -> list[SourceTable]:
    """Read through a session; whatever a database raises is a fault without its words."""
    wanted = None if isinstance(mapping, Unmapped) else tables_read(mapping)
    session: Session | None = None
    try:
        session = opened()
        return OmopTables(session, _settings(mapping), wanted, faults).read()
    except CohortError:
        raise
    except Exception:  # its words could hold cells, or the password of the URL
        faults.add("source-unreadable", name, "it is no readable database, or a query fails")
        return []
    finally:
        if session is not None:
            with suppress(Exception):  # a connection that broke has been told of
                session.close()


def _loaded(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> dict[str, Any]:
    """Tables of a folder, each with the rows of its file."""
    tables = {}
    for name, files in _files(path).items():
        if len(files) > 1:
            faults.add("source-table-ambiguous", name, f"{len(files)} files are called so")
            continue
        # Names of concepts are no part of the data: without them, ids stand alone.
        noted = import_faults() if name == CONCEPT else faults
        read = _parquet if files[0].suffix.lower() == PARQUET else _text
        table = read(files[0], path, mapping, noted)
        if table is not None:
            if name == PERSON and SOURCE not in table.column_names:
                table = table.append_column(SOURCE, pa.nulls(len(table), pa.string()))
            tables[name] = table
    return tables


def _text(path: Path, folder: Path, mapping: MappingFile | Unmapped, faults: Faults) -> Any:
    table = read_text_table(path, mapping, faults, folder)
    if table is None:
        return None
    nothing: list[str | None] = [None] * len(table.blank)
    arrays = {
        name: pa.array([_written(row[k], name) for row in table.rows] + nothing, pa.string())
        for name, k in _places(table.header, path, faults).items()
    }
    return pa.table({**arrays, ROW: pa.array([*table.numbers, *table.blank], pa.int64())})


def _written(cell: object, column: str) -> str | None:
    """A cell without blanks around it; ids are whole numbers, also where they end in ``.0``."""
    text = str(cell).strip()
    whole = text.removesuffix(".0") if column.endswith("_id") else text
    return (whole if whole.isdecimal() else text) or None


def _parquet(path: Path, folder: Path, mapping: MappingFile | Unmapped, faults: Faults) -> Any:
    if not is_ordinary_file(path, folder):
        faults.add("source-irregular", path.name, "it is no ordinary file of this folder")
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        opened = pq.ParquetFile(io.BytesIO(content))
        shape = opened.metadata.num_rows * opened.metadata.num_columns
        if len(content) > MOST_BYTES or shape > _MOST_CELLS:
            faults.add("source-too-large", path.name, "it has too many cells")
            return None
        table = opened.read()
    except (OSError, ValueError, NotImplementedError, pa.ArrowException):
        faults.add("source-unreadable", path.name, "it is not a readable Parquet file")
        return None
    places = _places(tuple(table.column_names), path, faults)
    kept = table.select(list(places.values())).rename_columns(list(places))
    ids = [k for k, name in enumerate(places) if name.endswith("_id")]
    for k in ids:  # ids are compared as text, as in CSV files
        if not pa.types.is_nested(kept.schema.field(k).type):
            text = kept.column(k).cast(pa.string())
            kept = kept.set_column(k, kept.column_names[k], text)
    numbers = range(FIRST_DATA_ROW, FIRST_DATA_ROW + len(kept))
    return kept.append_column(ROW, pa.array(numbers, pa.int64()))


def _places(header: tuple[str, ...], path: Path, faults: Faults) -> dict[str, int]:
    """Columns in small letters, where they are; a name that stands twice is a fault."""
    out: dict[str, int] = {}
    for k, name in enumerate(header):
        if not (own := folded(name)):
            continue
        if own in out or own == ROW:
            faults.add("column-twice", path.name, "columns have the same name", column=name)
        out.setdefault(own, k)
    return out


READERS: Final = {
    "omop": Reader(
        what="OMOP common data model 5.4: a .duckdb file, a folder with person.csv or "
        "person.parquet and other tables, or a connection URL",
        recognises=_recognises,
        read=_read,
        whole=True,
        rank=2,
        connects=_connect,
        drafts=draft_omop,
    )
}
