"""Paths of simulated patients through the states, by exact inversion in continuous time.

A piecewise-constant hazard has a piecewise-linear cumulative hazard, which is inverted exactly.
Every intensity out of the present state draws the time at which it would fire; the first one
does. Where a treatment phase ends before that, the clock stops there and all are drawn anew,
which is exact because the waiting time left is again exponential on the cumulative scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from twinbayes.arrays import Floats
from twinbayes.names import CLOCK_ENTRY

INDUCTION: Final = "induction"
REMISSION: Final = "remission"
RELAPSE: Final = "relapse"
TRANSIENT: Final = (INDUCTION, REMISSION, RELAPSE)
# The death that each transient state can end in, in the same order.
DEATHS: Final = ("death_without_remission", "death_in_remission", "death_after_relapse")
STATES: Final = (*TRANSIENT, *DEATHS)
TRANSPLANT: Final = "allogeneic_transplant"


@dataclass(frozen=True, slots=True)
class Intensity:
    """A transition, or (without target) the start of transplantation, and its baseline hazard.

    `log_hazard` holds one value per window, which open at `edges` (days on `clock`, from 0);
    the last window has no end. The value is the log hazard per day of a patient with every
    covariate at its centre, in the average subgroup and centre, without transplant.
    """

    source: str
    target: str | None
    clock: str
    edges: tuple[float, ...]
    log_hazard: tuple[float, ...]

    @property
    def label(self) -> str:
        """``remission->relapse``, or ``remission->start:allogeneic_transplant``."""
        return f"{self.source}->{self.target or f'start:{TRANSPLANT}'}"


@dataclass(frozen=True, slots=True)
class Paths:
    """Complete histories of `n` patients, in days since origin; NaN where it never happened."""

    remission: Floats
    relapse: Floats
    death: Floats
    transplant: Floats

    def occupation(self, times: Floats) -> Floats:
        """Share of the patients in each state, shape (time, state)."""
        entered = [np.zeros(len(self.death)), self.remission, self.relapse]
        share = np.zeros((len(times), len(STATES)))
        for k, time in enumerate(times):
            at = np.zeros(len(self.death), dtype=np.int64)
            for state, day in enumerate(entered):
                at[day <= time] = state
            # The death states follow the transient states in the same order.
            at[self.death <= time] += len(TRANSIENT)
            share[k] = np.bincount(at, minlength=len(STATES)) / len(at)
        return share


def simulate_paths(
    intensities: Sequence[Intensity],
    treatment_effect: DataFrame,
    early_days: float,
    log_hazard_ratio: Mapping[str, Floats],
    subgroup: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    transplant: bool = True,
) -> Paths:
    """Follow every patient to death.

    Parameters
    ----------
    intensities
        Baseline hazards and their clocks.
    treatment_effect
        Effect label x subgroup: log hazard ratio.
    early_days
        Length of the phase ``here_early`` after a transplant in remission, in days.
    log_hazard_ratio
        Transition label -> what covariates, subgroup and centre add to the log hazard, shape
        (patient,).
    subgroup
        Index of each patient's subgroup among the columns of `treatment_effect`.
    rng
        Source of randomness.
    transplant
        False removes every transplant start: the world without the treatment.
    """
    walk = _Walk(len(subgroup))
    leaving = {
        state: [
            i for i in intensities if i.source == state and (transplant or i.target is not None)
        ]
        for state in TRANSIENT
    }
    effects = {label: row.to_numpy() for label, row in treatment_effect.iterrows()}
    while walk.alive.any():
        present = [np.flatnonzero(walk.alive & (walk.state == k)) for k in range(len(TRANSIENT))]
        for state, who in zip(TRANSIENT, present, strict=True):
            if not len(who):
                continue
            until = walk.phase_end(who, state, early_days)
            phase = walk.phase(who, state, early_days)
            fires = np.full((len(leaving[state]), len(who)), np.inf)
            for k, intensity in enumerate(leaving[state]):
                score = log_hazard_ratio[intensity.label][who].copy()
                for name in np.unique(phase[phase != ""]):
                    row = effects.get(f"{TRANSPLANT}:{name} on {intensity.label}")
                    if row is not None:
                        score += np.where(phase == name, row[subgroup[who]], 0.0)
                clock = walk.entry[who] if intensity.clock == CLOCK_ENTRY else 0.0
                fires[k] = clock + _fire(intensity, walk.day[who] - clock, score, rng)
                if intensity.target is None:
                    fires[k, phase != ""] = np.inf
            walk.step(who, fires, until, leaving[state])
    return Paths(walk.reached[1], walk.reached[2], walk.death, walk.start)


def _fire(intensity: Intensity, now: Floats, log_ratio: Floats, rng: np.random.Generator) -> Floats:
    """Time on the intensity's clock at which it fires after `now`, nothing else happening."""
    edges = np.asarray(intensity.edges)
    hazard = np.exp(np.asarray(intensity.log_hazard))
    cumulative = np.concatenate([[0.0], np.cumsum(hazard[:-1] * np.diff(edges))])
    window = np.searchsorted(edges, now, side="right") - 1
    so_far = cumulative[window] + hazard[window] * (now - edges[window])
    target = so_far + rng.exponential(size=len(now)) * np.exp(-log_ratio)
    window = np.searchsorted(cumulative, target, side="right") - 1
    fired: Floats = edges[window] + (target - cumulative[window]) / hazard[window]
    return fired


class _Walk:
    """Where every patient is; lives only inside `simulate_paths`."""

    def __init__(self, n: int) -> None:
        self.state = np.zeros(n, dtype=np.int64)
        self.day = np.zeros(n)
        self.entry = np.zeros(n)
        self.start = np.full(n, np.nan)
        self.left = np.zeros(n, dtype=bool)
        self.alive = np.ones(n, dtype=bool)
        self.death = np.full(n, np.nan)
        self.reached = [np.full(n, np.nan) for _ in TRANSIENT]

    def phase(self, who: NDArray[np.int64], state: str, early_days: float) -> NDArray[np.str_]:
        """Phase of the transplant, empty where there was none."""
        here = np.full(len(who), "here", dtype="<U10")
        if state == REMISSION:
            early = self.day[who] < self.start[who] + early_days
            here = np.where(early, "here_early", "here_late")
        phase = np.where(self.left[who], "earlier", here)
        return np.where(np.isnan(self.start[who]), "", phase)

    def phase_end(self, who: NDArray[np.int64], state: str, early_days: float) -> Floats:
        """Day on which the present phase ends by itself, infinite if it does not."""
        end = self.start[who] + early_days
        ends = (state == REMISSION) & ~self.left[who] & (self.day[who] < end)
        return np.where(ends, end, np.inf)

    def step(
        self,
        who: NDArray[np.int64],
        fires: Floats,
        until: Floats,
        intensities: list[Intensity],
    ) -> None:
        """Move every patient to what comes first: an intensity, or the end of a phase."""
        first = fires.argmin(axis=0)
        self.day[who] = np.minimum(fires.min(axis=0), until)
        first[fires.min(axis=0) >= until] = -1
        for k, intensity in enumerate(intensities):
            moved = who[first == k]
            if intensity.target is None:
                self.start[moved] = self.day[moved]
            elif intensity.target in DEATHS:
                self.death[moved] = self.day[moved]
                self.alive[moved] = False
            else:
                state = TRANSIENT.index(intensity.target)
                self.state[moved] = state
                self.reached[state][moved] = self.entry[moved] = self.day[moved]
                self.left[moved] = ~np.isnan(self.start[moved])
