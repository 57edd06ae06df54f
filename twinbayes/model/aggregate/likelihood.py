"""The likelihood of one row of aggregate data: its logarithm, slope and curvature.

``eta`` is the linear predictor, ``first`` and ``second`` the two columns of `aggregate.OUTCOMES`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.cohort.aggregate import RATE, RESPONSE


def row_logp(outcome: str, eta: Any, first: Any, second: Any, unit: float) -> Any:
    """Log-likelihood of each row, but for what does not depend on `eta`; PyTensor or NumPy."""
    if outcome == RESPONSE:
        # log(1 + exp(eta)) = |eta| / 2 + eta / 2 + log(1 + exp(-|eta|)), which never overflows
        log_odds = 0.5 * (abs(eta) + eta) + _log1p(_exp(-abs(eta)))
        return first * eta - second * log_odds
    if outcome == RATE:
        return first * eta - second * _exp(eta)
    return -0.5 * ((first - unit * eta) / second) ** 2


def row_slopes(
    outcome: str, eta: Floats, first: Floats, second: Floats, unit: float
) -> tuple[Floats, Floats]:
    """Derivative of `row_logp` in `eta`, and the negative of its second one."""
    if outcome == RESPONSE:
        p = 1.0 / (1.0 + np.exp(-eta))
        return first - second * p, second * p * (1.0 - p)
    if outcome == RATE:
        rate = second * np.exp(eta)
        return first - rate, rate
    precision = (unit / second) ** 2
    return precision * (first / unit - eta), precision * np.ones_like(eta)


def _exp(x: Any) -> Any:
    return np.exp(x) if isinstance(x, np.ndarray) else pt.exp(x)


def _log1p(x: Any) -> Any:
    return np.log1p(x) if isinstance(x, np.ndarray) else pt.log1p(x)
