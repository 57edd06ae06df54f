"""Table files as raw frames, indexed by row number (the header is row 1)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas import DataFrame

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.tables import EXCLUDED_COLUMNS
from twinbayes.errors import CohortError

FIRST_DATA_ROW: Final = 2
CSV: Final = ".csv"
PARQUET: Final = ".parquet"
_OTHER_DELIMITERS: Final = ";\t|"
_EMPTY: Final = "every cell is blank"


def is_ordinary_file(path: Path | zipfile.Path, folder: Path | zipfile.Path | None = None) -> bool:
    """Whether a path is a file that can be read to its end, and lies in `folder` if that is given.

    A pipe would be waited for, and a link may lead out of the folder; in memory there are neither.
    """
    if isinstance(path, zipfile.Path) or isinstance(folder, zipfile.Path):
        return path.is_file()
    try:
        inside = folder is None or path.resolve().is_relative_to(folder.resolve())
        return inside and path.is_file()
    except (OSError, RuntimeError):  # links in a circle, or folders that may not be entered
        return False


def read_table_file(path: Path | zipfile.Path, table: str, faults: Faults) -> DataFrame | None:
    """Read a CSV or Parquet file without interpreting its cells; None if it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError:
        faults.add("file-unreadable", table, "it may not be read")
        return None
    if path.suffix.lower() == PARQUET:
        return _of_parquet(content, table, faults)
    return _of_csv(content, table, faults)


def _of_csv(content: bytes, table: str, faults: Faults) -> DataFrame | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        faults.add("encoding", table, "the file is not UTF-8")
        return None
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        faults.add("file-unreadable", table, "a quotation does not end, or a cell is too long")
        return None
    if not records or not any(records[0]):
        faults.add("file-empty", table, "it has no header")
        return None
    header, *body = records
    if len(header) == 1 and any(mark in header[0] for mark in _OTHER_DELIMITERS):
        faults.add("delimiter", table, "the header is one cell with semicolons, tabs or bars")
        return None
    width = len(header)
    rows = np.arange(FIRST_DATA_ROW, FIRST_DATA_ROW + len(body))
    # The csv module gives an empty record for an empty line.
    body = [record or [""] * width for record in body]
    fits = np.array([len(record) == width for record in body], dtype=bool)
    if not fits.all():
        faults.add("row-length", table, f"the row has not {width} cells", rows=rows[~fits])
    kept = [record for record, fit in zip(body, fits, strict=True) if fit]
    frame = DataFrame(kept, index=rows[fits], columns=range(width), dtype=object)
    return with_unique_columns(
        frame.set_axis(pd.Index(header, dtype=object), axis=1), table, faults
    )


def _of_parquet(content: bytes, table: str, faults: Faults) -> DataFrame | None:
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except ImportError as error:
        raise CohortError(
            f"{table}: reading Parquet needs pyarrow. Install twinbayes[parquet], or write CSV."
        ) from error
    except (OSError, ValueError, NotImplementedError):  # pyarrow's own errors inherit these
        faults.add("file-unreadable", table, "it is not a readable Parquet file")
        return None
    return raw_frame(frame, table, faults)


def raw_frame(frame: DataFrame, table: str, faults: Faults) -> DataFrame:
    """Return a frame as if it had been read from a file: rows by number, columns by text."""
    # Half of a surrogate pair has no encoding, in messages or anywhere.
    names = [str(column).encode(errors="replace").decode() for column in frame.columns]
    header = pd.Index(names, dtype=object)
    return with_unique_columns(by_row(frame).set_axis(header, axis=1), table, faults)


def by_row(frame: DataFrame) -> DataFrame:
    """Index a frame by the row numbers that a file of it would have."""
    return frame.set_axis(np.arange(FIRST_DATA_ROW, FIRST_DATA_ROW + len(frame)), axis=0)


def with_unique_columns(frame: DataFrame, table: str, faults: Faults) -> DataFrame:
    """Note columns of the same name, and keep the first of them."""
    repeated = frame.columns.duplicated()
    if repeated.any():
        faults.add("column-twice", table, f"{repeated.sum()} column names occur twice")
    return frame.loc[:, ~repeated]


def without_blank_rows(
    raw: Mapping[str, DataFrame],
) -> tuple[dict[str, DataFrame], DataFrame]:
    """Take out rows that hold nothing; the second table lists them as excluded."""
    kept: dict[str, DataFrame] = {}
    blank: list[tuple[str, int, str, str]] = []
    for table, frame in raw.items():
        empty = _blank_throughout(frame)
        blank += [(table, int(row), "blank-row", _EMPTY) for row in frame.index[empty]]
        kept[table] = frame[~empty]
    return kept, DataFrame(blank, columns=list(EXCLUDED_COLUMNS))


def _blank_throughout(frame: DataFrame) -> NDArray[np.bool_]:
    """(row,) whether every cell is blank; only rows that still may be are looked at."""
    maybe = np.arange(len(frame))
    for position in range(frame.shape[1]):
        if not len(maybe):
            break
        cells = frame.iloc[maybe, position]
        blank = [isinstance(cell, str) and not cell for cell in cells]
        maybe = maybe[cells.isna().to_numpy(dtype=bool) | np.array(blank, dtype=bool)]
    empty = np.zeros(len(frame), dtype=bool)
    empty[maybe] = True
    return empty
