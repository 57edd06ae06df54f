"""Dates in columns of days: numbers beyond any life, and cohorts that all begin decades late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from twinbayes import names
from twinbayes.arrays import Floats, Ints
from twinbayes.cohort.contract.day_numbers import OTHER, beyond_life, looks_like
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.timeline import Timeline, ages_of
from twinbayes.cohort.tables import CohortTables
from twinbayes.names import DAYS_PER_YEAR

_DAY_COLUMNS: Final = (
    (names.PATIENTS, names.ENTRY_DAY),
    (names.EVENTS, names.DAY),
    (names.EVENTS, names.DAY_LOWER),
    (names.VISITS, names.DAY),
    (names.TREATMENTS, "start_day"),
    (names.TREATMENTS, "stop_day"),
)
# No row of a whole cohort before this, although it was followed from adult age on.
_LATE: Final = 20 * DAYS_PER_YEAR
_FEW: Final = 5  # patients
_REMEDY: Final = "Convert dates to days since the patient's origin"


def dates_as_days(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield columns of days that hold dates, in all or in part of their rows."""
    ages = ages_of(cohort)
    all_late = _all_late(cohort, line, ages)
    for table, column in _DAY_COLUMNS:
        frame = cohort.tables.get(table)
        if frame is None or column not in frame:
            continue
        days, who = frame[column].to_numpy(dtype=float), line.who[table]
        rows = np.flatnonzero(beyond_life(days, ages[who]))
        if len(rows):
            like = looks_like(days[rows])
            why = f"the patients would be older than anybody, and the numbers are like {like}"
        elif all_late and np.isfinite(days).any():
            rows = np.flatnonzero(np.isfinite(days))
            why = f"no row of any patient is within 20 years of the origin, as with {OTHER}"
        else:
            continue
        yield _finding(table, column, rows, who, line.n, why)


def _all_late(cohort: CohortTables, line: Timeline, ages: Floats) -> bool:
    """Whether nothing at all is dated within 20 years of the origin of people who were adults."""
    if line.n < _FEW or np.median(ages) < 1.0 or (cohort.entries[0] > 0.0).mean() > 0.5:
        return False
    days = [line.last, *line.events.values(), *line.treatments.values()]
    return bool(np.nanmin(np.stack(days)) > _LATE) if np.isfinite(line.last).any() else False


def _finding(table: str, column: str, rows: Ints, who: Ints, n: int, why: str) -> Finding:
    return Finding(
        detector="dates as days",
        table=table,
        column=column,
        what="dates in place of days",
        why=why,
        remedy=f"{_REMEDY}.",
        n_rows=len(rows),
        n_patients=len(np.unique(who[rows])),
        of_patients=n,
        rows={table: rows},
    )
