"""Excel workbooks, each sheet a table: values as they were saved; nothing is calculated or run."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import is_ordinary_file
from twinbayes.cohort.importing.cells.values import Problem
from twinbayes.cohort.importing.mapping.description import MappingFile
from twinbayes.cohort.importing.mapping.unmapped import Unmapped
from twinbayes.cohort.importing.source import MOST_BYTES, Reader, SourceTable
from twinbayes.errors import CohortError

SUFFIXES: Final = (".xlsx", ".xlsm")
_ERROR: Final = Problem("excel-error", "the formula of the cell gives an error")
_UNSAVED: Final = Problem("formula-unsaved", "the cell has a formula, and no value was saved")
_ZEROS: Final = re.compile(r"0{2,30}")
_DECLARES: Final = (b"<!DOCTYPE", b"<!ENTITY")
_LOOKED_AT: Final = 4096  # bytes of a part of a workbook, for declarations


def _read(path: Path, mapping: MappingFile | Unmapped, faults: Faults) -> list[SourceTable]:
    content = _content(path, faults)
    if content is None:
        return []
    try:
        import openpyxl
    except ImportError as error:
        raise CohortError(
            f"{path.name}: reading Excel needs openpyxl. Install twinbayes[excel], or save each "
            "sheet as CSV."
        ) from error
    tables: list[SourceTable] = []
    with warnings.catch_warnings():
        # Drop-downs, styles and dates that openpyxl does not keep; its words could quote a cell.
        warnings.simplefilter("ignore")
        try:
            saved, written = (
                openpyxl.load_workbook(
                    io.BytesIO(content), read_only=True, data_only=values, keep_links=False
                )
                for values in (True, False)
            )
            for sheet, formulas in zip(saved.worksheets, written.worksheets, strict=True):
                table = _table(sheet, formulas, faults)
                if table is not None:
                    tables.append(table)
        except Exception:  # a damaged workbook raises whatever its parts meet
            faults.add("source-unreadable", path.name, "it is not a readable workbook")
            return []
    return tables


def _content(path: Path, faults: Faults) -> bytes | None:
    """Bytes of a workbook that is none too large once unpacked, and declares no entities."""
    if not is_ordinary_file(path):
        faults.add("source-irregular", path.name, "it is no ordinary file")
        return None
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if len(content) + sum(part.file_size for part in archive.infolist()) > MOST_BYTES:
                faults.add(
                    "source-too-large", path.name, f"unpacked it passes {MOST_BYTES >> 20} MiB"
                )
                return None
            for part in archive.infolist():
                with archive.open(part) as opened:
                    start = opened.read(_LOOKED_AT).upper()
                if any(word in start for word in _DECLARES):
                    faults.add("source-unreadable", path.name, "it declares entities of XML")
                    return None
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        faults.add("source-unreadable", path.name, "it is not a readable workbook")
        return None
    return content


def _table(sheet: Any, formulas: Any, faults: Faults) -> SourceTable | None:
    """A sheet whose first row with anything in it is the header; None if it is empty."""
    header: tuple[str, ...] = ()
    rows: list[list[object]] = []
    numbers: list[int] = []
    blank: list[int] = []
    trailing: list[int] = []
    for number, cells in _rows(sheet, formulas):
        if all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells):
            trailing.append(number)
        elif not header:
            header, trailing = tuple(_name(cell) for cell in cells), []
        else:
            blank += trailing  # rows below the last are the end of the sheet, and no rows of it
            trailing = []
            padded = list(cells[: len(header)]) + [None] * (len(header) - len(cells))
            if any(cell is not None for cell in cells[len(header) :]):
                problem = "the row has cells beyond the header"
                faults.add("source-row-length", sheet.title, problem, rows=[number])
            rows.append(padded)
            numbers.append(number)
    if not header:
        return None
    return SourceTable(name=sheet.title, header=header, rows=rows, numbers=numbers, blank=blank)


def _rows(sheet: Any, formulas: Any) -> Iterator[tuple[int, list[object]]]:
    """Numbered rows of cells; where no formula of a sheet has a value, none was calculated."""
    for one in (sheet, formulas):
        one.reset_dimensions()  # what the file says of its size may be anything
    uncalculated = _never_calculated(sheet, formulas)
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells: list[object] = [_cell(cell) for cell in row]
        for k in uncalculated.get(number, ()):
            cells[k] = _UNSAVED
        yield number, cells


def _never_calculated(sheet: Any, formulas: Any) -> dict[int, list[int]]:
    """Row number -> positions of formulas, unless one of the sheet has a value."""
    found: dict[int, list[int]] = {}
    for number, (row, written) in enumerate(
        zip(sheet.iter_rows(), formulas.iter_rows(), strict=True), 1
    ):
        for k, (cell, formula) in enumerate(zip(row, written, strict=True)):
            if formula.data_type == "f":
                if cell.value is not None:
                    return {}
                found.setdefault(number, []).append(k)
    return found


def _cell(cell: Any) -> object:
    value = cell.value
    if cell.data_type == "e":
        return _ERROR
    if isinstance(value, int) and not isinstance(value, bool):
        # A format of zeros, such as 00000, is how a sheet keeps the zeros of an identifier.
        form = cell.number_format
        return str(value).zfill(len(form)) if _ZEROS.fullmatch(form) and value >= 0 else value
    return value


def _name(cell: object) -> str:
    if cell is None or isinstance(cell, date | Problem):
        return ""
    return str(cell).strip()


READERS: Final = {
    "excel": Reader(
        what="Excel: a workbook, each sheet a table",
        recognises=lambda path: path.suffix.lower() in SUFFIXES,
        read=_read,
        rank=1,
    )
}
