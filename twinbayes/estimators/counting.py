"""Who was at risk of what, and when: the counting-process table that all checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.errors import CohortError
from twinbayes.estimators.observed import (
    as_causes,
    as_days,
    as_entry,
    as_indicator,
    as_numbers,
    require_alike,
    require_no_row,
)

CENSORED: Final = -1
_PLACE: Final = "counting process"


@dataclass(frozen=True)
class CountingProcess:
    """Rows ``(start, stop]`` of time at risk in a state, and what ended them.

    Attributes
    ----------
    start, stop
        Days, ``start < stop``. A patient with delayed entry has a first row that starts late.
    from_state
        Index into `states` of the state occupied during the row.
    to_state
        Index of the state entered at `stop`; -1 where nothing happened (censoring, or a row that
        was only split, e.g. at the start of a treatment).
    states
        Names of the states.
    patient
        Label of the patient of each row. Without it every row is a patient of its own.
    absorbing
        Names of the states that end follow-up; by default those that nobody leaves.

    Raises
    ------
    CohortError
        If lengths differ, a time or a state is no number, a time is not finite, a row has no
        length or no patient, a state is unknown, or a transition leads from a state into itself.
    """

    start: Floats
    stop: Floats
    from_state: Ints
    to_state: Ints
    states: tuple[str, ...]
    patient: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=object))
    absorbing: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("start", "stop"):
            days = as_numbers(getattr(self, name), _PLACE, name)
            object.__setattr__(self, name, days)
        for name in ("from_state", "to_state"):
            codes = as_numbers(getattr(self, name), _PLACE, name)
            require_no_row(
                codes != np.round(codes),
                _PLACE,
                f"have a '{name}' that is no whole number",
                "Give indices into 'states'.",
            )
            object.__setattr__(self, name, codes.astype(np.int64))
        object.__setattr__(self, "states", tuple(self.states))
        patient = np.asarray(self.patient)
        if patient.size == 0:
            patient = np.arange(self.start.size)
        object.__setattr__(self, "patient", patient)
        self._validate()
        if self.absorbing is None:
            left = set(self.from_state.tolist())
            final = tuple(name for i, name in enumerate(self.states) if i not in left)
            object.__setattr__(self, "absorbing", final)

    def _validate(self) -> None:
        columns = {
            "stop": self.stop, "from_state": self.from_state,
            "to_state": self.to_state, "patient": self.patient,
        }  # fmt: skip
        for name, column in columns.items():
            if column.shape != self.start.shape or column.ndim != 1:
                raise CohortError(
                    f"counting process: '{name}' has shape {column.shape}, 'start' has "
                    f"{self.start.shape}. Give one value a row."
                )
        require_no_row(pd.isna(self.patient), _PLACE, "have no patient", "Label them.")
        require_no_row(
            ~np.isfinite(self.start) | ~np.isfinite(self.stop),
            _PLACE,
            "have a time that is not finite",
            "Drop them, or repair the dates.",
        )
        require_no_row(
            self.stop <= self.start,
            _PLACE,
            "have no length (stop <= start)",
            "`spread_same_day` sets events of one day half a day apart.",
        )
        n = len(self.states)
        unknown = (self.from_state < 0) | (self.from_state >= n)
        unknown |= (self.to_state < CENSORED) | (self.to_state >= n)
        require_no_row(
            unknown,
            _PLACE,
            f"name a state outside 0..{n - 1}",
            "Use -1 for 'nothing happened', and indices into 'states' otherwise.",
        )
        require_no_row(
            self.from_state == self.to_state,
            _PLACE,
            "lead from a state into itself",
            "Use -1 where nothing happened.",
        )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.start.size)

    @property
    def patients(self) -> npt.NDArray[Any]:
        """Labels of the patients, in the order in which they first appear."""
        labels, first = np.unique(self.patient, return_index=True)
        return np.asarray(labels[np.argsort(first)])

    @property
    def transitions(self) -> tuple[tuple[int, int], ...]:
        """Pairs (from, to) that were observed, in order."""
        seen = self.to_state != CENSORED
        pairs = np.unique(np.stack([self.from_state[seen], self.to_state[seen]], axis=1), axis=0)
        return tuple((int(a), int(b)) for a, b in pairs)

    def state(self, name_or_index: str | int) -> int:
        """Return the index of a state given by name or index."""
        if isinstance(name_or_index, str):
            if name_or_index not in self.states:
                known = ", ".join(self.states)
                raise CohortError(f"unknown state {name_or_index!r}. Known: {known}.")
            return self.states.index(name_or_index)
        if not 0 <= name_or_index < len(self.states):
            raise CohortError(f"state {name_or_index} is outside 0..{len(self.states) - 1}.")
        return int(name_or_index)

    def select(self, rows: Bools) -> CountingProcess:
        """Return the process of the rows where `rows` is true."""
        return self._take(np.flatnonzero(rows))

    def _take(self, rows: npt.NDArray[np.intp]) -> CountingProcess:
        return CountingProcess(
            self.start[rows], self.stop[rows], self.from_state[rows], self.to_state[rows],
            self.states, self.patient[rows], self.absorbing,
        )  # fmt: skip

    def of_patients(self, labels: Sequence[Any] | npt.NDArray[Any]) -> CountingProcess:
        """Return the process of the patients with these labels, in this order.

        Raises
        ------
        CohortError
            If a label has no row.
        """
        wanted = pd.Index(np.asarray(labels)).unique()
        absent = int((~wanted.isin(self.patient)).sum())
        if absent:
            raise CohortError(f"counting process: {absent} of {wanted.size} patients have no row.")
        rank = wanted.get_indexer(pd.Index(self.patient))
        order = np.argsort(rank, kind="stable")
        return self._take(order[rank[order] >= 0])

    def since(self, day: float) -> CountingProcess:
        """Return what was seen after `day`: earlier rows dropped, the row across it cut."""
        later = self.select(self.stop > day)
        return replace(later, start=np.maximum(later.start, day))

    def present(self, day: float) -> Bools:
        """Rows under observation just after `day`: ``start <= day < stop``."""
        return (self.start <= day) & (day < self.stop)

    def follow_up(self) -> FollowUp:
        """Return entry, exit and last state of each patient, in the order of `patients`."""
        labels, first, code = np.unique(self.patient, return_index=True, return_inverse=True)
        rank = np.empty(labels.size, dtype=np.int64)
        rank[np.argsort(first)] = np.arange(labels.size)
        order = np.lexsort((self.stop, rank[code]))
        owner = rank[code][order]
        is_last = np.append(owner[1:] != owner[:-1], True)[: owner.size]
        is_first = np.append(True, owner[1:] != owner[:-1])[: owner.size]
        last, target = order[is_last], self.to_state[order[is_last]]
        final = [i for i, name in enumerate(self.states) if name in (self.absorbing or ())]
        return FollowUp(
            entry=self.start[order[is_first]],
            exit=self.stop[last],
            absorbed_in=np.where(np.isin(target, final), target, CENSORED),
            row_owner=rank[code],
        )

    def state_at(self, day: float) -> Ints:
        """Return each patient's state on `day`, -1 where it is not known."""
        follow_up = self.follow_up()
        state = np.where(follow_up.exit <= day, follow_up.absorbed_in, CENSORED)
        here = self.present(day)
        state[follow_up.row_owner[here]] = self.from_state[here]
        return state

    def n_known(self, times: npt.ArrayLike) -> Ints:
        """Count patients whose state at each time is known: under observation or absorbed."""
        days = np.asarray(times, dtype=np.float64)
        ends = self.follow_up()
        lost = np.sort(ends.exit[ends.absorbed_in == CENSORED])
        known = np.searchsorted(np.sort(ends.entry), days, side="right")
        return np.asarray(known - np.searchsorted(lost, days, side="right"), dtype=np.int64)


@dataclass(frozen=True)
class FollowUp:
    """When each patient came under observation, left it, and why.

    Attributes
    ----------
    entry, exit
        Days, shape (patients,).
    absorbed_in
        Index of the absorbing state that ended follow-up, -1 where it was censored.
    row_owner
        For each row of the process, the position of its patient.
    """

    entry: Floats
    exit: Floats
    absorbed_in: Ints
    row_owner: Ints

    @property
    def censored(self) -> Bools:
        """Patients whose follow-up ended without an absorbing state."""
        return np.asarray(self.absorbed_in == CENSORED)


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
        Names of the causes.
    entry
        Day from which each patient is at risk; 0 if not given.

    Raises
    ------
    CohortError
        If lengths differ; a time is no number, not finite, negative or not after entry; or a cause
        is no whole number from 0 to the number of causes.
    """
    place = "competing process"
    stop, codes = as_days(time, place, "time"), as_causes(cause, len(causes), place)
    start = _entries(entry, stop, place, cause=codes)
    return CountingProcess(
        start, stop, np.zeros(stop.shape, np.int64), np.where(codes == 0, CENSORED, codes),
        ("event_free", *causes), absorbing=tuple(causes),
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
    counts as at risk. Rows of a patient must follow each other in time.

    Returns
    -------
    start, stop
        New arrays; rows that had a length and are not overtaken are unchanged.
    """
    place = "rows of one day"
    begin, end = as_numbers(start, place, "start"), as_numbers(stop, place, "stop")
    owner = np.asarray(patient)
    for row in range(begin.size):
        if row and owner[row] == owner[row - 1]:
            begin[row] = max(begin[row], end[row - 1])
        if end[row] <= begin[row]:
            end[row] = begin[row] + gap
    return begin, end
