"""Cells: a patient at a landmark and a horizon, what was seen there, and how much it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.checks.scores.censoring import HorizonOutcome, outcomes_at
from twinbayes.errors import OptionError
from twinbayes.estimators import CountingProcess, Estimate
from twinbayes.showing import brief
from twinbayes.stacking.outcome import Outcome


@brief
@dataclass(frozen=True)
class Cells:
    """Patients by landmark and horizon.

    Attributes
    ----------
    patients
        Labels, in the order of the cohort.
    landmarks, horizons
        Days since origin; days since the landmark. Cells are numbered landmark by landmark.
    at_risk
        (landmark, patient): followed beyond the landmark, in no absorbing state on it.
    state
        (cell, patient): index of the state there, -1 where it is not known.
    weight
        (cell, patient): the inverse probability of being known, over the number at risk at the
        landmark and the number of cells; 0 where the state is not known. They sum to about 1.
    """

    patients: tuple[str, ...]
    landmarks: tuple[float, ...]
    horizons: tuple[float, ...]
    at_risk: Bools
    state: Ints
    weight: Floats
    outcomes: tuple[HorizonOutcome, ...] = field(repr=False)

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        process: CountingProcess,
        patients: tuple[str, ...],
        entries: Floats,
        landmarks: tuple[float, ...],
        horizons: tuple[float, ...],
        strata: npt.NDArray[Any] | None,
    ) -> Cells:
        """Find who was at risk, and what was seen of them.

        Raises
        ------
        OptionError
            If nobody is at risk at a landmark, or nobody (of a stratum of the censoring) is
            followed beyond a horizon.
        """
        count = len(landmarks) * len(horizons)
        at_risk = np.zeros((len(landmarks), len(patients)), dtype=np.bool_)
        state = np.full((count, len(patients)), -1, dtype=np.int64)
        weight, found, cell = np.zeros((count, len(patients))), [], 0
        followed = set(process.patient.tolist())
        known = np.array([p in followed for p in patients])
        ends = process.of_patients([p for p in patients if p in followed]).follow_up()
        last = np.full(len(patients), -np.inf)
        last[known] = ends.exit
        for k, day in enumerate(landmarks):
            here = known & (entries <= day) & (last > day)
            if not here.any():
                raise OptionError(f"nobody is at risk on day {day:g}. Choose earlier landmarks.")
            at_risk[k] = here
            labels = [p for p, there in zip(patients, here, strict=True) if there]
            ahead = process.of_patients(labels).since(day)
            days = day + np.asarray(horizons)
            some = None if strata is None else strata[here]
            for h in outcomes_at(ahead, days, outcome.states[0], strata=some):
                state[cell, here] = ahead.state_at(h.horizon)
                weight[cell, here] = (h.case + h.control) / (here.sum() * count)
                found.append(h)
                cell += 1
        return cls(patients, landmarks, horizons, at_risk, state, weight, tuple(found))

    def risk_of(self, cell: int) -> Bools:
        """Who is at risk at the landmark of a cell, (patient,)."""
        return np.asarray(self.at_risk[cell // len(self.horizons)])

    def mean(self, score: Floats) -> Estimate:
        """Return the mean score over cells, of each the mean over the patients at risk.

        Parameters
        ----------
        score
            (cell, patient), read where the state is known.

        Returns
        -------
        Estimate
            Its influences, one a patient, tell of the estimated weights as well.
        """
        part = np.where(self.weight > 0.0, self.weight * score, 0.0)
        influence = np.zeros(len(self.patients))
        for cell, outcome in enumerate(self.outcomes):
            here = self.risk_of(cell)
            own = part[cell, here]
            influence[here] += own - own.sum() / own.size + outcome.influence(own)
        return Estimate(float(part.sum()), influence, -np.inf, np.inf)
