"""The expected local information ratio of a mixture.

Over the canonical parameter it is what the components are worth by themselves, less what is lost
by not knowing which of them is right,

    sum_k w_k n_k  -  integral of p(x) var(slope_k | x) / i(x),

where n_k is the size of a component, the variance is over components given x, and i is the
information of one patient. Only the second term has to be integrated, and it is never negative.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from scipy.integrate import tanhsinh
from scipy.special import logsumexp

from twinbayes.arrays import Floats
from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.canonical import Canonical, canonical
from twinbayes.priors.mixtures.mixture import BETA, GAMMA, NORMAL, Mixture

_PRECISION: Final = 1e-10  # of the integral, relative to the sizes of the components
_LEVELS: Final = 12  # halvings of the step in one panel
_SPREADS: Final = 40.0  # standard deviations beyond which a component is nothing
_LOGS: Final = 60.0  # natural logarithms by which a tail has fallen when it is nothing
_STEPS: Final = 2.0 ** np.arange(-2.0, 64.0)  # ends of panels, in spreads from every centre
_REMEDY: Final = (
    "Use method='moment', or a prior whose parameters are 1 or more: of draws, "
    "fit_mixture(..., bounded=True)."
)
_BEYOND: Final = (
    "The effective sample size by ELIR cannot be computed: parameters of the prior are too large, "
    "too small or too unlike each other. Check them, or use method='moment'."
)


def expected_local_information_ratio(prior: Mixture) -> float:
    """Return the effective sample size by ELIR.

    Raises
    ------
    PriorError
        The integral does not exist, is below 0, or cannot be computed from such parameters.
    """
    _require_integrable(prior)
    parts = canonical(prior)
    worth = float(np.exp(parts.log_weight) @ parts.size)
    if not (np.isfinite(worth) and np.all(np.isfinite([parts.centre, parts.spread]))):
        raise PriorError(_BEYOND)
    with np.errstate(all="ignore"):  # what is not finite is refused below
        edges = _edges(prior, parts)
        found = tanhsinh(
            partial(_lost, parts), edges[:-1], edges[1:],
            rtol=_PRECISION, atol=_PRECISION * worth / len(edges), maxlevel=_LEVELS,
        )  # fmt: skip
    ratio = worth - float(np.sum(found.integral))
    if not (np.isfinite(ratio) and np.sum(found.error) <= np.sqrt(_PRECISION) * worth):
        raise PriorError(_BEYOND)
    if ratio < 0:
        raise PriorError(
            f"The effective sample size by ELIR would be {ratio:.2f} patients: where a component "
            f"is unbounded at an end of its range, the ratio counts against the prior. {_REMEDY}"
        )
    return ratio


def _require_integrable(prior: Mixture) -> None:
    """Refuse a mixture whose second flattest component is unbounded, or not 0, at an end."""
    kept = prior.weights > 0
    ends = {BETA: {"0": prior.first, "1": prior.second}, NORMAL: {}}
    for end, parameters in ends.get(prior.kind, {"0": prior.first}).items():
        if _decay(parameters[kept]) <= 0:
            raise PriorError(
                f"The effective sample size by ELIR does not exist: near {end} two components "
                f"of the prior differ, and neither has a parameter above 1. {_REMEDY}"
            )


def _decay(parameters: Floats) -> float:
    """Rate at which the integrand falls towards an end, from the parameters that rule there."""
    least, *others = np.unique(parameters)
    return float(min([least + 1.0, *(second - 1.0 for second in others[:1])]))


def _edges(prior: Mixture, parts: Canonical) -> Floats:
    """(edge,) ends of panels: close about every component, doubling from there to where none is."""
    low = float(np.min(parts.centre - _SPREADS * parts.spread))
    high = float(np.max(parts.centre + _SPREADS * parts.spread))
    if prior.kind != NORMAL:
        low = min(low, float(parts.centre.min()) - _LOGS / _decay(parts.rise) - _LOGS)
    if prior.kind == GAMMA:  # towards infinity its logarithm falls exponentially
        shape = float(parts.rise.max())
        high = float(np.log((shape + _SPREADS * np.sqrt(shape) + 800.0) / parts.fall.min()))
    if prior.kind == BETA:
        high = max(high, float(parts.centre.max()) + _LOGS / _decay(parts.fall) + _LOGS)
    away = (parts.spread[:, None] * _STEPS).ravel()
    centre = np.repeat(parts.centre, len(_STEPS))
    inner = np.concatenate([parts.centre, centre - away, centre + away])
    return np.unique(np.clip(np.append(inner, [low, high]), low, high))


def _lost(parts: Canonical, x: Floats) -> Floats:
    """Density times variance of the components' slopes over unit information, shaped as `x`."""
    at = np.ravel(x)[None, :]
    log_each = parts.log_weight[:, None] + parts.log_components(at)
    log_density = logsumexp(log_each, axis=0)
    share = np.exp(log_each - log_density)
    # Slopes less that of the likeliest component: equal ones differ by exactly 0.
    likeliest = np.argmax(log_each, axis=0)
    up, down = parts.statistics(at)
    slope = (parts.rise[:, None] - parts.rise[likeliest]) * up - (
        parts.fall[:, None] - parts.fall[likeliest]
    ) * down
    slope = np.where(np.isfinite(log_each), slope, 0.0)
    # In logarithms: far out, shares are too small for a float while what they lose is not.
    log_square = logsumexp(log_each - log_density + 2 * np.log(np.abs(slope)), axis=0)
    square, mean = (share * slope**2).sum(axis=0), (share * slope).sum(axis=0)
    explained = np.divide(mean**2, square, out=np.zeros_like(square), where=square > 0)
    log_variance = log_square + np.log1p(-explained)
    lost = np.exp(log_density - parts.log_information(at[0]) + log_variance)
    return np.asarray(lost.reshape(np.shape(x)))
