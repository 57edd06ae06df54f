"""Slopes of each subgroup's log-likelihood by its effect, in models of aggregate data."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import special

from twinbayes.arrays import Floats
from twinbayes.cohort.aggregate import OUTCOMES, RESPONSE
from twinbayes.inference import AggregateFit
from twinbayes.model import LatentExchangeability, PowerPrior
from twinbayes.model.aggregate.likelihood import row_logp, row_slopes
from twinbayes.model.aggregate.power_limit import NormalSource
from twinbayes.model.aggregate.rows import OTHER_CLASS, POWER, SHARE
from twinbayes.names import CHAIN, DRAW, POSTERIOR, SUBGROUP


def aggregate_scores(fit: AggregateFit, theta: Floats) -> Floats:
    """Slope of the log-likelihood of each subgroup's rows by its effect, at each draw.

    Of a source that counts for less, as the model has it: to a power, as a large-sample limit, or
    by the chance that a patient belongs with the others.

    Parameters
    ----------
    fit
        A fit without covariates.
    theta
        (draw, subgroup) effects.

    Returns
    -------
    ndarray
        (draw, subgroup).
    """
    outcome, unit, pooling = fit.spec.outcome, fit.spec.unit, fit.spec.pooling
    one, two = (fit.data.table[c].to_numpy(float) for c in OUTCOMES[outcome])
    labels = fit.data.subgroups
    group = np.array([labels.index(x) for x in fit.data.table[SUBGROUP]])
    slope, _ = row_slopes(outcome, theta[:, group], one, two, unit)
    member = (group[:, None] == np.arange(len(labels))).astype(float)
    if not isinstance(pooling, PowerPrior | LatentExchangeability):
        return np.asarray(slope @ member)
    at = labels.index(pooling.source)
    rows = group == at
    first, second = one[rows], two[rows]
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if isinstance(pooling, LatentExchangeability):
        slope[:, rows] = _of_members(
            outcome, theta[:, [at]], _of(posterior, OTHER_CLASS), _of(posterior, SHARE),
            first, second, unit,
        )  # fmt: skip
        return np.asarray(slope @ member)
    power = np.array([[pooling.power]]) if pooling.power is not None else _of(posterior, POWER)
    out = slope @ member
    if pooling.asymptotic:
        ones = np.ones((int(rows.sum()), 1))
        source = NormalSource.of(outcome, ones, first, second, unit=unit)
        out[:, at] = source.information[0, 0] * (source.estimate[0] - theta[:, at])
    out[:, at] *= power[:, 0]
    return np.asarray(out)


def _of_members(
    outcome: str, theta: Floats, other: Floats, share: Floats, first: Floats, second: Floats,
    unit: float,
) -> Floats:  # fmt: skip
    """(draw, row) slopes by the effect of those who belong; the others have an effect of their own.

    All but the columns of the outcome are (draw, 1).
    """
    known, apart = np.log(share), np.log1p(-share)
    if outcome == RESPONSE:
        p = special.expit(theta)
        yes, no = (
            special.expit(
                known - np.logaddexp(0.0, s * theta) - apart + np.logaddexp(0.0, s * other)
            )
            for s in (-1.0, 1.0)
        )
        return np.asarray(first * yes * (1.0 - p) - (second - first) * no * p)
    wide = np.broadcast_to(theta, (len(theta), len(first)))
    mine = known + row_logp(outcome, wide, first, second, unit)
    theirs = apart + row_logp(outcome, np.broadcast_to(other, wide.shape), first, second, unit)
    slope, _ = row_slopes(outcome, wide, first, second, unit)
    return np.asarray(special.expit(mine - theirs) * slope)


def _of(posterior: xr.Dataset, name: str) -> Floats:
    """(draw, 1) draws of a number, in the order of stacked chains."""
    values = posterior[name].transpose(CHAIN, DRAW, ...).to_numpy()
    return np.asarray(values.reshape(values.shape[0] * values.shape[1], -1)[:, :1])
