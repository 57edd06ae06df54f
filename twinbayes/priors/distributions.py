"""The distributions a prior may have: one row each, with PyMC's argument names.

Adding one is a row here and its name in ``data_schemas/prior.schema.json``; a test
compares each row with the PyMC distribution of the same name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats

_POSITIVE: Final = "positive"
_REAL: Final = "real"


@dataclass(frozen=True, slots=True)
class Family:
    """A distribution by PyMC's name.

    Attributes
    ----------
    arguments
        Argument name -> ``"real"`` or ``"positive"``; all are required, none is optional.
    frozen
        The same distribution in scipy, as a function of those arguments in their order.

    Examples
    --------
    >>> FAMILIES["Normal"].faults({"mu": 0.0, "sigma": -1.0})
    ["argument 'sigma' is -1, but must be above 0"]
    """

    arguments: Mapping[str, str]
    frozen: Callable[..., Any]

    def faults(self, values: Mapping[str, float]) -> list[str]:
        """Say what is wrong with these argument values; nothing when nothing is."""
        wanted = ", ".join(self.arguments)
        faults = [
            f"argument {k!r} is unknown (wanted: {wanted})"
            for k in values
            if k not in self.arguments
        ]
        for argument, domain in self.arguments.items():
            if argument not in values:
                faults.append(f"argument {argument!r} is missing (wanted: {wanted})")
                continue
            value = values[argument]
            if not math.isfinite(value):
                faults.append(f"argument {argument!r} is not finite")
            elif domain == _POSITIVE and value <= 0:
                faults.append(f"argument {argument!r} is {value:g}, but must be above 0")
        return faults


FAMILIES: Final[Mapping[str, Family]] = {
    "Normal": Family(
        {"mu": _REAL, "sigma": _POSITIVE},
        stats.norm,
    ),
    "HalfNormal": Family(
        {"sigma": _POSITIVE},
        lambda sigma: stats.halfnorm(scale=sigma),
    ),
    "StudentT": Family(
        {"nu": _POSITIVE, "mu": _REAL, "sigma": _POSITIVE},
        stats.t,
    ),
    # |t| has the quantiles of t folded at zero; scipy has no half-t of its own.
    "HalfStudentT": Family(
        {"nu": _POSITIVE, "sigma": _POSITIVE},
        lambda nu, sigma: _Folded(stats.t(nu, 0, sigma)),
    ),
    "Cauchy": Family(
        {"alpha": _REAL, "beta": _POSITIVE},
        stats.cauchy,
    ),
    "HalfCauchy": Family(
        {"beta": _POSITIVE},
        lambda beta: stats.halfcauchy(scale=beta),
    ),
    "Laplace": Family(
        {"mu": _REAL, "b": _POSITIVE},
        stats.laplace,
    ),
    "LogNormal": Family(
        {"mu": _REAL, "sigma": _POSITIVE},
        lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    ),
    "Gamma": Family(
        {"alpha": _POSITIVE, "beta": _POSITIVE},
        lambda alpha, beta: stats.gamma(alpha, scale=1 / beta),
    ),
    "InverseGamma": Family(
        {"alpha": _POSITIVE, "beta": _POSITIVE},
        lambda alpha, beta: stats.invgamma(alpha, scale=beta),
    ),
    "Exponential": Family(
        {"lam": _POSITIVE},
        lambda lam: stats.expon(scale=1 / lam),
    ),
    "Beta": Family(
        {"alpha": _POSITIVE, "beta": _POSITIVE},
        stats.beta,
    ),
    # Of correlation matrices; the quantiles are those of the one correlation of two variables.
    "LKJCorr": Family(
        {"eta": _POSITIVE},
        lambda eta: stats.beta(eta, eta, loc=-1, scale=2),
    ),
}


@dataclass(frozen=True, slots=True)
class _Folded:
    """The absolute value of Student's t about zero."""

    symmetric: Any

    def ppf(self, p: float) -> float:
        return float(self.symmetric.ppf(0.5 + p / 2))

    def cdf(self, x: float) -> Any:
        return np.maximum(2 * self.symmetric.cdf(x) - 1, 0.0)

    def mean(self) -> float:
        nu, _, sigma = self.symmetric.args
        if nu <= 1:
            return math.inf
        ratio = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2))
        return float(2 * sigma * math.sqrt(nu / math.pi) * ratio / (nu - 1))

    def std(self) -> float:
        nu, _, sigma = self.symmetric.args
        return math.inf if nu <= 2 else math.sqrt(sigma**2 * nu / (nu - 2) - self.mean() ** 2)
