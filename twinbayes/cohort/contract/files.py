"""A cohort folder's files as raw frames, indexed by row number (the header is row 1)."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.schema import CONTRACT, READABLE_TABLES, REQUIRED_TABLES
from twinbayes.errors import CohortError

DESCRIPTOR: Final = "datapackage.json"
SUFFIXES: Final = (".csv", ".parquet")
FIRST_DATA_ROW: Final = 2
_OTHER_DELIMITERS: Final = ";\t|"


@dataclass(frozen=True, kw_only=True)
class RawFolder:
    """Untyped tables of a folder, its descriptor, and rows that hold nothing."""

    tables: Mapping[str, DataFrame]
    descriptor: Mapping[str, Any]
    blank_rows: DataFrame


def read_folder(folder: Path | zipfile.Path, faults: Faults) -> RawFolder:
    """Read every table of a cohort folder without interpreting its cells."""
    if not folder.is_dir():
        raise CohortError(
            "read_cohort: the path is not a folder. Give a folder with datapackage.json and the "
            "tables, or name an adapter for another format."
        )
    descriptor = _descriptor(folder, faults)
    files = _table_files(folder, faults)
    tables: dict[str, DataFrame] = {}
    blank: list[tuple[str, int, str, str]] = []
    for table, path in files.items():
        raw = _read_csv(path, table, faults) if path.suffix == ".csv" else None
        raw = _read_parquet(path, table, faults) if path.suffix == ".parquet" else raw
        if raw is None:
            continue
        empty = raw.isna().all(axis=1) | (raw == "").all(axis=1)
        blank += [(table, int(row), "blank-row", "every cell is blank") for row in raw.index[empty]]
        tables[table] = raw[~empty]
    return RawFolder(
        tables=tables,
        descriptor=descriptor,
        blank_rows=DataFrame(blank, columns=["table", "row", "rule", "reason"]),
    )


def _descriptor(folder: Path | zipfile.Path, faults: Faults) -> Mapping[str, Any]:
    path = folder / DESCRIPTOR
    if not path.is_file():
        faults.add("descriptor-missing", DESCRIPTOR, "the file is not there")
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        content = None
    if not isinstance(content, dict):
        faults.add("descriptor-unreadable", DESCRIPTOR, "the file is not a JSON object")
        return {}
    own = content.get("twinbayes")
    if (
        not isinstance(own, dict)
        or own.get("contract") != CONTRACT
        or not isinstance(own.get("simulated", False), bool)
    ):
        faults.add("descriptor-contract", DESCRIPTOR, f"it does not declare contract {CONTRACT!r}")
    resources = content.get("resources", [])
    known = {table + suffix for table in READABLE_TABLES for suffix in SUFFIXES}
    paths = [
        resource.get("path") if isinstance(resource, dict) else None
        for resource in (resources if isinstance(resources, list) else [None])
    ]
    # Only plain names are read, so that a descriptor cannot point outside its folder.
    wrong = sum(
        not isinstance(name, str) or name not in known or not (folder / name).is_file()
        for name in paths
    )
    if wrong:
        faults.add("descriptor-path", DESCRIPTOR, f"{wrong} of {len(paths)} paths name no table")
    return content


def _table_files(folder: Path | zipfile.Path, faults: Faults) -> dict[str, Path | zipfile.Path]:
    files: dict[str, Path | zipfile.Path] = {}
    unknown = 0
    entries: list[Path | zipfile.Path] = list(folder.iterdir())
    for path in sorted(entries, key=lambda entry: entry.name):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.suffix not in SUFFIXES or path.stem not in READABLE_TABLES:
            unknown += 1
        elif path.stem in files:
            faults.add("table-twice", path.stem, "it is there as CSV and as Parquet")
        else:
            files[path.stem] = path
    if unknown:
        # File names are not quoted: one file a patient is a common export.
        faults.add("table-unknown", "folder", f"{unknown} table files have no known name")
    for table in REQUIRED_TABLES:
        if table not in files:
            faults.add("table-missing", table, "the file is not there")
    return files


def _read_csv(path: Path | zipfile.Path, table: str, faults: Faults) -> DataFrame | None:
    try:
        text = path.read_bytes().decode("utf-8-sig")
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
    frame = DataFrame(kept, columns=header, index=rows[fits], dtype=object)
    return _unique_columns(frame, table, faults)


def _read_parquet(path: Path | zipfile.Path, table: str, faults: Faults) -> DataFrame | None:
    try:
        frame = pd.read_parquet(io.BytesIO(path.read_bytes()))
    except ImportError as error:
        raise CohortError(
            f"{table}: reading Parquet needs pyarrow. Install twinbayes[parquet], or write CSV."
        ) from error
    except (OSError, ValueError, NotImplementedError):  # pyarrow's own errors inherit these
        faults.add("file-unreadable", table, "it is not a readable Parquet file")
        return None
    frame = frame.reset_index(drop=True).rename(columns=str)
    return _unique_columns(by_row(frame), table, faults)


def by_row(frame: DataFrame) -> DataFrame:
    """Index a frame by the row numbers that a file of it would have."""
    return frame.set_axis(np.arange(FIRST_DATA_ROW, FIRST_DATA_ROW + len(frame)), axis=0)


def _unique_columns(frame: DataFrame, table: str, faults: Faults) -> DataFrame:
    repeated = frame.columns.duplicated()
    if repeated.any():
        faults.add("column-twice", table, f"{repeated.sum()} column names occur twice")
    return frame.loc[:, ~repeated]


def source_of(descriptor: Mapping[str, Any]) -> dict[str, str]:
    """Title, origin, licence and note of a descriptor, and what else it says of the source."""

    def titles(key: str) -> str:
        entries = descriptor.get(key)
        listed = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
        return "; ".join(str(entry.get("title", entry.get("name", ""))) for entry in listed)

    found = {
        "title": str(descriptor.get("title", "")),
        "origin": titles("sources"),
        "licence": titles("licenses"),
        "note": str(descriptor.get("description", "")),
    }
    own = descriptor.get("twinbayes")
    extra = own.get("source") if isinstance(own, dict) else None
    if isinstance(extra, dict):
        found |= {str(key): str(value) for key, value in extra.items()}
    return {key: value for key, value in found.items() if value}
