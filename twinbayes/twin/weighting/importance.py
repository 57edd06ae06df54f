"""Importance weights: the population's draws, as a patient's record bears them out.

The population of a fit has not seen a patient from outside. Given that patient's record, draw s
counts in proportion to the marginal likelihood of the record under it; for a patient of the fit,
over that of the record that the fit has seen, which takes what is later out again. The weights are
smoothed (Vehtari et al. 2024, Pareto smoothed importance sampling, JMLR 25(72)) and become draws of
equal weight by systematic resampling (Kitagawa 1996, JCGS 5:1-25) at fixed positions, so that no
chance is involved, equal weights change nothing, and slots stay near their own draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import TwinError

_FLAT: Final = 1e-9  # log weights that differ by rounding alone
_FEWEST: Final = 25  # draws, below which there is no tail to smooth


@dataclass(frozen=True)
class Weights:
    """Weights of the draws, turned into draws.

    Attributes
    ----------
    index
        (draw,) which draw of the population each slot takes.
    pareto_k
        Shape of the tail of the raw weights; NaN where it cannot be estimated.
    ess
        Effective number of draws, 1 over the sum of squared weights.
    """

    index: Ints
    pareto_k: float
    ess: float


def largest_shape(n_draws: int) -> float:
    """Pareto shape up to which weights may be trusted, for this number of draws.

    Source: Vehtari et al. (2024), section 3.2.4.
    """
    return float(min(1.0 - 1.0 / np.log10(max(n_draws, 2)), 0.7))


def importance_weights(log_ratio: Floats) -> Weights | None:
    """Smooth log weights (draw,) and resample; None where all draws count the same.

    Raises
    ------
    TwinError
        No draw, or an undefined one, gives the record a probability.
    """
    top = float(np.max(log_ratio))
    if not np.isfinite(top):
        raise TwinError(
            "The record of a patient is impossible or undefined under the draws of this fit. "
            "Check days and values of the record, or refit with the patient included."
        )
    if top - float(np.min(log_ratio)) < _FLAT:
        return None
    log_weight, shape = _smoothed(log_ratio - top)
    weight = np.exp(log_weight - np.max(log_weight))
    weight /= weight.sum()
    return Weights(systematic_index(weight), shape, float(1.0 / np.sum(weight**2)))


def systematic_index(weight: Floats) -> Ints:
    """Slot s takes the first draw at which the weights add up to (s + 1/2) / S."""
    n = len(weight)
    reached = np.cumsum(weight)
    wanted = (np.arange(n) + 0.5) / n * reached[-1]
    out: Ints = np.searchsorted(reached, wanted).astype(np.int64)
    return out


def _smoothed(log_weight: Floats) -> tuple[Floats, float]:
    """Pareto-smoothed log weights, and the shape of their tail."""
    if len(log_weight) < _FEWEST:
        return log_weight, float("nan")
    from arviz_stats.base.array import array_stats  # slow to import

    try:
        smooth, shape = array_stats.psislw(-log_weight)  # type: ignore[no-untyped-call]
    except ValueError:  # a tail of one value has no shape
        return log_weight, float("nan")
    return np.asarray(smooth, dtype=np.float64), float(shape)
