"""Mixtures over their canonical parameter: logit of a rate, mean, logarithm of an intensity.

There a single component is worth the same number of patients everywhere, and no density is
unbounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from scipy.special import betaln, digamma, expit, gammaln, log_expit, polygamma

from twinbayes.arrays import Floats
from twinbayes.priors.mixtures.mixture import BETA, GAMMA, NORMAL, Mixture


@dataclass(frozen=True, kw_only=True)
class Canonical:
    """The components of a mixture that have a weight, over the canonical parameter.

    Attributes
    ----------
    log_weight, size
        (component,) log of the weight, and how many patients each is worth by itself.
    centre, spread
        (component,) mean and standard deviation.
    rise, fall
        (component,) the slope of a log density at `x` is ``rise u(x) - fall v(x)``.
    statistics
        x -> u(x) and v(x), each shaped as x.
    log_components
        (1, point) x -> (component, point) log density of each, without its weight.
    log_information
        x -> log of the Fisher information of one patient, shaped as x.
    to_parameter
        x -> the parameter that the mixture is of.
    """

    log_weight: Floats
    size: Floats
    centre: Floats
    spread: Floats
    rise: Floats
    fall: Floats
    statistics: Callable[[Floats], tuple[Floats, Floats]]
    log_components: Callable[[Floats], Floats]
    log_information: Callable[[Floats], Floats]
    to_parameter: Callable[[Floats], Floats]


def canonical(prior: Mixture) -> Canonical:
    """Return a mixture over its canonical parameter; components of weight 0 are left out."""
    kept = prior.weights > 0
    first, second = prior.first[kept], prior.second[kept]
    parts = _KINDS[prior.kind](first, second, float(prior.reference_sd or 1.0))
    return Canonical(log_weight=np.log(prior.weights[kept]), **parts)


def _of_beta(a: Floats, b: Floats, _: float) -> dict[str, Any]:
    up, down, constant = a[:, None], b[:, None], betaln(a, b)[:, None]
    return {
        "size": a + b, "rise": a, "fall": b,
        "centre": digamma(a) - digamma(b),
        "spread": np.sqrt(polygamma(1, a) + polygamma(1, b)),
        "statistics": lambda x: (expit(-x), expit(x)),
        "log_components": lambda x: up * log_expit(x) + down * log_expit(-x) - constant,
        "log_information": lambda x: log_expit(x) + log_expit(-x),
        "to_parameter": expit,
    }  # fmt: skip


def _of_gamma(a: Floats, b: Floats, _: float) -> dict[str, Any]:
    shape, rate, constant = a[:, None], b[:, None], (a * np.log(b) - gammaln(a))[:, None]
    return {
        "size": b, "rise": a, "fall": b,
        "centre": digamma(a) - np.log(b),
        "spread": np.sqrt(polygamma(1, a)),
        "statistics": lambda x: (np.ones_like(x), np.exp(x)),
        "log_components": lambda x: shape * x - rate * np.exp(x) + constant,
        "log_information": lambda x: x,
        "to_parameter": np.exp,
    }  # fmt: skip


def _of_normal(mean: Floats, sd: Floats, reference_sd: float) -> dict[str, Any]:
    middle = float(mean.mean())  # slopes are differences: small numbers have more digits
    place, width = (mean - middle)[:, None], sd[:, None]
    return {
        "size": (reference_sd / sd) ** 2, "rise": (mean - middle) / sd**2, "fall": sd**-2.0,
        "centre": mean - middle,
        "spread": sd,
        "statistics": lambda x: (np.ones_like(x), x),
        "log_components": lambda x: (
            -0.5 * ((x - place) / width) ** 2 - np.log(width) - 0.5 * np.log(2 * np.pi)
        ),
        "log_information": lambda x: np.full_like(x, -2.0 * np.log(reference_sd)),
        "to_parameter": lambda x: x + middle,
    }  # fmt: skip


_KINDS: Final[Mapping[str, Callable[[Floats, Floats, float], dict[str, Any]]]] = MappingProxyType(
    {BETA: _of_beta, GAMMA: _of_gamma, NORMAL: _of_normal}
)
