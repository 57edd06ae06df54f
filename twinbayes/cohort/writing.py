"""A cohort as an ordinary folder: tables and a descriptor that names their schemas inline."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.cohort.contract.dictionary import declared_fields
from twinbayes.cohort.contract.files import DESCRIPTOR
from twinbayes.cohort.contract.schema import CONTRACT, EXCLUDED, Field, schema_descriptor
from twinbayes.cohort.tables import CohortTables
from twinbayes.errors import CohortError, StorageError, require_known
from twinbayes.paths import path_of
from twinbayes.private_files import FOLDER_MODE, write_private

_FORMATS: Final = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
_STANDARD_SOURCE: Final = ("title", "origin", "licence", "note")


def write_cohort(
    cohort: CohortTables, place: str | os.PathLike[str], *, file_format: str = "csv"
) -> Path:
    """Write the cohort into a new or empty folder, for its owner alone, and return the folder.

    Raises
    ------
    StorageError
        If the folder holds anything already or cannot be made, or the path is none.
    OptionError
        If the format is unknown.
    """
    require_known(file_format, _FORMATS, "file format")
    folder = path_of(place, StorageError, "Cohort.write")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StorageError(
                "Cohort.write: the place is not an empty folder. Name a new folder; nothing is "
                "overwritten."
            )
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"Cohort.write: the folder cannot be made ({error.strerror}). Name another place."
        ) from error
    # The descriptor comes last, so that a folder with one is complete.
    for name, content in cohort_files(cohort, file_format=file_format).items():
        write_private(folder / name, content)
    return folder


def cohort_files(cohort: CohortTables, *, file_format: str = "csv") -> dict[str, bytes]:
    """Return the files of a cohort's folder by name: its tables, then the descriptor.

    Raises
    ------
    OptionError
        If the format is unknown.
    """
    require_known(file_format, _FORMATS, "file format")
    tables = dict(cohort.tables)
    if len(cohort.excluded):
        tables[EXCLUDED] = cohort.excluded
    files = {
        f"{table}.{file_format}": _table_bytes(frame, file_format)
        for table, frame in tables.items()
    }
    text = json.dumps(_descriptor(cohort, tables, file_format), indent=2, ensure_ascii=False)
    return {**files, DESCRIPTOR: f"{text}\n".encode()}


def _table_bytes(frame: DataFrame, file_format: str) -> bytes:
    if file_format == "csv":
        whole = {c: _whole_as_integers(frame[c]) for c in frame.columns}
        return DataFrame(whole).to_csv(index=False, lineterminator="\n").encode()
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError as error:
        raise CohortError(
            "Cohort.write: writing Parquet needs pyarrow. Install twinbayes[parquet], or write CSV."
        ) from error
    return buffer.getvalue()


def _whole_as_integers(values: pd.Series) -> pd.Series:
    """Spell whole floats without a decimal point: 120, not 120.0."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return values
    whole = bool((values.isna() | ((values == values.round()) & (values.abs() < 2**53))).all())
    return values.astype("Int64") if whole else values


def _descriptor(
    cohort: CohortTables, tables: Mapping[str, DataFrame], file_format: str
) -> dict[str, Any]:
    source = dict(cohort.source)
    other = {key: value for key, value in source.items() if key not in _STANDARD_SOURCE}
    descriptor: dict[str, Any] = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": cohort.name,
        "title": source.get("title"),
        "description": source.get("note"),
        "licenses": _titled(source.get("licence"), name="other"),
        "sources": _titled(source.get("origin")),
        "twinbayes": {"contract": CONTRACT, "simulated": cohort.simulated}
        | ({"source": other} if other else {}),
        "resources": [_resource(table, cohort, file_format) for table in tables],
    }
    return {key: value for key, value in descriptor.items() if value is not None}


def _titled(title: str | None, **more: str) -> list[dict[str, str]] | None:
    return None if title is None else [{**more, "title": title}]


def _resource(table: str, cohort: CohortTables, file_format: str) -> dict[str, Any]:
    schema = schema_descriptor(table)
    if schema["fieldsMatch"] == "partial":
        # The written folder knows its covariates, so its schema is closed.
        fixed = {entry["name"] for entry in schema["fields"]}
        declared = declared_fields(cohort.variables, table)
        schema["fields"] += [_entry(field) for field in declared if field.name not in fixed]
        schema["fieldsMatch"] = "superset"
    if (frame := cohort.tables.get(table)) is not None:  # without optional columns left out
        schema["fields"] = [entry for entry in schema["fields"] if entry["name"] in frame]
    present = {names.PATIENTS, *cohort.tables}
    keys = [k for k in schema.pop("foreignKeys", []) if k["reference"]["resource"] in present]
    return {
        "$schema": "https://datapackage.org/profiles/2.0/dataresource.json",
        "name": table,
        "type": "table",
        "path": f"{table}.{file_format}",
        "format": file_format,
        "mediatype": _FORMATS[file_format],
        "encoding": "utf-8",
        "schema": schema | ({"foreignKeys": keys} if keys else {}),
    }


def _entry(field: Field) -> dict[str, Any]:
    limits = {
        "minimum": field.minimum,
        "maximum": field.maximum,
        "enum": list(field.allowed) if field.allowed else None,
    }
    constraints = {key: value for key, value in limits.items() if value is not None}
    return {"name": field.name, "type": field.kind} | (
        {"constraints": constraints} if constraints else {}
    )
