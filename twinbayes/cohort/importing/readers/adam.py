"""CDISC ADaM: data sets as SAS transport files (XPT, versions 5 and 8) or as CSV, in a folder."""

from __future__ import annotations

import io
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import FIRST_DATA_ROW
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.proposing.adam import draft_adam
from twinbayes.cohort.importing.readers.csv_files import content_of, read_text_table
from twinbayes.cohort.importing.source import (
    Reader,
    SourceTable,
    folded,
    is_blank,
    raw_cell,
)
from twinbayes.errors import CohortError

SUFFIX: Final = ".xpt"
_SUBJECTS: Final = "adsl"
_RECORD: Final = 80  # bytes
_NAMESTR: Final = re.compile(rb"HEADER RECORD\*{7}NAM(?:ESTR|STV8) HEADER RECORD!{7}.{6}([0-9]{4})")
_OBSERVATIONS: Final = re.compile(rb"HEADER RECORD\*{7}OBS(?:  |V8)   HEADER RECORD!{7}(.{15})")
_MEMBER: Final = re.compile(rb"HEADER RECORD\*{7}MEM(?:BER |BV8 )")
_LENGTH_AT: Final = 4  # of a variable in its record
_DESCRIBED: Final = 140  # bytes of the record of a variable
_DATES: Final = ("DATE", "YYMMDD", "DDMMYY", "MMDDYY", "E8601DA", "IS8601DA", "B8601DA")
_MOMENTS: Final = ("DATETIME", "E8601DT", "IS8601DT", "B8601DT", "DATEAMPM")
_EPOCH: Final = date(1960, 1, 1)
_BAD_DATE: Final = Problem("not-a-date", "the cell is no date that SAS has")
_ENCODINGS: Final = {"cp1252": "WINDOWS-1252", "latin-1": "ISO-8859-1", "utf-16": "UTF-16"}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.suffix.lower() == SUFFIX else []
    try:
        return sorted(p for p in path.iterdir() if p.suffix.lower() in (SUFFIX, ".csv"))
    except OSError:
        return []


def _recognises(path: Path) -> bool:
    files = _files(path)
    return bool(files) and (path.is_file() or any(folded(p.stem) == _SUBJECTS for p in files))


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    folder = path if path.is_dir() else None
    tables = [
        _transported(p, mapping, faults, folder)
        if p.suffix.lower() == SUFFIX
        else read_text_table(p, mapping, faults, folder)
        for p in _files(path)
    ]
    return [table for table in tables if table is not None]


def _transported(
    path: Path, mapping: MappingFile | Unmapped, faults: Faults, folder: Path | None
) -> SourceTable | None:
    """A data set in a transport file, or None with a fault noted."""
    try:
        import pyreadstat
    except ImportError as error:
        raise CohortError(
            f"{path.name}: reading SAS transport files needs pyreadstat. Install twinbayes[adam], "
            "or write the data sets as CSV."
        ) from error
    content = _content(path, folder, faults)
    if content is None:
        return None
    encoding = mapping.encoding or "utf-8"
    try:
        columns, about = pyreadstat.read_xport(
            io.BytesIO(content), output_format="dict", disable_datetime_conversion=True,
            encoding=_ENCODINGS.get(encoding),
        )  # fmt: skip
    except UnicodeDecodeError:
        faults.add("source-encoding", path.name, f"it is not {encoding.upper()}")
        return None
    except Exception:  # a damaged file raises whatever its parts meet
        faults.add("source-unreadable", path.name, "it is no readable transport file")
        return None
    header = tuple(str(name) for name in columns)
    cells = [
        _cells(list(columns[name]), about.original_variable_types.get(name)) for name in header
    ]
    rows = [list(row) for row in zip(*cells, strict=True)]
    if (problem := _cut(content, len(rows))) is not None:
        faults.add("source-unreadable", path.name, problem)
        return None
    full = [k for k, row in enumerate(rows) if not is_blank(row)]
    return SourceTable(
        name=path.name,
        header=header,
        rows=[rows[k] for k in full],
        numbers=[FIRST_DATA_ROW + k for k in full],
        blank=[FIRST_DATA_ROW + k for k, row in enumerate(rows) if is_blank(row)],
    )


def _content(path: Path, folder: Path | None, faults: Faults) -> bytes | None:
    content = content_of(path, faults, folder)
    if content is None:
        return None
    named, begun = _NAMESTR.search(content), _OBSERVATIONS.search(content)
    if named is None or begun is None:
        faults.add("source-unreadable", path.name, "it is no SAS transport file")
        return None
    if len(content) % _RECORD:
        faults.add("source-unreadable", path.name, "it is cut off within a record")
        return None
    if len([at for at in _MEMBER.finditer(content) if at.start() % _RECORD == 0]) > 1:
        faults.add("source-unreadable", path.name, "it holds several data sets: export each alone")
        return None
    return content


def _cut(content: bytes, n: int) -> str | None:
    """Whether rows are missing: what follows the last of them is blank, and no whole record.

    A file of version 5 that ends between two rows, and there between two records, cannot be told
    from a whole one; one of version 8 says how many rows it has.
    """
    named, begun = _NAMESTR.search(content), _OBSERVATIONS.search(content)
    if named is None or begun is None:
        return "it is no SAS transport file"
    start = named.start() + _RECORD
    described = range(start, start + int(named[1]) * _DESCRIBED, _DESCRIBED)
    length = sum(int.from_bytes(content[at + _LENGTH_AT : at + _LENGTH_AT + 2]) for at in described)
    said = begun[1].strip()
    if begun[0].find(b"OBSV8") >= 0 and said.isdigit() and int(said) != n:
        return f"it says that it has {int(said)} rows, and has {n}"
    rest = content[begun.start() + _RECORD + n * length :]
    if rest.strip(b" ") or len(rest) >= _RECORD:
        return "it is cut off, or its last rows hold nothing"
    return None


def _cells(values: list[Any], form: str | None) -> list[object]:
    """Numbers with a format of dates as dates; SAS counts days, or seconds, from 1960 on."""
    kind = re.sub(r"[0-9.]+$", "", form or "").upper()
    if kind not in (*_DATES, *_MOMENTS):
        return [raw_cell(value) for value in values]
    return [_dated(value, whole=kind in _DATES) for value in values]


def _dated(value: Any, *, whole: bool) -> object:
    if value is None or value != value:
        return None
    try:
        if whole:
            return _EPOCH + timedelta(days=int(value))
        return datetime(1960, 1, 1) + timedelta(seconds=value)  # SAS has no time zones
    except (OverflowError, ValueError, TypeError):
        return _BAD_DATE


READERS: Final = {
    "adam": Reader(
        what="CDISC ADaM: a folder with adsl.xpt or adsl.csv and other data sets, or an XPT file",
        recognises=_recognises,
        read=_read,
        rank=2,
        drafts=draft_adam,
    )
}
