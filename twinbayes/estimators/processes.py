"""Counting processes from columns: survival times, competing risks, rows of one day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Floats, is_number
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.counting import CENSORED, CountingProcess
from twinbayes.estimators.observed import (
    as_causes,
    as_days,
    as_entry,
    as_indicator,
    as_labels,
    as_names,
    as_numbers,
    require_alike,
    require_no_row,
)

_EVENT_FREE: Final = "event_free"


def survival_process(
    time: npt.ArrayLike, event: npt.ArrayLike, *, entry: npt.ArrayLike | None = None
) -> CountingProcess:
    """Return the process with states ``alive`` and ``dead``; row i is patient i.

    Parameters
    ----------
    time, event
        Days of follow-up, and whether they ended in death: True or 1, else False or 0.
    entry
        Day from which each patient is at risk; 0 if not given.

    Raises
    ------
    CohortError
        If lengths differ; a time is no number, not finite, negative or not after entry; or an
        event is neither 0 nor 1 (False nor True).

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> process.states
    ('alive', 'dead')
    """
    stop, dead = as_days(time, "survival process", "time"), as_indicator(event, "survival process")
    start = _entries(entry, stop, "survival process", event=dead)
    return CountingProcess(
        start, stop, np.zeros(stop.shape, np.int64), np.where(dead, 1, CENSORED), ("alive", "dead"),
        absorbing=("dead",),
    )  # fmt: skip


def competing_process(
    time: npt.ArrayLike,
    cause: npt.ArrayLike,
    *,
    causes: Sequence[str],
    entry: npt.ArrayLike | None = None,
) -> CountingProcess:
    """Return the process with states ``event_free`` and one a cause; row i is patient i.

    Parameters
    ----------
    time, cause
        Days of follow-up, and what ended them: 0 where censored, k for the k-th of `causes`
        (counted from 1).
    causes
        Names of the causes, each once; none is ``event_free``.
    entry
        Day from which each patient is at risk; 0 if not given.

    Raises
    ------
    CohortError
        If lengths differ; a time is no number, not finite, negative or not after entry; a cause is
        no whole number from 0 to the number of causes; or a name is no text, is given twice, or is
        that of the state of whom nothing has happened to.

    Examples
    --------
    >>> process = competing_process([100, 200, 300], [1, 0, 2], causes=("relapse", "death"))
    >>> process.states
    ('event_free', 'relapse', 'death')
    """
    place = "competing process"
    names = as_names(causes, place, "causes")
    if _EVENT_FREE in names:
        raise CohortError(
            f"{place}: 'causes' has {_EVENT_FREE!r}, the state of those to whom nothing has "
            "happened. Give the cause another name."
        )
    stop, codes = as_days(time, place, "time"), as_causes(cause, len(names), place)
    start = _entries(entry, stop, place, cause=codes)
    return CountingProcess(
        start, stop, np.zeros(stop.shape, np.int64), np.where(codes == 0, CENSORED, codes),
        (_EVENT_FREE, *names), absorbing=names,
    )  # fmt: skip


def _entries(
    entry: npt.ArrayLike | None, stop: Floats, place: str, **ended: npt.NDArray[Any]
) -> Floats:
    """Days of entry, 0 where none are given, once the columns are found to be alike."""
    require_alike(place, time=stop, **ended)
    return as_entry(np.zeros_like(stop) if entry is None else entry, stop, place)


def spread_same_day(
    start: npt.ArrayLike, stop: npt.ArrayLike, patient: npt.ArrayLike, *, gap: float = 0.5
) -> tuple[Floats, Floats]:
    """Give rows without length the length `gap`, moving the patient's next rows along.

    Two events of one day (a relapse found at death) leave a row without length, at which nobody
    counts as at risk. Rows of a patient must stand together and follow each other in time.

    Returns
    -------
    start, stop
        New arrays; rows that had a length and are not overtaken are unchanged.

    Raises
    ------
    CohortError
        If lengths differ; a time is no number or not finite; a row has no patient or ends before
        it begins; or rows of one patient are apart, out of order or overlap.
    OptionError
        If `gap` is no length.

    Examples
    --------
    >>> spread_same_day([0, 10], [10, 10], ["a", "a"])
    (array([ 0., 10.]), array([10. , 10.5]))
    """
    place = "rows of one day"
    if not (is_number(gap) and gap > 0):
        raise OptionError(f"{place}: gap must be a number of days above 0, not {str(gap)[:30]!r}.")
    begin, end = as_numbers(start, place, "start"), as_numbers(stop, place, "stop")
    owner = as_labels(patient, place)
    if owner.size or begin.size or end.size:
        require_alike(place, start=begin, stop=end, patient=owner)
    begin, end = begin.copy(), end.copy()
    follows = _following(begin, end, owner, place)
    for row in range(begin.size):
        if follows[row]:
            begin[row] = max(begin[row], end[row - 1])
        if end[row] <= begin[row]:
            end[row] = begin[row] + gap
    return begin, end


def _following(start: Floats, stop: Floats, owner: npt.NDArray[Any], place: str) -> Bools:
    """Whether each row is of the patient of the row above; refuse times that are in no order."""
    require_no_row(
        ~np.isfinite(start) | ~np.isfinite(stop),
        place,
        "have a time that is not finite",
        "Drop them, or repair the dates.",
    )
    require_no_row(stop < start, place, "end before they begin", "Repair the dates.")
    code = pd.factorize(owner)[0]
    follows = np.zeros(owner.size, dtype=np.bool_)
    follows[1:] = code[1:] == code[:-1]
    first = np.zeros(owner.size, dtype=np.bool_)
    first[np.unique(code, return_index=True)[1]] = True
    require_no_row(
        ~follows & ~first, place, "are apart from those of the same patient", "Sort by patient."
    )
    early = follows.copy()
    early[1:] &= start[1:] < stop[:-1]
    require_no_row(
        early,
        place,
        "begin before the row above, of the same patient, ends",
        "Sort by day; a patient is in one state at a time.",
    )
    return follows
