"""Turns of a curve: from the day of a treatment or an event on, it takes another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, require_known
from twinbayes.model.curves.basis import AREA, SLOPE
from twinbayes.model.storing.typed import typed
from twinbayes.names import DAY, DAYS_PER_YEAR, EVENT, PATIENT_ID, TERMINAL_EVENTS

STEP: Final = "step"
BEND: Final = "bend"
APPROACH: Final = "approach"


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Since:
    """A column of time that is 0 until a treatment starts or an event happens.

    Parameters
    ----------
    what
        A treatment or an event of the cohort; its first day counts.
    turn
        ``step``, another level from then on; ``bend``, another slope, per year; ``approach``,
        another level that is approached exponentially.
    half_time
        Years in which half of an ``approach`` has happened.
    varies
        Whether patients differ in it; otherwise they share what subgroup and covariates make of it.

    Examples
    --------
    >>> Since(what="allogeneic_transplant", turn="step", varies=False).turn
    'step'
    """

    what: str
    turn: str = STEP
    varies: bool = True
    half_time: float = 0.25

    def __post_init__(self) -> None:
        require_known(self.turn, (STEP, BEND, APPROACH), f"turn of the curve since {self.what!r}")
        if self.what in TERMINAL_EVENTS:
            raise ModelError(
                f"A curve cannot turn since {self.what!r}: the record ends there. Name a "
                "treatment, or an event after which there are visits."
            )
        if not self.half_time > 0:
            raise ModelError(f"The half time must be positive, not {self.half_time!r} years.")

    @property
    def label(self) -> str:
        """As in the names of coefficients."""
        return f"{self.turn} since {self.what}"

    def column(self, days: Floats, start: Floats, form: str) -> Floats:
        """(time,) values, slopes a year, or areas in years, at days since origin.

        `start` is the day on which it begins, infinite where it does not.
        """
        since = np.maximum(np.where(np.isinf(start), 0.0, days - start), 0.0) / DAYS_PER_YEAR
        on = (days >= start).astype(np.float64)
        is_step = self.turn == STEP
        if self.turn == APPROACH:
            rate = np.log(2.0) / self.half_time
            left = np.exp(-rate * since)
            if form == SLOPE:
                rising: Floats = rate * left * on
                return rising
            risen: Floats = since - (1.0 - left) / rate if form == AREA else 1.0 - left
            return risen
        if form == SLOPE:
            return np.zeros(len(days)) if is_step else on
        if form == AREA:
            return since if is_step else 0.5 * since**2
        return on if is_step else since


def first_days(turns: Sequence[Since], cohort: Cohort) -> Floats:
    """(patient, turn) day on which each turn begins, infinite where it does not.

    Raises
    ------
    ModelError
        Something that the cohort cannot have.
    """
    order = {p: i for i, p in enumerate(cohort.patient_ids)}
    out = np.full((len(order), len(turns)), np.inf)
    for k, turn in enumerate(turns):
        known = []
        if cohort.treatments is not None:
            mine = cohort.treatments[cohort.treatments["treatment"] == turn.what]
            known += list(zip(mine[PATIENT_ID], mine["start_day"], strict=True))
        mine = cohort.events[cohort.events[EVENT] == turn.what]
        known += list(zip(mine[PATIENT_ID], mine[DAY], strict=True))
        for patient, day in known:
            out[order[patient], k] = min(out[order[patient], k], float(day))
    return out


def require_dated(turns: Sequence[Since], cohort: Cohort, marker: str) -> None:
    """Refuse turns that nobody in a cohort takes: they could not be learnt."""
    days = first_days(turns, cohort)
    for k, turn in enumerate(turns):
        if not np.isfinite(days[:, k]).any():
            treatments = [] if cohort.treatments is None else list(cohort.treatments["treatment"])
            known = sorted({*treatments, *cohort.events[EVENT]} - set(TERMINAL_EVENTS))
            raise ModelError(
                f"Marker {marker!r} turns since {turn.what!r}, which nobody in the cohort has had. "
                f"Known treatments and events: {', '.join(known) or 'none'}."
            )
