"""How many patients a prior is worth.

Three answers, which agree for a single conjugate distribution of rates and means (but Morita's,
which looks at the mode):

``elir``    expected local information ratio, the mean over the prior of its local information
            over that of one patient (Neuenschwander, Weber, Schmidli & O'Hagan 2020), on the
            canonical scale (logit, logarithm, mean). The only one of the three that is
            predictively consistent: after n patients it is n more on average.
``moment``  the conjugate distribution with the same mean and variance.
``morita``  the information ratio at the prior mode (Morita, Thall & Müller 2008, as modified in
            Neuenschwander et al. 2020). Optimistic for mixtures with sharp components.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar

from twinbayes.arrays import Floats
from twinbayes.errors import PriorError, require_known
from twinbayes.priors.mixtures.canonical import canonical
from twinbayes.priors.mixtures.elir import expected_local_information_ratio
from twinbayes.priors.mixtures.mixture import BETA, NORMAL, Mixture

_FAR: Final = np.geomspace(6.5, 64.0, 24)
_ABOUT: Final = np.concatenate([-_FAR[::-1], np.linspace(-6.0, 6.0, 121), _FAR])
"""Points about a component where a mode is looked for, in its spreads."""


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
        A normal mixture without the standard deviation of a patient; a prior without such a size:
        ELIR does not exist, or is below 0, for some mixtures of components that are unbounded at
        an end of the range, and Morita's method needs a mode inside it.
    OptionError
        Unknown method.

    Notes
    -----
    ELIR on the canonical scale is a + b for every Beta(a, b), and does not jump where a parameter
    becomes 1. Where all parameters are above 1, it is the same on the scale of the parameter
    itself. RBesT integrates there: of a mixture with uniform component it gives less, by the
    height of the density at 0 plus that at 1.

    Examples
    --------
    >>> history = Mixture.of("beta", [(1.0, 10.0, 2.0)])
    >>> round(effective_sample_size(history), 6)
    12.0
    >>> round(effective_sample_size(history.robust(0.2)), 4)
    8.0515
    """
    require_known(method, METHODS, "method of effective sample size")
    if prior.kind == NORMAL and prior.reference_sd is None:
        raise PriorError(
            "The effective sample size of a normal prior is counted in patients: give the "
            "mixture its reference_sd, the standard deviation of one patient."
        )
    with np.errstate(all="ignore"):  # what is not finite is refused
        size = METHODS[method](prior)
    if not np.isfinite(size):
        raise PriorError(
            f"The effective sample size by {method!r} cannot be computed: parameters of the prior "
            "are too large or too small. Check them."
        )
    return size


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


def _moment(prior: Mixture) -> float:
    mean, variance = np.float64(prior.mean), np.float64(prior.sd**2)
    if not np.isfinite(variance):
        return float("nan")
    if prior.kind == BETA:
        return float(mean * (1 - mean) / variance - 1)
    if prior.kind == NORMAL:
        return float(np.float64(prior.reference_sd or 1) ** 2 / variance)
    return float(mean / variance)


def _morita(prior: Mixture) -> float:
    return float(information_ratio(prior, np.asarray(_mode(prior))))


def _mode(prior: Mixture) -> float:
    """Highest point of the density, from a grid on that is fine about every component.

    Raises
    ------
    PriorError
        The density is highest at an end of its range, or the same everywhere.
    """
    parts = canonical(prior)
    about = parts.centre[:, None] + parts.spread[:, None] * _ABOUT
    grid = np.unique(parts.to_parameter(about.ravel()))
    grid = grid[(grid > prior.support[0]) & (grid < prior.support[1])]
    height = prior.logpdf(grid)
    at = int(np.argmax(height))
    if at in (0, len(grid) - 1) or np.all(height == height[0]):
        raise PriorError(
            "The effective sample size by Morita's method does not exist: the density is highest "
            "at an end of its range, where it has no mode. Use method='elir' or 'moment'."
        )
    low, width = grid[at - 1], grid[at + 1] - grid[at - 1]
    found = minimize_scalar(
        lambda u: -float(prior.logpdf(low + u * width)), bounds=(0.0, 1.0), method="bounded",
        options={"xatol": 1e-12},
    )  # fmt: skip
    best = float(low + found.x * width)
    return best if prior.logpdf(best) >= height[at] else float(grid[at])


METHODS: Final[Mapping[str, Callable[[Mixture], float]]] = MappingProxyType(
    {"elir": expected_local_information_ratio, "moment": _moment, "morita": _morita}
)
"""Ways of counting, by name."""
