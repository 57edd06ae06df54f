"""Whose sheets are asked for: a file of identifiers, held against the patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from twinbayes.errors import CohortError, StorageError
from twinbayes.serve.explorer import Explorer, PatientRow

_COLUMNS: Final = ("table", "row", "column", "rule", "problem", "remedy")


def rows_asked(explorer: Explorer, ids: Path | None) -> tuple[PatientRow, ...]:
    """The patients that a file names, in its order; without a file all who can be forecast.

    Parameters
    ----------
    explorer
        The patients.
    ids
        A text file (UTF-8) with one identifier a line; empty lines are passed over.

    Raises
    ------
    StorageError
        The file cannot be read.
    CohortError
        All lines that name nobody, somebody whose record has ended, somebody twice, or somebody
        of whom nothing can be shown: by number of line, without the identifier. Or no line names
        anybody, or nobody can be forecast.
    """
    if ids is None:
        found = tuple(row for row in explorer.rows if _fault(explorer, row) is None)
        if not found:
            raise CohortError("Nobody of this cohort can be forecast: every record has ended.")
        return found
    lines = lines_of(ids)
    by_id = {row.patient_id: row for row in explorer.rows}
    first: dict[str, int] = {}
    faults: list[tuple[int, str, str, str]] = []
    for number, name in lines:
        row = by_id.get(name)
        if name in first:
            faults.append((number, "each patient once", f"names the patient of line {first[name]}",
                           "Take it out."))  # fmt: skip
        elif row is None:
            faults.append((number, "patients of the cohort", "nobody has this identifier",
                           "Spell it as the cohort does."))  # fmt: skip
        elif (fault := _fault(explorer, row)) is not None:
            faults.append((number, *fault))
        first.setdefault(name, number)
    if faults:
        raise CohortError(_told(ids.name, faults), _table(ids.name, faults))
    return tuple(by_id[name] for _, name in lines)


def _fault(explorer: Explorer, row: PatientRow) -> tuple[str, str, str] | None:
    """Why there is no forecast of a patient: rule, problem and remedy."""
    if row.has_ended:
        return ("records that have not ended", "the record has ended: there is nothing to forecast",
                "Take it out.")  # fmt: skip
    if explorer.days_shown(row) <= 0.0:
        return ("within the extrapolation that the disease allows (extrapolation_years)",
                "all of the forecast lies beyond", "Take it out.")  # fmt: skip
    return None


def lines_of(ids: Path) -> list[tuple[int, str]]:
    """Number and text of the lines that have one.

    Raises
    ------
    StorageError
        The file cannot be read.
    CohortError
        There is no such line.
    """
    try:
        text = ids.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StorageError(f"{ids.name}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise StorageError(f"{ids.name}: the file is not UTF-8. Save it as plain text.") from error
    lines = [(k, line.strip()) for k, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise CohortError(f"{ids.name}: names nobody. Give one identifier a line.")
    return lines


def _told(name: str, faults: Sequence[tuple[int, str, str, str]]) -> str:
    said = [
        f"  line {k}: {problem} (rule: {rule}). {remedy}" for k, rule, problem, remedy in faults
    ]
    return "\n".join((f"{name}: nothing was written, for these lines:", *said))


def _table(name: str, faults: Sequence[tuple[int, str, str, str]]) -> pd.DataFrame:
    told = [(name, k, "", rule, problem, remedy) for k, rule, problem, remedy in faults]
    return pd.DataFrame(told, columns=list(_COLUMNS))
