"""A cohort folder: its descriptor, and its tables as raw frames."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pandas import DataFrame

from twinbayes.cohort.contract.faults import Faults
from twinbayes.cohort.contract.raw_tables import (
    CSV,
    PARQUET,
    is_ordinary_file,
    read_table_file,
    without_blank_rows,
)
from twinbayes.cohort.contract.schema import CONTRACT, READABLE_TABLES, REQUIRED_TABLES
from twinbayes.documents import read_json
from twinbayes.errors import CohortError

DESCRIPTOR: Final = "datapackage.json"
SUFFIXES: Final = (CSV, PARQUET)


@dataclass(frozen=True, kw_only=True)
class RawFolder:
    """Untyped tables of a folder, its descriptor, and rows that hold nothing."""

    tables: Mapping[str, DataFrame]
    descriptor: Mapping[str, Any]
    blank_rows: DataFrame


def read_folder(folder: Path | zipfile.Path, faults: Faults) -> RawFolder:
    """Read every table of a cohort folder without interpreting its cells."""
    if not _is_folder(folder):
        raise CohortError(
            "read_cohort: the path is not a folder. Give a folder with datapackage.json and the "
            "tables, or name an adapter for another format."
        )
    try:
        descriptor, files = _descriptor(folder, faults), _table_files(folder, faults)
    except OSError as error:
        raise CohortError(
            "read_cohort: the folder may not be read. Give yourself the right to list it and to "
            "read its files."
        ) from error
    raw: dict[str, DataFrame] = {}
    for table, path in files.items():
        frame = read_table_file(path, table, faults)
        if frame is not None:
            raw[table] = frame
    tables, blank_rows = without_blank_rows(raw)
    return RawFolder(tables=tables, descriptor=descriptor, blank_rows=blank_rows)


def _is_folder(place: Path | zipfile.Path) -> bool:
    try:
        return place.is_dir()
    except OSError:  # too long a name, or above it a folder that may not be entered
        return False


def _descriptor(folder: Path | zipfile.Path, faults: Faults) -> Mapping[str, Any]:
    path = folder / DESCRIPTOR
    if not path.exists():
        faults.add("descriptor-missing", DESCRIPTOR, "the file is not there")
        return {}
    if not is_ordinary_file(path, folder):
        faults.add("file-irregular", DESCRIPTOR, "it is no file of this folder")
        return {}
    try:
        content = read_json(path, CohortError)
    except CohortError:
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
        not isinstance(name, str) or name not in known or not (folder / name).exists()
        for name in paths
    )
    if wrong:
        faults.add("descriptor-path", DESCRIPTOR, f"{wrong} of {len(paths)} paths name no table")
    return content


def _table_files(folder: Path | zipfile.Path, faults: Faults) -> dict[str, Path | zipfile.Path]:
    files: dict[str, Path | zipfile.Path] = {}
    unknown = 0
    paths: list[Path | zipfile.Path] = sorted(folder.iterdir(), key=lambda entry: entry.name)
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.suffix not in SUFFIXES or path.stem not in READABLE_TABLES:
            unknown += 1
        elif path.stem in files:
            faults.add("table-twice", path.stem, "it is there as CSV and as Parquet")
        elif not is_ordinary_file(path, folder):
            faults.add("file-irregular", path.stem, "it is no file of this folder")
        else:
            files[path.stem] = path
    if unknown:
        # File names are not quoted: one file a patient is a common export.
        faults.add("table-unknown", "folder", f"{unknown} table files have no known name")
    there = {path.stem for path in paths if path.suffix in SUFFIXES}
    for table in REQUIRED_TABLES:
        if table not in there:
            faults.add("table-missing", table, "the file is not there")
    return files


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
