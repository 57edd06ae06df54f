"""E-values of counts: how much better a change of hazards explains them than none does.

Under the fit a count N of events with expectation L is that of a counting process, whose hazard
ratio against the fit is h = 1 but for what the fit itself does not know: log h ~ normal(0, v), v
the variance of log L over the draws of the fit. A change multiplies h by a ratio r. The e-value is
the likelihood under some such ratios, with prior probabilities, over that under none:

    E = sum_k w_k f(N, L; log r_k, v) / f(N, L; 0, v),
    f(N, L; m, v) = integral of h^N exp(-h L) normal(log h; m, v).

Numerator and denominator are marginal likelihoods of one point process, so that E, followed over
time with one v, is a martingale that begins at 1 if nothing has changed. By Ville's inequality the
probability that it is ever 1/alpha or more is at most alpha, however often one looks (Ville 1939;
Ramdas, Grunwald, Vovk & Shafer 2023, doi:10.1214/23-STS894). Means of e-values with fixed weights
are e-values. A watch measures v anew at each look, of the patients who have come by then: each
e-value is one, and how often streams of a true fit ever alarm is measured
(benchmarks/monitor.py, docs/evidence/monitor.json), no theorem.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.polynomial.hermite import hermgauss

from twinbayes.arrays import Floats
from twinbayes.errors import OptionError

ALTERNATIVES: Final = {1.25: 0.85, 1.8: 0.05, 0.8: 0.08, 0.55: 0.02}
"""Hazard ratios that are looked for, and how probable each is: mostly a quarter more events."""

_NODES, _WEIGHTS = hermgauss(32)
_STEPS: Final = 60  # of Newton's method, which needs about 6
_NEAR: Final = 1e-6  # of the mode: nodes need not lie there exactly


def log_e_value(observed: Floats, expected: Floats, variance: Floats) -> Floats:
    """Return log e-values of counts.

    Parameters
    ----------
    observed
        Events that happened, any shape.
    expected
        Events that the fit expected, of the same shape.
    variance
        Variance of the logarithm of `expected` that the fit itself leaves, of the same shape. It
        stays the same while one process is followed.

    Returns
    -------
    ndarray
        Of that shape; 0 where nothing was expected and nothing happened.

    Raises
    ------
    OptionError
        Numbers below 0 or not finite; or events where none could be expected.

    Examples
    --------
    >>> import numpy as np
    >>> from twinbayes.monitoring import log_e_value
    >>> found = log_e_value(np.array([100.0, 150.0]), np.array([100.0, 100.0]), np.zeros(2))
    >>> bool(found[0] < 0.0), bool(np.exp(found[1]) > 20.0)
    (True, True)
    """
    n, mean, v = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (observed, expected, variance))
    )
    if not all(np.all(np.isfinite(x)) and np.all(x >= 0.0) for x in (n, mean, v)):
        raise OptionError("Counts, expectations and variances are finite numbers from 0 on.")
    if np.any((n > 0.0) & (mean == 0.0)):
        raise OptionError("Events happened where none could be expected: nobody was at risk.")
    some = mean > 0.0
    out = np.zeros(n.shape)
    n, mean, v = n[some], mean[some], v[some]
    none = _log_marginal(n, mean, 0.0, v)
    parts = [
        np.log(weight) + _log_marginal(n, mean, float(np.log(ratio)), v) - none
        for ratio, weight in ALTERNATIVES.items()
    ]
    out[some] = np.logaddexp.reduce(parts)
    return out


def _log_marginal(n: Floats, mean: Floats, centre: float, v: Floats) -> Floats:
    """Log of the integral of h^n exp(-h mean) normal(log h; centre, v), by Gauss and Hermite.

    Nodes lie around the mode of the integrand, as wide as it is curved there.
    """
    safe = np.maximum(v, 1e-12)
    u = np.full(n.shape, centre)
    for _ in range(_STEPS):
        rate = mean * np.exp(u)
        slope, curve = n - rate - (u - centre) / safe, rate + 1.0 / safe
        step = np.clip(slope / curve, -1.0, 1.0)
        u = u + step
        if np.max(np.abs(step), initial=0.0) < _NEAR:
            break
    width = np.sqrt(2.0 / (mean * np.exp(u) + 1.0 / safe))
    at = u + width * _NODES[:, *(None,) * n.ndim]
    log_f = n * at - mean * np.exp(at) - 0.5 * (at - centre) ** 2 / safe
    log_f += (_NODES**2 + np.log(_WEIGHTS))[:, *(None,) * n.ndim]
    inside = np.logaddexp.reduce(log_f, axis=0) + np.log(width) - 0.5 * np.log(2 * np.pi * safe)
    out: Floats = np.where(v > 0.0, inside, n * centre - mean * np.exp(centre))
    return out
