"""A finding: what may be wrong, where, why it is suspected, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Ints
from twinbayes.cohort.quality.suppression import HIDDEN, SUPPRESSED, suppress

#: Columns of the table of findings in quality reports.
COLUMNS: Final = (
    *("detector", "table", "column", names.CENTRE, "patients", "rows", "what", "why", "remedy"),
)


def no_rows() -> Ints:
    """Return no row: what is suspected is a column as a whole."""
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """One thing that may be wrong with the data. It is a warning, and nothing is corrected.

    Attributes
    ----------
    detector
        Name of what found it, such as ``"time unit"``.
    table, column
        Where; `table` alone where several columns are concerned.
    what, why, remedy
        Phrases: what is suspected, the reason, and what to do. No count of people is among them.
    n_rows, n_patients
        How many rows and patients are concerned.
    of_patients
        Patients of the centre, or of the cohort.
    centre
        The one centre that is concerned, or None.
    rows
        Table -> rows of the cohort's frame, counted from 0, that a local list names. Empty where
        the whole column is suspected.
    """

    detector: str
    table: str
    what: str
    why: str
    remedy: str
    n_rows: int
    n_patients: int
    of_patients: int
    column: str = ""
    centre: str | None = None
    rows: dict[str, Ints] = field(default_factory=dict, repr=False)

    @property
    def sentence(self) -> str:
        """What, where, why and the remedy, without any count."""
        place = f"{self.table}.{self.column}" if self.column else self.table
        where = place if self.centre is None else f"{place}, {self.centre}"
        return f"{where}: {self.what}: {self.why}. {self.remedy}"


def findings_table(findings: Sequence[Finding], centres: pd.Series) -> DataFrame:
    """Return one row a finding, with counts as a report may show them.

    Parameters
    ----------
    findings
        What was found.
    centres
        Centre of each patient: where the size of a centre is not shown, nothing is counted in it.
    """
    sizes = centres.value_counts()
    shown = suppress(sizes)
    withheld = set(sizes.index[shown.isin((SUPPRESSED, HIDDEN))])
    rows = []
    for found in findings:
        patients = _words(found.n_patients, found.of_patients)
        if found.centre in withheld:
            patients = HIDDEN
        n_rows = patients if patients in (SUPPRESSED, HIDDEN) else str(found.n_rows)
        rows.append((
            found.detector, found.table, found.column, found.centre or "", patients, n_rows,
            found.what, found.why, found.remedy,
        ))  # fmt: skip
    return DataFrame(rows, columns=list(COLUMNS))


def _words(n: int, of: int) -> str:
    """A count beside the known number of all, neither of which may tell of 1 to 4."""
    return str(suppress(pd.Series([n, max(of - n, 0)])).iloc[0])
