"""Mixtures fitted to draws by expectation and maximisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma, gammaln, polygamma

from twinbayes.arrays import Floats
from twinbayes.errors import PriorError, require_known
from twinbayes.priors.mixtures.mixture import BETA, GAMMA, KINDS, NORMAL, Mixture, as_floats
from twinbayes.showing import brief

_ROUNDS: Final = 500
_CLOSE: Final = 1e-7  # gain in mean log-likelihood below which it has converged
_NEWTON: Final = 50
_DIGITS: Final = 1e-15  # rounding error of a mean square
_ROUNDED: Final = 0.05  # share of draws that may lie at an end of the support
_LEAST: Final = 1e-3  # smallest a and b, and share of the draws' spread that a component keeps


@brief
@dataclass(frozen=True)
class MixtureFit:
    """A mixture found for some draws, and how well it fits.

    Attributes
    ----------
    mixture
        With components in falling order of weight.
    log_likelihood
        Of all draws.
    aic
        Akaike's criterion; the smaller the better.
    rounds
        Steps taken.
    converged
        Whether the last step gained next to nothing.

    Examples
    --------
    >>> draws = np.random.default_rng(1).beta(5.0, 15.0, 2000)
    >>> fit_mixture(draws, "beta", components=1).converged
    True
    """

    mixture: Mixture
    log_likelihood: float
    aic: float
    rounds: int
    converged: bool


def fit_mixture(
    draws: ArrayLike,
    kind: str,
    *,
    components: int | Sequence[int] = (1, 2, 3, 4),
    reference_sd: float | None = None,
    bounded: bool = False,
) -> MixtureFit:
    """Approximate draws by a mixture of conjugate distributions.

    Parameters
    ----------
    draws
        Any shape; all draws count the same. A few may lie at an end of the support, to which
        probabilities near it are rounded.
    kind
        ``beta``, ``normal`` or ``gamma``.
    components
        Number of components; of several, the one of smallest AIC.
    reference_sd
        Of a normal mixture: standard deviation of one patient.
    bounded
        Keep a and b of beta components, and shapes of gamma components, from falling below 1: no
        density is unbounded then, and `effective_sample_size` exists, also of a robust version.

    Raises
    ------
    PriorError
        Too few draws, draws outside the support, or all the same.

    Examples
    --------
    >>> draws = np.random.default_rng(1).beta(5.0, 15.0, 2000)
    >>> found = fit_mixture(draws, "beta", components=1)
    >>> round(found.mixture.mean, 2)
    0.25
    """
    require_known(kind, KINDS, "kind of mixture")
    numbers = [components] if isinstance(components, int) else list(components)
    x = _inside(np.ravel(as_floats(draws, "Draws")), kind)
    _require_draws(x, kind, numbers)
    least = 1.0 if bounded else _LEAST
    fits = [_expectation_maximisation(x, kind, k, reference_sd, least) for k in numbers]
    return min(fits, key=lambda fit: fit.aic)


def _inside(x: Floats, kind: str) -> Floats:
    """Draws at an end of the support, if few, as the nearest number inside it."""
    low, high = {BETA: (0.0, 1.0), NORMAL: (-np.inf, np.inf), GAMMA: (0.0, np.inf)}[kind]
    at_end = (x == low) | (x == high)
    if kind == NORMAL or at_end.sum() > _ROUNDED * len(x):
        return x
    return np.where(at_end & np.isfinite(x), np.nextafter(x, 0.5), x)


def _require_draws(x: Floats, kind: str, numbers: list[int]) -> None:
    if not numbers or min(numbers) < 1 or len(x) < 20 * max(numbers):
        raise PriorError(
            f"{len(x)} draws are too few for {max(numbers, default=0)} components: give at least "
            "20 draws a component, and one component or more."
        )
    inside = {BETA: (x > 0) & (x < 1), NORMAL: np.isfinite(x), GAMMA: (x > 0) & np.isfinite(x)}
    if not np.all(inside[kind]):
        raise PriorError(
            f"{int(np.sum(~inside[kind]))} draws lie outside the support of a {kind} mixture. "
            "Choose the kind that suits them, or their scale."
        )
    if np.ptp(x) == 0:
        raise PriorError("All draws are the same: they have no distribution to fit.")


def _expectation_maximisation(
    x: Floats, kind: str, k: int, reference_sd: float | None, least: float
) -> MixtureFit:
    """Start from equal slices of the sorted draws; components of a kind keep a least spread."""
    which = np.minimum(np.argsort(np.argsort(x)) * k // len(x), k - 1)
    share = np.full((k, len(x)), 0.1 / k)
    share[which, np.arange(len(x))] += 0.9
    terms = _sufficient(x, kind)
    mixture, before, rounds, converged = _maximised(terms, share, kind, least), -np.inf, 0, False
    while rounds < _ROUNDS and not converged:
        rounds += 1
        log_each = _log_each(mixture, terms)
        top = log_each.max(axis=0)
        share = np.exp(log_each - top)
        density = share.sum(axis=0)
        share /= density
        now = float(np.mean(np.log(density) + top))
        converged, before = now - before < _CLOSE, now
        if not converged:
            mixture = _maximised(terms, share, kind, least)
    order = np.argsort(-mixture.weights, kind="stable")
    total = float(mixture.logpdf(x).sum())
    ordered = Mixture(
        kind,
        mixture.weights[order],
        mixture.first[order],
        mixture.second[order],
        reference_sd,
    )
    return MixtureFit(ordered, total, 2 * (3 * k - 1) - 2 * total, rounds, converged)


def _sufficient(x: Floats, kind: str) -> Floats:
    """(4, draw) what the log densities are linear in: two statistics of the kind, x, and x²."""
    if kind == NORMAL:
        return np.stack([x, x**2, x, x**2])
    return np.stack([np.log(x), np.log1p(-x) if kind == BETA else x, x, x**2])


def _log_each(mixture: Mixture, terms: Floats) -> Floats:
    """(component, draw) log of weight times density, but for what all components share."""
    w, a, b = mixture.weights, mixture.first, mixture.second
    if mixture.kind == BETA:
        slopes, constant = (a - 1, b - 1), -betaln(a, b)
    elif mixture.kind == NORMAL:
        slopes, constant = (a / b**2, -0.5 / b**2), -np.log(b) - 0.5 * (a / b) ** 2
    else:
        slopes, constant = (a - 1, -b), a * np.log(b) - gammaln(a)
    with np.errstate(divide="ignore"):
        constant = constant + np.log(w)
    return np.asarray(np.stack(slopes, axis=1) @ terms[:2] + constant[:, None])


def _maximised(terms: Floats, share: Floats, kind: str, least: float) -> Mixture:
    """Weighted maximum likelihood of every component; `least` is the smallest a, b or shape."""
    counted = share.sum(axis=1)
    one, other, mean, square = (share @ terms.T / counted[:, None]).T
    weights = counted / share.shape[1]
    if kind == NORMAL:
        narrowest = (_LEAST * terms[2].std()) ** 2
        return Mixture(kind, weights, mean, np.sqrt(np.maximum(square - mean**2, narrowest)))
    if kind == GAMMA:
        shape = np.maximum(_gamma_shape(np.log(mean) - one), least)
        return Mixture(kind, weights, shape, shape / mean)
    shapes = _beta_shapes(one, other, mean, square)
    return Mixture(kind, weights, *(_bounded(*shapes, one, other) if least == 1.0 else shapes))


def _gamma_shape(gap: Floats) -> Floats:
    """Solve log a − digamma(a) = gap, by Newton's method on log a."""
    a = np.maximum((3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap), _LEAST)
    for _ in range(_NEWTON):
        step = (np.log(a) - digamma(a) - gap) / (1 - a * polygamma(1, a))
        a = np.maximum(a * np.exp(np.clip(-step, -1, 1)), _LEAST)
        if np.all(np.abs(step) < 1e-12):
            break
    return a


def _beta_shapes(
    log_x: Floats, log_rest: Floats, mean: Floats, square: Floats
) -> tuple[Floats, Floats]:
    """Solve digamma(a) − digamma(a + b) = E log x, and the like for b, by Newton's method."""
    variance = np.maximum(square - mean**2, _DIGITS * square)
    size = np.maximum(mean * (1 - mean) / variance - 1, 2 * _LEAST)
    a, b = mean * size, (1 - mean) * size
    for _ in range(_NEWTON):
        whole, bend = digamma(a + b), polygamma(1, a + b)
        e, f = digamma(a) - whole - log_x, digamma(b) - whole - log_rest
        p, q = polygamma(1, a) - bend, polygamma(1, b) - bend
        determinant = p * q - bend**2
        solvable = determinant > 0  # not so where a and b differ by more than floats can tell
        inverse = np.divide(1.0, determinant, out=np.zeros_like(a), where=solvable)
        step_a, step_b = (q * e + bend * f) * inverse, (p * f + bend * e) * inverse
        # In logarithms, so that both stay positive.
        a_new = a * np.exp(np.clip(-step_a / a, -1, 1))
        b_new = b * np.exp(np.clip(-step_b / b, -1, 1))
        a, b = np.maximum(a_new, _LEAST), np.maximum(b_new, _LEAST)
        if np.all(np.abs(step_a) < 1e-10 * a) and np.all(np.abs(step_b) < 1e-10 * b):
            break
    return a, b


def _bounded(a: Floats, b: Floats, log_x: Floats, log_rest: Floats) -> tuple[Floats, Floats]:
    """Likeliest shapes of at least 1, from the likeliest of all, a and b.

    The log-likelihood is concave: where a is below 1 alone, a becomes 1 and b = -1 / E log (1 - x);
    the other way round likewise; where both are, the better of the two.
    """
    with_a, with_b = np.maximum(-1.0 / log_rest, 1.0), np.maximum(-1.0 / log_x, 1.0)
    gain_a = np.log(with_a) + (with_a - 1.0) * log_rest
    gain_b = np.log(with_b) + (with_b - 1.0) * log_x
    a_is_one = (a < 1.0) & ((b >= 1.0) | (gain_a >= gain_b))
    b_is_one = (b < 1.0) & ~a_is_one
    bounded_a = np.where(a_is_one, 1.0, np.where(b_is_one, with_b, a))
    bounded_b = np.where(b_is_one, 1.0, np.where(a_is_one, with_a, b))
    return bounded_a, bounded_b
