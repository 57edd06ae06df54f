"""Who is known to be where at a horizon, weighted by the inverse probability of being seen.

A patient whose state at the horizon is known stands for those who were censored before it. The
weight is 1/G, the inverse of the reverse Kaplan–Meier curve at the horizon, or just before the
day on which an absorbing state ended the follow-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinbayes.checks.counting import BoolArray, CountingProcess, FloatArray, FollowUp
from twinbayes.checks.kaplan_meier import SurvivalCurve, reverse_kaplan_meier
from twinbayes.errors import CohortError, OptionError, require_known

CONTROLS: Final = ("all_others", "event_free")


@dataclass(frozen=True)
class CensoringModel:
    """Reverse Kaplan–Meier curve of each stratum, with the influence of each patient on it.

    Censoring is assumed independent of the event history within a stratum. Strata matter where
    follow-up differs by design, e.g. between an older and a newer trial.
    """

    follow_up: FollowUp
    strata: tuple[BoolArray, ...]
    curves: tuple[SurvivalCurve, ...]

    def weight(self, at: FloatArray, strict: BoolArray) -> FloatArray:
        """Return 1/G(at), or 1/G(at−) where `strict`; zero where `at` is NaN."""
        weight = np.zeros(at.shape)
        for members, curve in zip(self.strata, self.curves, strict=True):
            days = np.where(np.isfinite(at), at, 0.0)
            seen = np.where(strict, curve.before(days), curve.at(days))
            use = members & np.isfinite(at) & (seen > 0.0)
            weight[use] = 1.0 / seen[use]
        return weight

    def influence(self, part: FloatArray, at: FloatArray, strict: BoolArray) -> FloatArray:
        """Return how each patient moves a sum through the estimated weights.

        Parameters
        ----------
        part
            Share of each patient in the sum, weight included; a row of the sum is part / G.
        at, strict
            As given to `weight`.

        Returns
        -------
        array
            Shape (patients,): Σᵢ partᵢ ψⱼ(atᵢ), ψⱼ being the influence of patient j on −log G.
        """
        total = np.zeros(part.shape)
        for members, curve in zip(self.strata, self.curves, strict=True):
            jumps = curve.n_event > 0
            days = curve.time[jumps]
            d, n = curve.n_event[jumps].astype(float), curve.n_risk[jumps].astype(float)
            left = np.maximum(n - d, 1.0)
            out, censored = self.follow_up.exit[members], self.follow_up.censored[members]
            mine = part[members] * np.isfinite(at[members])
            when = np.where(np.isfinite(at[members]), at[members], 0.0)
            # How many jumps lie within reach of each share; a strict share misses its own day.
            reach = np.searchsorted(days, when, side="right")
            reach -= strict[members] & (np.append(days, np.nan)[reach - 1] == when) & (reach > 0)
            exposed = np.bincount(reach, weights=mine, minlength=days.size + 1)
            exposed = np.cumsum(exposed[::-1])[::-1][1:]
            drift = np.concatenate([[0.0], np.cumsum(exposed * d / (n * left))])
            # An event comes before a censoring of the same day, so that patient has left.
            last = np.where(
                censored,
                np.searchsorted(days, out, side="right"),
                np.searchsorted(days, out, side="left"),
            )
            moved = -drift[last]
            moved[censored] += (exposed / left)[np.searchsorted(days, out[censored])]
            total[members] = moved
        return total


def censoring_model(
    process: CountingProcess, strata: Sequence[Any] | npt.NDArray[Any] | None = None
) -> CensoringModel:
    """Return the censoring model of a process.

    Parameters
    ----------
    process
        Counting-process rows.
    strata
        One label a patient, in the order of ``process.patients``; one stratum if not given.

    Raises
    ------
    CohortError
        If patients entered on different days, or the strata do not match the patients.
    """
    ends = process.follow_up()
    if np.any(ends.entry != ends.entry[0]):
        raise CohortError(
            "scores need all patients under observation from the origin; "
            f"{int(np.sum(ends.entry > ends.entry.min()))} entered later. Use "
            "`CountingProcess.since` with a landmark that all have reached."
        )
    labels = np.zeros(ends.exit.size, np.int64) if strata is None else np.asarray(strata)
    if labels.shape != ends.exit.shape:
        raise CohortError(
            f"censoring strata: {labels.size} labels for {ends.exit.size} patients. "
            "Give one a patient."
        )
    members = tuple(labels == label for label in np.unique(labels))
    curves = tuple(reverse_kaplan_meier(ends.exit[m], ~ends.censored[m]) for m in members)
    return CensoringModel(ends, members, curves)


@dataclass(frozen=True)
class HorizonOutcome:
    """Membership in a set of states at a horizon, as far as it is known.

    Attributes
    ----------
    horizon
        Day since the origin.
    case, control
        Shape (patients,). Neither, where the state is unknown or the controls exclude it.
    weight
        Inverse probability of being known; zero where unknown.
    at, strict
        Day at which the censoring curve was read, NaN where unknown; whether just before it.
    """

    horizon: float
    case: BoolArray
    control: BoolArray
    weight: FloatArray
    at: FloatArray
    strict: BoolArray


def outcome_at(
    process: CountingProcess,
    horizon: float,
    target: str | Sequence[str],
    model: CensoringModel,
    *,
    controls: str = "all_others",
) -> HorizonOutcome:
    """Return who is in the target states at `horizon`, with weights.

    Parameters
    ----------
    process
        Counting-process rows; survival and competing risks are the special cases with one
        transient state.
    horizon
        Day since the origin.
    target
        State, or states taken together, that make a case.
    model
        From `censoring_model`.
    controls
        ``"all_others"``: everyone known to be elsewhere. ``"event_free"``: only those not yet in
        any absorbing state. For competing risks these are the two definitions of Blanche et al.
        2013: with ``"event_free"`` a competing event makes neither case nor control.

    Raises
    ------
    OptionError
        If `controls` is unknown, or nobody is under observation at the horizon.
    """
    require_known(controls, CONTROLS, "choice of controls")
    names = (target,) if isinstance(target, str) else tuple(target)
    state = process.state_at(horizon)
    ends = model.follow_up
    gone = (ends.exit <= horizon) & ~ends.censored
    if not np.any(ends.exit > horizon):
        raise OptionError(
            f"nobody is followed beyond the horizon {horizon:g}; the last day is "
            f"{ends.exit.max():g}. Choose an earlier horizon."
        )
    case = np.isin(state, [process.state(name) for name in names])
    control = (state >= 0) & ~case
    if controls == "event_free":
        control &= ~gone
    at = np.where(gone, ends.exit, np.where(state >= 0, horizon, np.nan))
    return HorizonOutcome(horizon, case, control, model.weight(at, gone), at, gone)
