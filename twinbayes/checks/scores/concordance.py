"""Concordance of a risk score with the order of events, with and without competing risks.

Harrell, Lee & Mark 1996 (unweighted pairs); Uno et al. 2011 (inverse probability of censoring
weights); Wolbers et al. 2014 (competing risks, where a patient with a competing event can never
have the event of interest and so stands as a control for ever).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from twinbayes.arrays import Bools, Floats
from twinbayes.checks.scores.censoring import censoring_model
from twinbayes.checks.scores.predictions import as_scores
from twinbayes.errors import OptionError, require_known
from twinbayes.estimators.counting import CountingProcess
from twinbayes.estimators.estimate import Estimate
from twinbayes.estimators.observed import as_horizon

WEIGHTS: Final = ("harrell", "uno")
_BLOCK = 512  # rows of the table of pairs held in memory at a time


def concordance(
    process: CountingProcess,
    risk: npt.ArrayLike,
    target: str | Sequence[str],
    *,
    weights: str = "harrell",
    truncation: float | None = None,
    strata: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> Estimate:
    """Return the probability that of two patients the one with the earlier event has more risk.

    Parameters
    ----------
    process
        Counting-process rows; the target must be absorbing.
    risk
        Shape (patients,), in the order of ``process.patients``: larger means earlier. Ties count
        one half.
    target
        Absorbing state, or states taken together, whose time of entry is the event time.
        Entering another absorbing state is a competing event.
    weights
        ``"harrell"``: every comparable pair counts one; depends on the censoring. ``"uno"``:
        pairs weighted by the inverse probability of being comparable.
    truncation
        Only events up to this day count. Advisable with ``"uno"``, whose weights grow late.
    strata
        Strata of the censoring distribution, one label a patient.

    Returns
    -------
    Estimate
        NaN if no pair is comparable. The influence covers the estimated weights.

    Examples
    --------
    >>> process = survival_process([100, 200, 300, 400], [1, 0, 1, 0])
    >>> concordance(process, [0.9, 0.2, 0.6, 0.1], "dead").value
    1.0
    """
    require_known(weights, WEIGHTS, "concordance weights")
    names = (target,) if isinstance(target, str) else tuple(target)
    codes = [process.state(name) for name in names]
    if not set(names) <= set(process.absorbing or ()):
        raise OptionError(f"concordance needs absorbing states; {', '.join(names)} can be left.")
    model = censoring_model(process, strata)
    ends = model.follow_up
    score = as_scores(risk, ends.exit.size, 1)[:, 0]
    case = np.isin(ends.absorbed_in, codes)
    competing = ~case & ~ends.censored
    limit = np.inf if truncation is None else as_horizon(truncation, "truncation")
    earlier = case & (ends.exit <= limit)
    if weights == "harrell":
        weight = np.ones_like(score)
    else:
        weight = model.weight(ends.exit, np.ones_like(case))
    sums = _pair_sums(score, ends.exit, earlier, case, competing, weight)
    if sums.total == 0.0:
        return Estimate.undefined(score.size)
    value = sums.agreeing / sums.total
    excess = (sums.excess_agreeing - value * sums.excess_total) / sums.total
    influence = excess
    if weights == "uno":
        reads = (sums.reads_agreeing - value * sums.reads_total) / sums.total
        influence = influence + model.influence(reads, ends.exit, np.ones_like(case))
    return Estimate(value, influence)


@dataclass(slots=True)
class _PairSums:
    """Weighted counts over comparable pairs, in all and by the patients that take part.

    `excess_*` add up a patient's pairs in either role; `reads_*` add up the pairs whose weight
    reads the censoring curve on the patient's day, once a reading.
    """

    excess_agreeing: Floats
    excess_total: Floats
    reads_agreeing: Floats
    reads_total: Floats
    agreeing: float = 0.0
    total: float = 0.0


def _pair_sums(
    score: Floats,
    day: Floats,
    earlier: Bools,
    case: Bools,
    competing: Bools,
    weight: Floats,
) -> _PairSums:
    n = score.size
    sums = _PairSums(np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n))
    for rows in np.array_split(np.flatnonzero(earlier), max(1, int(earlier.sum()) // _BLOCK)):
        first, second = day[rows, None], day[None, :]
        # On one day: an event comes before a censoring, and two events have no order.
        later = (second > first) | ((second == first) & ~case & ~competing)
        immune = competing & (second <= first)
        w = weight[rows, None]
        by_later = np.where(later, w * w, 0.0)
        by_immune = np.where(immune, w * weight[None, :], 0.0)
        gap = score[rows, None] - score[None, :]
        agree = np.where(gap > 0, 1.0, np.where(gap == 0, 0.5, 0.0))
        for later_part, immune_part, excess, reads in (
            (by_later * agree, by_immune * agree, sums.excess_agreeing, sums.reads_agreeing),
            (by_later, by_immune, sums.excess_total, sums.reads_total),
        ):
            own = later_part.sum(axis=1), immune_part.sum(axis=1)
            others = later_part.sum(axis=0), immune_part.sum(axis=0)
            excess[rows] += own[0] + own[1]
            excess += others[0] + others[1]
            reads[rows] += 2.0 * own[0] + own[1]
            reads += others[1]
        sums.agreeing += float(((by_later + by_immune) * agree).sum())
        sums.total += float((by_later + by_immune).sum())
    return sums
