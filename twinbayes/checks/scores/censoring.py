"""Who is in which state at a horizon, and what to make of those who were censored before it.

With weights ``"ipcw"`` a patient whose state at the horizon is known stands for those who were
censored before it. The weight is 1/G, the inverse of the reverse Kaplan–Meier curve at the horizon,
or just before the day on which an absorbing state ended the follow-up.

With weights ``"model"`` everyone counts once: a patient censored before the horizon is a case with
the model's probability of being in the target at the horizon given all that was known on the last
day, and a control with the rest (Rizopoulos, Molenberghs & Lesaffre 2017). This needs no model of
the censoring, which may depend on the patient's history, but the model judges itself in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from twinbayes.arrays import Bools, Floats
from twinbayes.checks.scores.predictions import as_probabilities
from twinbayes.errors import CohortError, OptionError, require_known
from twinbayes.estimators.counting import CountingProcess, FollowUp
from twinbayes.estimators.kaplan_meier import SurvivalCurve, reverse_kaplan_meier
from twinbayes.estimators.observed import as_horizons, as_numbers, require_no_row

CONTROLS: Final = ("all_others", "event_free")
WEIGHTS: Final = ("ipcw", "model")


@dataclass(frozen=True)
class CensoringModel:
    """Reverse Kaplan–Meier curve of each stratum, with the influence of each patient on it.

    Censoring is assumed independent of the event history within a stratum. Strata matter where
    follow-up differs by design, e.g. between an older and a newer trial.
    """

    follow_up: FollowUp
    labels: tuple[Any, ...]
    strata: tuple[Bools, ...]
    curves: tuple[SurvivalCurve, ...]

    def require_followed(self, horizon: float) -> None:
        """Refuse a horizon at which a stratum has nobody left to stand for those censored.

        A stratum has where somebody is followed beyond the horizon, or where whoever was still
        followed on its last day entered an absorbing state: then all of it has.

        Raises
        ------
        OptionError
            Naming the stratum and its last day.
        """
        for label, members in zip(self.labels, self.strata, strict=True):
            exits, censored = self.follow_up.exit[members], self.follow_up.censored[members]
            last = float(exits.max())
            if last > horizon or not censored[exits == last].any():
                continue
            where = f" in stratum {str(label)!r}" if len(self.labels) > 1 else ""
            remedy = ", or strata that are followed so long." if where else "."
            raise OptionError(
                f"nobody{where} is followed beyond the horizon {horizon:g}; the last day is "
                f"{last:g}. Choose an earlier horizon{remedy}"
            )

    def weight(self, at: Floats, strict: Bools) -> Floats:
        """Return 1/G(at), or 1/G(at−) where `strict`; zero where `at` is NaN."""
        weight = np.zeros(at.shape)
        for members, curve in zip(self.strata, self.curves, strict=True):
            use = members & np.isfinite(at)
            days = at[use]
            weight[use] = 1.0 / np.where(strict[use], curve.before(days), curve.at(days))
        return weight

    def influence(self, part: Floats, at: Floats, strict: Bools) -> Floats:
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
        If patients entered on different days, or the strata do not match the patients or lack a
        label.
    """
    ends = followed_from_origin(process)
    labels = np.zeros(ends.exit.size, np.int64) if strata is None else np.asarray(strata)
    if labels.shape != ends.exit.shape:
        raise CohortError(
            f"censoring strata: {labels.size} labels for {ends.exit.size} patients. "
            "Give one a patient."
        )
    require_no_row(pd.isna(labels), "censoring strata", "have no stratum", "Label every patient.")
    names = tuple(pd.unique(labels))
    members = tuple(np.asarray(labels == name) for name in names)
    curves = tuple(reverse_kaplan_meier(ends.exit[m], ~ends.censored[m]) for m in members)
    return CensoringModel(ends, names, members, curves)


@dataclass(frozen=True)
class HorizonOutcome:
    """Membership in a set of states at a horizon, as far as it is known or predicted.

    Attributes
    ----------
    horizon
        Day since the origin.
    case, control
        Weights, shape (patients,): how much each patient counts as being in the target, and as
        being elsewhere. Both zero where the state is unknown or the controls exclude it.
    at, strict
        Day at which the censoring curve was read, NaN where it was not; whether just before it.
    model
        The censoring curves behind the weights; None for weights of the predicting model.
    """

    horizon: float
    case: Floats
    control: Floats
    at: Floats
    strict: Bools
    model: CensoringModel | None

    def influence(self, part: Floats) -> Floats:
        """Return how each patient moves the sum of `part` through estimated weights.

        Weights of the predicting model are taken as known, as its predictions are.
        """
        if self.model is None:
            return np.zeros_like(part)
        return self.model.influence(part, self.at, self.strict)


def outcomes_at(
    process: CountingProcess,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    weights: str = "ipcw",
    conditional: npt.ArrayLike | None = None,
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
    controls: str = "all_others",
) -> tuple[HorizonOutcome, ...]:
    """Return who is in the target states at each horizon, with weights.

    Parameters
    ----------
    process
        Counting-process rows; survival and competing risks are the special cases with one
        transient state.
    horizons
        Days on the clock of the process, shape (horizons,).
    target
        State, or states taken together, that make a case.
    weights
        ``"ipcw"``: those who are known count for those who are not. ``"model"``: those censored
        before a horizon count in part as case, in part as control.
    conditional
        With ``"model"`` alone: probability of being in the target at each horizon given all that
        was known on the patient's last day, shape (patients, horizons). Read only for patients
        censored by the horizon, and may be NaN for all others.
    strata
        With ``"ipcw"`` alone: strata of the censoring distribution, one label a patient.
    controls
        ``"all_others"``: everyone known to be elsewhere. ``"event_free"``: only those not yet in
        any absorbing state. For competing risks these are the two definitions of Blanche et al.
        2013: with ``"event_free"`` a competing event makes neither case nor control; with weights
        of a model it is refused, because a patient censored may have had one by the horizon.

    Raises
    ------
    CohortError
        If patients entered on different days, or strata or `conditional` do not match them.
    OptionError
        If an option is unknown or has no place beside the others, a probability is none, or, with
        ``"ipcw"``, nobody of a stratum is under observation at a horizon and its last patient was
        censored.
    """
    require_known(controls, CONTROLS, "choice of controls")
    require_known(weights, WEIGHTS, "kind of weights")
    names = (target,) if isinstance(target, str) else tuple(target)
    codes = [process.state(name) for name in names]
    days = as_horizons(horizons, "horizons of a score", float(process.start.min()))
    if weights == "model":
        return _outcomes_by_model(process, days, codes, conditional, strata, controls)
    if conditional is not None:
        raise OptionError("conditional probabilities belong to weights='model'; leave them out.")
    model = censoring_model(process, strata)
    return tuple(_known_at(process, float(h), codes, model, controls) for h in days)


def followed_from_origin(process: CountingProcess) -> FollowUp:
    """Return entry, exit and last state of each patient; all must have entered on one day.

    Raises
    ------
    CohortError
        If patients entered on different days.
    """
    ends = process.follow_up()
    if np.any(ends.entry != ends.entry[0]):
        raise CohortError(
            "scores need all patients under observation from the origin; "
            f"{int(np.sum(ends.entry > ends.entry.min()))} entered later. Use "
            "`CountingProcess.since` with a landmark that all have reached."
        )
    return ends


def _known_at(
    process: CountingProcess,
    horizon: float,
    codes: list[int],
    model: CensoringModel,
    controls: str,
) -> HorizonOutcome:
    ends = model.follow_up
    model.require_followed(horizon)
    state = process.state_at(horizon)
    gone = (ends.exit <= horizon) & ~ends.censored
    case = np.isin(state, codes)
    control = (state >= 0) & ~case
    if controls == "event_free":
        control &= ~gone
    at = np.where(gone, ends.exit, np.where(state >= 0, horizon, np.nan))
    weight = model.weight(at, gone)
    return HorizonOutcome(horizon, weight * case, weight * control, at, gone, model)


def _outcomes_by_model(
    process: CountingProcess,
    horizons: Floats,
    codes: list[int],
    conditional: npt.ArrayLike | None,
    strata: object,
    controls: str,
) -> tuple[HorizonOutcome, ...]:
    if conditional is None or strata is not None or controls != "all_others":
        raise OptionError(
            "weights='model' needs `conditional`, the probability of the target given the record "
            "up to the last day; it has no strata, and its controls are 'all_others'."
        )
    n = followed_from_origin(process).exit.size
    states = np.stack([process.state_at(float(h)) for h in horizons], axis=1)
    given = as_numbers(conditional, "conditional probabilities", "probability")
    if given.size == states.size:
        given = np.where(states < 0, given.reshape(states.shape), 0.0)
    share = as_probabilities(given, n, horizons.size)
    case = np.where(states < 0, share, np.isin(states, codes))
    unread, never = np.full(n, np.nan), np.zeros(n, dtype=np.bool_)
    return tuple(
        HorizonOutcome(float(h), case[:, k], 1.0 - case[:, k], unread, never, None)
        for k, h in enumerate(horizons)
    )
