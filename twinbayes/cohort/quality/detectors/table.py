"""The table of detectors, and all of them applied to a cohort."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twinbayes.cohort.quality.detectors.dates import dates_as_days
from twinbayes.cohort.quality.detectors.duplicates import duplicates
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.later_values import later_values
from twinbayes.cohort.quality.detectors.leaks import future_events, future_times
from twinbayes.cohort.quality.detectors.spellings import spellings
from twinbayes.cohort.quality.detectors.time_units import time_units
from twinbayes.cohort.quality.detectors.timeline import Timeline, timeline_of
from twinbayes.cohort.quality.detectors.units import centre_units
from twinbayes.cohort.tables import CohortTables

type Detector = Callable[[CohortTables, Timeline], Iterable[Finding]]

#: The gravest first.
DETECTORS: Final[tuple[Detector, ...]] = (
    dates_as_days,
    time_units,
    future_events,
    future_times,
    later_values,
    duplicates,
    centre_units,
    spellings,
)


def findings_of(cohort: CohortTables) -> tuple[Finding, ...]:
    """Return what all detectors find in a cohort; one column is named by one detector of a kind."""
    line = timeline_of(cohort)
    found: dict[tuple[object, ...], Finding] = {}
    for detector in DETECTORS:
        for one in detector(cohort, line):
            key = (one.detector, one.table, one.column, one.centre, *_told_apart(one))
            found.setdefault(key, one)
    return tuple(found.values())


def _told_apart(one: Finding) -> tuple[str, ...]:
    """A covariate from the future is told of once, for the gravest reason."""
    return () if one.detector == "covariate from the future" else (one.what,)
