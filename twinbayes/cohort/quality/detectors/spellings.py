"""Names of one table that are spelt in two ways: events, treatments, centres and subgroups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np

from twinbayes import names
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.timeline import Timeline
from twinbayes.cohort.tables import CohortTables
from twinbayes.spelling import slip

_PLACES: Final = (
    (names.EVENTS, names.EVENT, True),
    (names.TREATMENTS, names.TREATMENT, True),
    (names.PATIENTS, names.CENTRE, False),
    (names.PATIENTS, names.SUBGROUP, False),
)
_MOST: Final = 200  # names of one column: all are compared with all


def spellings(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield names that differ in capitals, blanks or, of events and treatments, in one letter."""
    for table, column, by_letter in _PLACES:
        frame = cohort.tables.get(table)
        if frame is None:
            continue
        counts = frame[column].value_counts()
        known = [str(name) for name in counts.index[:_MOST]]  # the most frequent first
        for usual, rare in combinations(known, 2):
            if not (_folded(usual) == _folded(rare) or (by_letter and slip(usual, rare))):
                continue
            rows = np.flatnonzero(frame[column].to_numpy(dtype=object) == rare)
            yield Finding(
                detector="spelling",
                table=table,
                column=column,
                what=f"{rare!r} may be {usual!r}",
                why="the two names differ by a slip alone",
                remedy="Use one name for one thing.",
                n_rows=len(rows),
                n_patients=len(np.unique(line.who[table][rows])),
                of_patients=cohort.n_patients,
                rows={table: rows},
            )


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
