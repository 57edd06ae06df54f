"""The list of suspect rows: for those who can look into the source, and never part of a report."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Ints
from twinbayes.cohort.quality.report import QualityReport
from twinbayes.cohort.tables import CohortTables
from twinbayes.private_files import write_private

COLUMNS: Final = ("table", "row", names.PATIENT_ID, "detector", "why")
_FIRST_ROW: Final = 2  # the header is row 1


def suspect_rows(
    cohort: CohortTables, report: QualityReport, file_rows: Mapping[str, Ints] | None = None
) -> DataFrame:
    """Return every row that a detector suspects, with the patient's identifier.

    Parameters
    ----------
    cohort
        The cohort.
    report
        Its quality report.
    file_rows
        Table -> row of its file of each row of the cohort's frame, -1 where it has none; without
        it rows are those that ``cohort.write`` would write.

    Returns
    -------
    DataFrame
        ``table``, ``row`` (the header is row 1), ``patient_id``, ``detector``, ``why``.
    """
    parts = [
        _rows(cohort, table, rows, found.detector, f"{found.what}: {found.why}", file_rows)
        for found in report.findings
        for table, rows in found.rows.items()
    ]
    for (table, name), far in report.tables["implausible"].groupby(["table", "variable"]):
        rows = far["row"].to_numpy(dtype=np.int64)
        why = f"{name} is far from all other values"
        parts.append(_rows(cohort, str(table), rows, "implausible value", why, file_rows))
    listed = [part for part in parts if len(part)]
    return pd.concat(listed, ignore_index=True) if listed else DataFrame(columns=list(COLUMNS))


def write_suspects(suspects: DataFrame, out: str | os.PathLike[str]) -> Path:
    """Write suspect rows as a CSV file that its owner alone can read.

    Raises
    ------
    StorageError
        The place cannot be written to.
    """
    buffer = io.StringIO()
    suspects.to_csv(buffer, index=False, lineterminator="\n")
    return write_private(out, buffer.getvalue())


def _rows(
    cohort: CohortTables,
    table: str,
    rows: Ints,
    detector: str,
    why: str,
    file_rows: Mapping[str, Ints] | None,
) -> DataFrame:
    known = None if file_rows is None else file_rows.get(table)
    places = rows + _FIRST_ROW if known is None else known[rows]
    number = pd.Series(places).where(places >= _FIRST_ROW).astype("Int64").array
    ids = cohort.tables[table][names.PATIENT_ID].to_numpy(dtype=object)[rows]
    return DataFrame(
        {"table": table, "row": number, names.PATIENT_ID: ids, "detector": detector, "why": why},
        columns=list(COLUMNS),
    )
