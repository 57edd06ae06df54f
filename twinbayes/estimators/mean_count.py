"""Mean number of events that recur, up to a day, in patients of whom some die.

    mu(t) = sum over event days u <= t of S(u-) dN(u) / Y(u)

Y counts who is under observation, N all events, and S is the Kaplan-Meier curve of death: after it
nobody has events. Without death this is the Nelson-Aalen sum. Its variance is that of a sum over
patients, whatever dependence there is between the events of one (the infinitesimal jackknife).

Source: Cook and Lawless (1997), Stat Med 16, 911-924; Ghosh and Lin (2000), Biometrics 56, 554-562.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Floats
from twinbayes.errors import CohortError
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.observed import (
    as_days,
    as_horizons,
    as_indicator,
    as_labels,
    require_alike,
    require_known_until,
    require_no_row,
)

_PLACE: Final = "mean number of events"


def mean_count(
    last_day: npt.ArrayLike,
    died: npt.ArrayLike,
    event_patient: npt.ArrayLike,
    event_day: npt.ArrayLike,
    *,
    times: npt.ArrayLike,
    patient: npt.ArrayLike | None = None,
) -> list[Estimate]:
    """Estimate the mean number of events by each of some days.

    Parameters
    ----------
    last_day, died
        (patient,) day of the end of follow-up from day 0 on, and whether it was death.
    event_patient, event_day
        (event,) who had each event, a label or an index, and on which day; in any order.
    times
        Days.
    patient
        (patient,) labels; default the index.

    Returns
    -------
    list of Estimate
        One a time, with the influence of each patient; expected events a patient.

    Raises
    ------
    CohortError
        Lengths differ, a day is no number or negative, or an event is of nobody, or after the end
        of the patient's follow-up.
    OptionError
        A time is no day, or nobody was followed so long.

    Examples
    --------
    Two patients, followed for 10 days, of whom one has two events.

    >>> [e.value for e in mean_count([10, 10], [0, 0], [0, 0], [2, 5], times=[3, 10])]
    [0.5, 1.0]
    """
    last, dead = as_days(last_day, _PLACE, "last_day"), as_indicator(died, _PLACE)
    require_alike(_PLACE, last_day=last, died=dead)
    days = as_days(event_day, _PLACE, "event_day")
    owner = _owners(event_patient, patient, len(last))
    if len(days) or len(owner):
        require_alike(_PLACE, event_day=days, event_patient=owner)
    require_no_row(
        days > last[owner], _PLACE, "are events after the end of the patient's follow-up",
        "Leave them out, or correct the end.",
    )  # fmt: skip
    asked = as_horizons(times, "times of a mean number of events")
    known = np.inf if len(last) and last[~dead].size == 0 else float(last.max(initial=0.0))
    require_known_until(asked, known, "mean number of events")
    return [_at(float(t), last, dead, owner, days) for t in asked]


def _at(
    until: float, last: Floats, dead: npt.NDArray[np.bool_], owner: npt.NDArray[Any], days: Floats
) -> Estimate:
    """The estimate by one day, with each patient's derivative by the patient's own weight."""
    n, kept = len(last), days <= until
    grid = np.unique(np.concatenate([days[kept], last[dead & (last <= until)]]))
    if not len(grid):
        return Estimate(0.0, np.zeros(n), high=np.inf)
    in_order = np.sort(last)
    size = n - np.searchsorted(in_order, grid, side="left")
    events = np.bincount(np.searchsorted(grid, days[kept]), minlength=len(grid))
    dies = dead & (last <= until)
    hazard = np.bincount(np.searchsorted(grid, last[dies]), minlength=len(grid)) / size
    rate = events / size
    before = np.concatenate([[1.0], np.cumprod(1.0 - hazard)[:-1]])
    share = rate * before  # what each day adds
    left = np.maximum(size * (1.0 - hazard), 1.0)
    after = np.concatenate([np.cumsum(share[::-1])[::-1][1:], [0.0]])  # what later days add
    at = np.searchsorted(grid, last, side="right")  # days on which each patient was at risk
    of_events = np.bincount(
        owner[kept], (before / size)[np.searchsorted(grid, days[kept])], minlength=n
    )
    expected = np.concatenate([[0.0], np.cumsum(share / size)])[at]
    lost = -np.concatenate([[0.0], np.cumsum(hazard / left * after)])[at]
    day = np.searchsorted(grid, last[dies])
    lost[dies] += (after / left)[day]
    return Estimate(float(before @ rate), of_events - expected - lost, high=np.inf)


def _owners(
    event_patient: npt.ArrayLike, patient: npt.ArrayLike | None, n: int
) -> npt.NDArray[np.int64]:
    """Position of the patient of each event."""
    labels = list(range(n)) if patient is None else as_labels(patient, _PLACE).tolist()
    if len(labels) != n:
        raise CohortError(
            f"{_PLACE}: {len(labels)} labels of {n} patients. Give one label a patient."
        )
    position = {label: k for k, label in enumerate(labels)}
    if len(position) != n:
        raise CohortError(f"{_PLACE}: a label stands for two patients. Give each its own.")
    given = as_labels(event_patient, _PLACE).tolist()
    found = np.array([position.get(label, -1) for label in given], dtype=np.int64)
    require_no_row(found < 0, _PLACE, "are events of nobody", "Give labels of the patients.")
    return found
