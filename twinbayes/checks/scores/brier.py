"""Brier scores of predicted probabilities under censoring, for any state of a process.

Graf et al. 1999 and Gerds & Schumacher 2006: squared errors of the patients whose state at the
horizon is known, weighted by the inverse probability of being known; or, with weights of the model,
of everybody, those censored counting in part as case and in part as control. Survival, cumulative
incidence under competing risks and state occupation differ only in the target states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Floats
from twinbayes.checks.scores.censoring import HorizonOutcome, outcomes_at
from twinbayes.checks.scores.predictions import as_probabilities
from twinbayes.errors import OptionError, require_known
from twinbayes.estimators.aalen_johansen import aalen_johansen
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.observed import as_horizons

type Labels = Sequence[Any] | npt.NDArray[Any]

RULES: Final = ("trapezoid", "simpson")


def brier_score(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    weights: str = "ipcw",
    conditional: npt.ArrayLike | None = None,
    strata: Labels | None = None,
) -> tuple[Estimate, ...]:
    """Return the Brier score at each horizon: 0 is perfect, p(1 − p) what a constant p earns.

    Parameters
    ----------
    process
        Counting-process rows; everyone under observation from the origin.
    probability
        Predicted probability of being in the target states, shape (patients, horizons), patients
        in the order of ``process.patients``.
    horizons
        Days, shape (horizons,).
    target
        State, or states taken together. For survival give the dead state and 1 − S(t).
    weights
        ``"ipcw"``, or ``"model"``: those censored before the horizon count as case with the
        probability `conditional` and as control with the rest.
    conditional
        With ``weights="model"``: probability of the target at each horizon given the record up to
        the patient's last day, shape (patients, horizons); read only for those censored by then.
    strata
        With ``weights="ipcw"``: strata of the censoring distribution, one label a patient.

    Raises
    ------
    CohortError
        If the predictions do not match the patients, or patients enter late.
    OptionError
        If nobody, or nobody of a stratum, is followed beyond a horizon and the last patient was
        censored; if a horizon is no day from the origin on, a prediction is no probability, or an
        option has no place beside the others.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> [found] = brier_score(process, [0.9, 0.2, 0.6, 0.1], [250], "dead")
    >>> round(found.value, 3)
    0.141
    """
    days = as_horizons(horizons, "horizons of a score", float(process.start.min()))
    outcomes = outcomes_at(
        process, days, target, weights=weights, conditional=conditional, strata=strata
    )
    p = as_probabilities(probability, outcomes[0].case.size, days.size)
    return tuple(_score(p[:, k], outcome) for k, outcome in enumerate(outcomes))


def integrated_brier_score(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    rule: str = "trapezoid",
    weights: str = "ipcw",
    conditional: npt.ArrayLike | None = None,
    strata: Labels | None = None,
) -> Estimate:
    """Return the mean of the Brier score over a stretch of time.

    Parameters
    ----------
    rule
        ``"trapezoid"``: over the range of two or more increasing horizons. ``"simpson"``: over the
        window from the origin to the last of two horizons, the first of which is its middle:
        2/3 Brier(middle) + 1/6 Brier(end), the score on the first day being 0 because every state
        is then known (the rule of the R package JMbayes2).

    Other parameters as for `brier_score`.

    Raises
    ------
    OptionError
        If the rule is unknown or the horizons do not suit it; and as `brier_score`.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> risk = np.outer([0.9, 0.2, 0.6, 0.1], [0.5, 1.0])
    >>> round(integrated_brier_score(process, risk, [120, 250], "dead").value, 3)
    0.121
    """
    require_known(rule, RULES, "rule of integration")
    days = as_horizons(horizons, "horizons of a score", float(process.start.min()))
    share = _trapezoid(days) if rule == "trapezoid" else _simpson(days, float(process.start.min()))
    scores = brier_score(
        process, probability, days, target, weights=weights, conditional=conditional, strata=strata
    )
    influence = share @ np.stack([score.influence for score in scores])
    return Estimate(float(share @ [score.value for score in scores]), influence, 0.0, np.inf)


def scaled_brier_score(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    weights: str = "ipcw",
    conditional: npt.ArrayLike | None = None,
    strata: Labels | None = None,
) -> tuple[Estimate, ...]:
    """Return 1 − Brier / Brier of the Aalen–Johansen curve, at each horizon.

    The index of prediction accuracy (Kattan & Gerds 2018): 0 for a model that knows only the
    overall curve, 1 for a perfect one, negative for a harmful one. Parameters as for
    `brier_score`.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> [found] = scaled_brier_score(process, [0.9, 0.2, 0.6, 0.1], [250], "dead")
    >>> round(found.value, 3)
    0.247
    """
    days = as_horizons(horizons, "horizons of a score", float(process.start.min()))
    names = (target,) if isinstance(target, str) else tuple(target)
    columns = [process.state(name) for name in names]
    origin = float(process.start.min())
    how: dict[str, Any] = {"weights": weights, "conditional": conditional, "strata": strata}
    own = brier_score(process, probability, days, target, **how)
    curve = aalen_johansen(process, origin=origin).at(days)[:, columns].sum(axis=1)
    constant = np.broadcast_to(np.clip(curve, 0.0, 1.0), (own[0].influence.size, days.size))
    null = brier_score(process, constant, days, target, **how)
    return tuple(map(_relative, own, null))


def _relative(own: Estimate, null: Estimate) -> Estimate:
    """Return 1 − own / null; undefined where nobody was seen in the target."""
    if null.value == 0.0:
        return Estimate.undefined(own.influence.size)
    # The curve all but minimises its own score, so its estimation does not move that score.
    ratio = own.value / null.value
    moved = own.influence - ratio * null.influence
    return Estimate(1.0 - ratio, -moved / null.value, -np.inf, 1.0)


def _trapezoid(days: Floats) -> Floats:
    if days.size < 2 or np.any(np.diff(days) <= 0):
        raise OptionError("the integrated Brier score needs two or more increasing horizons.")
    gaps = np.diff(days)
    share: Floats = (np.append(gaps, 0.0) + np.append(0.0, gaps)) / (2 * gaps.sum())
    return share


def _simpson(days: Floats, origin: float) -> Floats:
    if days.size != 2 or not days[1] > origin or not np.isclose(2 * days[0], origin + days[1]):
        raise OptionError(
            "Simpson's rule needs two horizons: the middle and the end of the window that begins "
            f"on the first day of the process ({origin:g})."
        )
    return np.array([2 / 3, 1 / 6])


def _score(p: Floats, outcome: HorizonOutcome) -> Estimate:
    part = (outcome.case * (1.0 - p) ** 2 + outcome.control * p**2) / p.size
    value = float(part.sum())
    influence = part - value / p.size + outcome.influence(part)
    # Weights can lift a score above 1 in small samples, so only the lower bound is firm.
    return Estimate(value, influence, 0.0, np.inf)
