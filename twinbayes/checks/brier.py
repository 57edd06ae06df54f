"""Brier scores of predicted probabilities under censoring, for any state of a process.

Graf et al. 1999 and Gerds & Schumacher 2006: squared errors of the patients whose state at the
horizon is known, weighted by the inverse probability of being known. Survival, cumulative
incidence under competing risks and state occupation differ only in the target states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from twinbayes.checks.aalen_johansen import aalen_johansen
from twinbayes.checks.censoring import CensoringModel, censoring_model, outcome_at
from twinbayes.checks.counting import CountingProcess, FloatArray
from twinbayes.checks.estimate import Estimate
from twinbayes.checks.predictions import as_probabilities
from twinbayes.errors import OptionError

type Labels = Sequence[Any] | npt.NDArray[Any]


def brier_score(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
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
    strata
        Strata of the censoring distribution, one label a patient.

    Raises
    ------
    CohortError
        If the predictions do not match the patients, or patients enter late.
    OptionError
        If nobody is followed beyond a horizon, or a prediction is no probability.
    """
    days = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
    model = censoring_model(process, strata)
    p = as_probabilities(probability, model.follow_up.exit.size, days.size)
    return tuple(_score(process, p[:, k], float(day), target, model) for k, day in enumerate(days))


def integrated_brier_score(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    strata: Labels | None = None,
) -> Estimate:
    """Return the mean of the Brier score over the range of the horizons (trapezoidal rule).

    Parameters as for `brier_score`; at least two increasing horizons.
    """
    days = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
    if days.size < 2 or np.any(np.diff(days) <= 0):
        raise OptionError("the integrated Brier score needs two or more increasing horizons.")
    scores = brier_score(process, probability, days, target, strata=strata)
    gaps = np.diff(days)
    share = (np.append(gaps, 0.0) + np.append(0.0, gaps)) / (2 * gaps.sum())
    influence = share @ np.stack([score.influence for score in scores])
    return Estimate(float(share @ [score.value for score in scores]), influence, 0.0, np.inf)


def scaled_brier_score(
    process: CountingProcess,
    probability: npt.ArrayLike,
    horizons: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    strata: Labels | None = None,
) -> tuple[Estimate, ...]:
    """Return 1 − Brier / Brier of the Aalen–Johansen curve, at each horizon.

    The index of prediction accuracy (Kattan & Gerds 2018): 0 for a model that knows only the
    overall curve, 1 for a perfect one, negative for a harmful one. Parameters as for
    `brier_score`.
    """
    days = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
    names = (target,) if isinstance(target, str) else tuple(target)
    columns = [process.state(name) for name in names]
    origin = float(process.start.min())
    curve = aalen_johansen(process, origin=origin).at(days)[:, columns].sum(axis=1)
    own = brier_score(process, probability, days, target, strata=strata)
    constant = np.broadcast_to(np.clip(curve, 0.0, 1.0), (own[0].influence.size, days.size))
    null = brier_score(process, constant, days, target, strata=strata)
    return tuple(map(_relative, own, null))


def _relative(own: Estimate, null: Estimate) -> Estimate:
    """Return 1 − own / null; undefined where nobody was seen in the target."""
    if null.value == 0.0:
        return Estimate.undefined(own.influence.size)
    # The curve all but minimises its own score, so its estimation does not move that score.
    ratio = own.value / null.value
    moved = own.influence - ratio * null.influence
    return Estimate(1.0 - ratio, -moved / null.value, -np.inf, 1.0)


def _score(
    process: CountingProcess,
    p: FloatArray,
    horizon: float,
    target: str | Sequence[str],
    model: CensoringModel,
) -> Estimate:
    outcome = outcome_at(process, horizon, target, model)
    part = outcome.weight * (outcome.case - p) ** 2 / p.size
    value = float(part.sum())
    influence = part - value / p.size + model.influence(part, outcome.at, outcome.strict)
    # Weights can lift a score above 1 in small samples, so only the lower bound is firm.
    return Estimate(value, influence, 0.0, np.inf)
