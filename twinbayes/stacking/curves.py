"""Curves by subgroup as a member: the reference that any model must better."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import OptionError, told
from twinbayes.estimators import CountingProcess, aalen_johansen
from twinbayes.estimators.observed import require_known_until
from twinbayes.names import PATIENT_ID, SUBGROUP
from twinbayes.showing import brief
from twinbayes.stacking.members import require_name
from twinbayes.stacking.outcome import Outcome


@brief
@dataclass(frozen=True)
class SubgroupCurves:
    """Aalen–Johansen curves by subgroup, which for survival are those of Kaplan and Meier.

    At a landmark they are the transition probabilities from the state that a patient is in.

    Attributes
    ----------
    name
        Unique in the stack.
    by_subgroup
        False: one curve for all.
    smallest
        A subgroup of which fewer were at risk in the state on the day has the curve of all. So
        has one that nobody followed as long as is asked.

    Raises
    ------
    OptionError
        If `smallest` is no whole number from 1 on.

    Examples
    --------
    >>> SubgroupCurves("curve of all", by_subgroup=False).smallest
    20
    """

    name: str = "curves"
    by_subgroup: bool = True
    smallest: int = 20

    def __post_init__(self) -> None:
        require_name(self.name)
        found: object = self.smallest
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise OptionError(
                f"member {self.name!r}: smallest is the number of patients from which a subgroup "
                f"has its own curve, 1 or more, not {told(found)}."
            )
        if not isinstance(self.by_subgroup, bool):
            raise OptionError(f"member {self.name!r}: by_subgroup is True or False.")

    def require(self, outcome: Outcome) -> None:
        """Curves tell of every outcome."""

    def fitted(
        self, cohort: Cohort, outcome: Outcome, process: CountingProcess, seed: int
    ) -> FittedCurves:
        """Keep the courses, by subgroup."""
        subgroup = cohort.patients.set_index(PATIENT_ID)[SUBGROUP]
        parts = {}
        if self.by_subgroup:
            rows = subgroup.reindex(process.patient).to_numpy()
            parts = {str(name): process.select(rows == name) for name in cohort.subgroups}
        return FittedCurves(outcome, process, parts, self.smallest)


@brief
@dataclass(frozen=True)
class FittedCurves:
    """Courses that curves are made of when they are asked for."""

    outcome: Outcome
    process: CountingProcess = field(repr=False)
    parts: dict[str, CountingProcess] = field(repr=False)
    smallest: int = 20
    unusable: str = ""

    def occupation(self, patients: Cohort, day: float, ahead: Floats) -> Floats:
        """Curves of each patient's subgroup from the state on the day."""
        states = self.outcome.present(patients, day)
        subgroups = patients.patients[SUBGROUP].astype(str)
        made: dict[tuple[str, str], Floats] = {}
        out = np.empty((len(states), ahead.size, len(self.outcome.states)))
        for i, key in enumerate(zip(subgroups, states, strict=True)):
            if key not in made:
                made[key] = self._curve(*key, day, ahead)
            out[i] = made[key]
        return out

    def _curve(self, subgroup: str, state: str, day: float, ahead: Floats) -> Floats:
        """(day, state): of the subgroup where it is large and followed enough, else of all."""
        own, code = self.parts.get(subgroup), self.process.state(state)
        if own is not None:
            here = own.present(day) & (own.from_state == code)
            if len(set(own.patient[here].tolist())) >= self.smallest:
                curve = aalen_johansen(own, origin=day, initial=state)
                if curve.known_until >= day + ahead[-1]:
                    return curve.at(day + ahead)
        curve = aalen_johansen(self.process, origin=day, initial=state)
        require_known_until(day + ahead, curve.known_until, "curves of all patients")
        return curve.at(day + ahead)
