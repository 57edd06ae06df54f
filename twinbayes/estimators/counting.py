"""Who was at risk of what, and when: the counting-process table that all checks share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.errors import CohortError, OptionError
from twinbayes.estimators.observed import (
    as_day,
    as_labels,
    as_names,
    as_numbers,
    as_times,
    require_no_row,
)
from twinbayes.showing import brief

CENSORED: Final = -1
_PLACE: Final = "counting process"


@brief
@dataclass(frozen=True)
class CountingProcess:
    """Rows ``(start, stop]`` of time at risk in a state, and what ended them.

    A patient is in one state at a time: rows of one patient may touch, or leave a gap in which
    nobody was watching, but not overlap.

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
        Names of the states, each once.
    patient
        Label of the patient of each row. Without it every row is a patient of its own.
    absorbing
        Names of the states that end follow-up; by default those that nobody leaves.

    Raises
    ------
    CohortError
        If lengths differ, a time or a state is no number, a time is not finite, a row has no
        length or no patient, a state is unknown, a transition leads from a state into itself, a
        patient is at risk in an absorbing state, or rows of one patient overlap; or if names of
        states are no texts or given twice.

    Examples
    --------
    >>> process = CountingProcess(
    ...     start=[0, 0, 40], stop=[100, 40, 120], from_state=[0, 0, 1], to_state=[-1, 1, 2],
    ...     states=("well", "ill", "dead"), patient=["a", "b", "b"],
    ... )
    >>> aalen_johansen(process, initial="well").at(50.0)
    array([0.5, 0.5, 0. ])
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
                ~np.isfinite(codes) | (codes != np.round(codes)),
                _PLACE,
                f"have a '{name}' that is no whole number",
                "Give indices into 'states'.",
            )
            # What is no index stays none, whatever its size.
            object.__setattr__(self, name, np.clip(codes, -9, 2**31).astype(np.int64))
        object.__setattr__(self, "states", as_names(self.states, _PLACE, "states"))
        patient = as_labels(self.patient, _PLACE)
        if patient.size == 0:
            patient = np.arange(self.start.size)
        object.__setattr__(self, "patient", patient)
        self._validate()
        self._require_apart()
        left = set(self.from_state.tolist())
        if self.absorbing is None:
            final = tuple(name for i, name in enumerate(self.states) if i not in left)
        else:
            final = as_names(self.absorbing, _PLACE, "absorbing")
            ends = [self.state(name) for name in final]
            require_no_row(
                np.isin(self.from_state, ends),
                _PLACE,
                "are at risk in an absorbing state",
                "Drop them, or take the state out of 'absorbing'.",
            )
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

    def _require_apart(self) -> None:
        code = self._owner()
        order = np.lexsort((self.start, code))
        code, start, stop = code[order], self.start[order], self.stop[order]
        bad = np.zeros(order.size, dtype=np.bool_)
        bad[order[1:]] = (code[1:] == code[:-1]) & (start[1:] < stop[:-1])
        require_no_row(
            bad,
            _PLACE,
            "begin before another row of the same patient ends",
            "A patient is in one state at a time: cut or drop them.",
        )

    def _owner(self) -> Ints:
        """For each row the position of its patient, in the order in which they first appear."""
        return np.asarray(pd.factorize(self.patient)[0], dtype=np.int64)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.start.size)

    @property
    def patients(self) -> npt.NDArray[Any]:
        """Labels of the patients, in the order in which they first appear."""
        return np.asarray(self.patient[np.unique(self._owner(), return_index=True)[1]])

    @property
    def transitions(self) -> tuple[tuple[int, int], ...]:
        """Pairs (from, to) that were observed, in order."""
        seen = self.to_state != CENSORED
        pairs = np.unique(np.stack([self.from_state[seen], self.to_state[seen]], axis=1), axis=0)
        return tuple((int(a), int(b)) for a, b in pairs)

    def state(self, name_or_index: str | int | np.integer[Any]) -> int:
        """Return the index of a state given by name or index.

        Raises
        ------
        CohortError
            If there is no such state.
        """
        known = ", ".join(self.states)
        if isinstance(name_or_index, str):
            if name_or_index not in self.states:
                raise CohortError(f"unknown state {name_or_index!r}. Known: {known}.")
            return self.states.index(name_or_index)
        found: object = name_or_index  # what arrives may be anything
        if isinstance(found, bool) or not isinstance(found, int | np.integer):
            raise CohortError(f"a state is a name or an index, no {type(found).__name__}: {known}.")
        if not 0 <= name_or_index < len(self.states):
            raise CohortError(f"state {name_or_index} is outside 0..{len(self.states) - 1}.")
        return int(name_or_index)

    def select(self, rows: Bools) -> CountingProcess:
        """Return the process of the rows where `rows` is true.

        Raises
        ------
        OptionError
            If `rows` is not True or False for each row.
        """
        chosen = np.asarray(rows, dtype=object)
        if chosen.shape != self.start.shape or not all(
            isinstance(x, bool | np.bool_) for x in chosen
        ):
            raise OptionError(f"{_PLACE}: select: give True or False for each of the rows.")
        return self._take(np.flatnonzero(chosen))

    def _take(self, rows: npt.NDArray[np.intp]) -> CountingProcess:
        return CountingProcess(
            self.start[rows], self.stop[rows], self.from_state[rows], self.to_state[rows],
            self.states, self.patient[rows], self.absorbing,
        )  # fmt: skip

    def of_patients(self, labels: npt.ArrayLike) -> CountingProcess:
        """Return the process of the patients with these labels, in this order.

        Raises
        ------
        CohortError
            If a label has no row, or they are not labels one after another.
        """
        wanted = pd.Index(as_labels(labels, _PLACE)).unique()
        absent = int((~wanted.isin(self.patient)).sum())
        if absent:
            raise CohortError(f"counting process: {absent} of {wanted.size} patients have no row.")
        rank = wanted.get_indexer(pd.Index(self.patient))
        order = np.argsort(rank, kind="stable")
        return self._take(order[rank[order] >= 0])

    def since(self, day: float) -> CountingProcess:
        """Return what was seen after `day`: earlier rows dropped, the row across it cut.

        Raises
        ------
        OptionError
            If `day` is no finite number.
        """
        day = as_day(day, f"{_PLACE}: since")
        later = self.select(self.stop > day)
        return replace(later, start=np.maximum(later.start, day))

    def present(self, day: float) -> Bools:
        """Rows under observation just after `day`: ``start <= day < stop``; errors as `since`."""
        day = as_day(day, f"{_PLACE}: present")
        return (self.start <= day) & (day < self.stop)

    def follow_up(self) -> FollowUp:
        """Return entry, exit and last state of each patient, in the order of `patients`."""
        row_owner = self._owner()
        order = np.lexsort((self.stop, row_owner))
        owner = row_owner[order]
        changes = owner[1:] != owner[:-1]
        is_last = np.append(changes, True)[: owner.size]
        is_first = np.append(True, changes)[: owner.size]
        last, target = order[is_last], self.to_state[order[is_last]]
        final = [i for i, name in enumerate(self.states) if name in (self.absorbing or ())]
        return FollowUp(
            entry=self.start[order[is_first]],
            exit=self.stop[last],
            absorbed_in=np.where(np.isin(target, final), target, CENSORED),
            row_owner=row_owner,
        )

    def state_at(self, day: float) -> Ints:
        """Return each patient's state on `day`, -1 where it is not known; errors as `since`."""
        day = as_day(day, f"{_PLACE}: state")
        follow_up = self.follow_up()
        state = np.where(follow_up.exit <= day, follow_up.absorbed_in, CENSORED)
        here = self.present(day)
        state[follow_up.row_owner[here]] = self.from_state[here]
        return state

    def n_known(self, times: npt.ArrayLike) -> Ints:
        """Count patients whose state at each time is known: under observation or absorbed.

        Raises
        ------
        OptionError
            If a time is no number.
        """
        days = as_times(times, _PLACE)
        ends = self.follow_up()
        lost = np.sort(ends.exit[ends.absorbed_in == CENSORED])
        known = np.searchsorted(np.sort(ends.entry), days, side="right")
        return np.asarray(known - np.searchsorted(lost, days, side="right"), dtype=np.int64)


def require_process(process: object) -> None:
    """Refuse what is no counting process, or has no row.

    Raises
    ------
    CohortError
        If it has no row.
    OptionError
        If it is something else.
    """
    if not isinstance(process, CountingProcess):
        raise OptionError(
            f"give a CountingProcess, as `survival_process` returns, no {type(process).__name__}."
        )
    if not process.n_rows:
        raise CohortError(f"{_PLACE}: there is no row. Choose an earlier day, or more patients.")


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
