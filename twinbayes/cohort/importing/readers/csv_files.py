"""Text files of one table each, with commas, semicolons, tabs or bars between cells."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped, marked
from twinbayes.cohort.importing.source import MOST_BYTES, Reader, SourceTable

SUFFIXES: Final = (".csv", ".tsv", ".txt")
_DELIMITERS: Final = ",;\t|"


def text_files(path: Path) -> list[Path]:
    """The file, or the text files of a folder by name."""
    if not path.is_dir():
        return [path] if path.suffix.lower() in SUFFIXES else []
    try:
        return sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    except OSError:
        return []


def read_text_table(
    path: Path, mapping: MappingFile | Unmapped, faults: Faults, folder: Path | None = None
) -> SourceTable | None:
    """Read one text file without interpreting its cells; None if it cannot be read."""
    text = text_of(path, mapping, faults, folder)
    if text is None:
        return None
    declared = None if isinstance(mapping, Unmapped) else mapping.delimiter
    delimiter = declared or _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[list[object]] = []
    numbers: list[int] = []
    blank: list[int] = []
    wrong: list[int] = []
    try:
        header = next(reader, [])
        for number, record in enumerate(reader, 2):
            if not any(cell and not cell.isspace() for cell in record):
                blank.append(number)
            elif len(record) != len(header):
                wrong.append(number)
            else:
                rows.append(list(record))
                numbers.append(number)
    except csv.Error:
        problem = "a quotation does not end, or a cell is too long"
        faults.add(
            "source-unreadable", path.name, problem, rows=[2 + len(rows) + len(blank) + len(wrong)]
        )
        return None
    if not any(header):
        faults.add("source-empty", path.name, "it has no header")
        return None
    if wrong:
        problem = f"the row has not {len(header)} cells"
        faults.add("source-row-length", path.name, problem, rows=wrong)
    names = tuple(name.strip() for name in header)
    return SourceTable(name=path.name, header=names, rows=rows, numbers=numbers, blank=blank)


def content_of(path: Path, faults: Faults, folder: Path | None) -> bytes | None:
    """The bytes of an ordinary file of bounded size; None if it cannot be read."""
    if not is_ordinary_file(path, folder):
        faults.add("source-irregular", path.name, "it is no ordinary file of this folder")
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError:
        faults.add("source-unreadable", path.name, "it may not be read")
        return None
    if len(content) > MOST_BYTES:
        faults.add("source-too-large", path.name, f"it is larger than {MOST_BYTES >> 20} MiB")
        return None
    return content


def text_of(
    path: Path, mapping: MappingFile | Unmapped, faults: Faults, folder: Path | None
) -> str | None:
    """The text of a file in the encoding that is declared, or met; None if it cannot be read."""
    content = content_of(path, faults, folder)
    if content is None:
        return None
    if marked(content):
        encoding = "utf-16"
    elif isinstance(mapping, Unmapped):
        encoding = mapping.encoding_of(path.name, content)
    else:
        encoding = mapping.encoding
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        faults.add("source-encoding", path.name, f"it is not {encoding.upper()}")
        return None
    if "\0" in text:
        faults.add("source-encoding", path.name, "it holds NUL characters")
        return None
    return text


def _delimiter(text: str) -> str:
    """The mark that cuts the header into most cells."""
    line = "".join(itertools.takewhile(lambda c: c not in "\r\n", text[: 1 << 16]))
    return max(_DELIMITERS, key=lambda mark: _cells(line, mark))


def _cells(line: str, mark: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=mark), []))
    except csv.Error:
        return 0


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    folder = path if path.is_dir() else None
    tables = [read_text_table(p, mapping, faults, folder) for p in text_files(path)]
    return [table for table in tables if table is not None]


READERS: Final = {
    "csv": Reader(
        what="CSV or TSV: a file, or a folder of them",
        recognises=lambda path: bool(text_files(path)),
        read=_read,
    )
}
