"""How many patients a prior is worth.

Three answers, which agree for a single conjugate distribution of rates and means (but Morita's,
which looks at the mode):

``elir``    expected local information ratio, the mean over the prior of its local information
            over that of one patient (Neuenschwander, Weber, Schmidli & O'Hagan 2020). The only one
            of the three that is predictively consistent: after n patients it is n more on average.
``moment``  the conjugate distribution with the same mean and variance.
``morita``  the information ratio at the prior mode (Morita, Thall & Müller 2008, as modified in
            Neuenschwander et al. 2020). Optimistic for mixtures with sharp components.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize_scalar

from twinbayes.arrays import Floats
from twinbayes.errors import PriorError, require_known
from twinbayes.priors.mixtures.mixture import BETA, NORMAL, Mixture

_CUTS: Final = np.array([1e-12, 1e-8, 1e-5, 1e-3, 0.02, 0.1, 0.3])  # and the same from above
_NODES: Final = 60  # between two of them
_UNSTABLE: Final = 1e-3  # error of the integral, relative to it, above which a warning is given


def effective_sample_size(prior: Mixture, method: str = "elir") -> float:
    """Return how many patients a prior is worth (of a gamma mixture: how much time at risk).

    Parameters
    ----------
    prior
        A normal one needs its `reference_sd`.
    method
        ``elir``, ``moment`` or ``morita``.

    Raises
    ------
    PriorError
        A normal mixture without the standard deviation of a patient.
    OptionError
        Unknown method.

    Notes
    -----
    A component that is unbounded at an end of the support has no local information ratio there;
    the integral then need not exist: a warning says so, and the result may be NaN.
    """
    require_known(method, METHODS, "method of effective sample size")
    if prior.kind == NORMAL and prior.reference_sd is None:
        raise PriorError(
            "The effective sample size of a normal prior is counted in patients: give the "
            "mixture its reference_sd, the standard deviation of one patient."
        )
    return METHODS[method](prior)


def information_ratio(prior: Mixture, x: Floats) -> Floats:
    """Local information of a prior over that of one patient, shaped as `x`."""
    log_each = prior.log_components(x)
    share = np.exp(log_each - prior.logpdf(x))
    slope, bend = _derivatives(prior, x)
    first = (share * slope).sum(axis=0)
    information = first**2 - (share * (bend + slope**2)).sum(axis=0)
    return np.asarray(information / _of_one_patient(prior, x))


def _derivatives(prior: Mixture, x: Floats) -> tuple[Floats, Floats]:
    """(component, ...) first and second derivative of each component's log density."""
    shape = (-1, *[1] * np.ndim(x))
    a, b = prior.first.reshape(shape), prior.second.reshape(shape)
    if prior.kind == BETA:
        return (
            (a - 1) / x - (b - 1) / (1 - x),
            -(a - 1) / x**2 - (b - 1) / (1 - x) ** 2,
        )
    if prior.kind == NORMAL:
        return (a - x) / b**2, -1 / b**2 + 0.0 * x
    return (a - 1) / x - b, -(a - 1) / x**2


def _of_one_patient(prior: Mixture, x: Floats) -> Floats:
    """Fisher information of one patient, or of one unit of time at risk."""
    if prior.kind == BETA:
        return np.asarray(1 / (x * (1 - x)))
    return (
        np.full(np.shape(x), float(prior.reference_sd or 1) ** -2)
        if (prior.kind == NORMAL)
        else np.asarray(1 / x)
    )


def _elir(prior: Mixture) -> float:
    """Component by component, between quantiles of each: there all is smooth."""
    if len(prior.weights) == 1:
        return _moment(prior)
    fine, coarse = (
        sum(
            float(weight) * _expected(prior, part, nodes)
            for weight, part in zip(prior.weights, prior.components, strict=True)
            if weight > 0.0
        )
        for nodes in (_NODES, _NODES // 2)
    )
    if not abs(fine - coarse) <= _UNSTABLE * max(abs(fine), 1.0):
        warnings.warn(
            "The effective sample size by ELIR is not stable: a component of the prior is "
            "unbounded at an end of its range. Use method='moment', or another prior.",
            stacklevel=3,
        )
    return float(fine)


def _expected(prior: Mixture, part: Any, nodes: int) -> float:
    """Mean of the information ratio over one component, by Gauss-Legendre rules."""
    edges = np.concatenate([part.ppf(_CUTS), part.isf(_CUTS[::-1])])
    at, weight = np.polynomial.legendre.leggauss(nodes)
    half = 0.5 * np.diff(edges)[:, None]
    x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * at
    with np.errstate(all="ignore"):  # where a component is unbounded; the caller sees it
        return float(np.sum(half * weight * information_ratio(prior, x) * part.pdf(x)))


def _moment(prior: Mixture) -> float:
    mean, variance = prior.mean, prior.sd**2
    if prior.kind == BETA:
        return float(mean * (1 - mean) / variance - 1)
    if prior.kind == NORMAL:
        return float(prior.reference_sd or 1) ** 2 / variance
    return mean / variance


def _morita(prior: Mixture) -> float:
    return float(information_ratio(prior, np.asarray(_mode(prior))))


def _mode(prior: Mixture) -> float:
    """Highest point of the density, from a fine grid on."""
    grid = prior.quantile((np.arange(2000) + 0.5) / 2000)
    at = int(np.argmax(prior.logpdf(grid)))
    low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda x: -float(prior.logpdf(x)), bounds=(low, high), method="bounded",
        options={"xatol": 1e-12 * max(1.0, abs(high))},
    )  # fmt: skip
    return float(found.x)


METHODS: Final[Mapping[str, Callable[[Mixture], float]]] = MappingProxyType(
    {"elir": _elir, "moment": _moment, "morita": _morita}
)
"""Ways of counting, by name."""
