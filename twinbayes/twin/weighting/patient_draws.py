"""Where one patient stands: hazards, hazard ratios and curves of the patient, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twinbayes.arrays import Floats, is_number
from twinbayes.cohort import Cohort
from twinbayes.errors import TwinError, told
from twinbayes.model.events.packed import EventData
from twinbayes.names import DAY, DEATH, EVENT, TERMINAL_EVENTS
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios, course_record, with_frailty
from twinbayes.twin.weighting.importance import Weights, importance_weights


@dataclass(frozen=True)
class PatientDraws:
    """One patient under the population's draws, as the patient's record bears them out.

    Attributes
    ----------
    population
        The population; its baselines are those of this patient's draws.
    ratios, curves
        Hazard ratios and curves; `curves` is None without trajectories.
    weights
        Weights of the draws; None where each counts the same.
    """

    population: Population
    ratios: PatientRatios
    curves: PatientCurves | None
    weights: Weights | None

    def with_frailty(
        self, population: Population, data: EventData, i: int, seed: int
    ) -> PatientDraws:
        """Draw the patient's frailty given the course of patient `i` in `data`; see `frailty`."""
        record = course_record(population, self.ratios, data, i)
        return replace(self, ratios=with_frailty(population, self.ratios, record, seed))

    def weighted(self, log_ratio: Floats) -> PatientDraws:
        """Let the draws count by their log weights (draw,)."""
        weights = importance_weights(log_ratio)
        if weights is None:
            return self
        index = weights.index
        return PatientDraws(
            self.population.rates_of(index),
            PatientRatios(self.ratios.hazard[:, index], self.ratios.effect[:, index]),
            None if self.curves is None else self.curves.under(index),
            weights,
        )


def require_patients(cohort: Cohort) -> None:
    """Refuse a cohort of nobody.

    Raises
    ------
    TwinError
        It has no patients.
    """
    if not cohort.n_patients:
        raise TwinError("The cohort has no patients. Give one of at least one patient.")


def require_followed(cohort: Cohort, at: float) -> None:
    """Refuse a landmark on which some patient's state is not known.

    Raises
    ------
    TwinError
        `at` is no day, or some patient was last seen before it, and alive.
    """
    if not (is_number(at) and at >= 0.0):
        raise TwinError(f"at must be one day since origin, a number from 0 on, not {told(at)}.")
    days, states = cohort.entries
    before = sum(d > at for d, s in zip(days, states, strict=True) if s is not None)
    if before:
        raise TwinError(
            f"{before} patient(s) were not yet under observation on day {at:g}, and came later in "
            "a state of which the day is not known. Choose a later landmark, or select the others."
        )
    last = cohort.events[cohort.events[EVENT].isin(TERMINAL_EVENTS)]
    lost = int(((last[DAY] < at) & (last[EVENT] != DEATH)).sum())
    if lost:
        raise TwinError(
            f"{lost} patient(s) were last seen before day {at:g}: their state on that day is not "
            "known. Choose an earlier landmark, or select the patients still followed."
        )
