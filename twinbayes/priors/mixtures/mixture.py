"""Mixtures of conjugate distributions: priors whose posterior is a mixture again.

========  ==========================  ===============================================
kind      component                   what is observed
========  ==========================  ===============================================
beta      Beta(a, b)                  responders among patients
normal    Normal(mean, sd)            means, with a known standard deviation
gamma     Gamma(shape, rate)          events in a time at risk
========  ==========================  ===============================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp, softmax

from twinbayes.arrays import Floats, is_number
from twinbayes.errors import PriorError, require_known, require_seed

BETA, NORMAL, GAMMA = "beta", "normal", "gamma"
KINDS: Final = (BETA, NORMAL, GAMMA)
_BISECTIONS: Final = 200


@dataclass(frozen=True)
class Mixture:
    """A mixture of distributions of one kind.

    Attributes
    ----------
    kind
        ``beta``, ``normal`` or ``gamma``.
    weights
        (component,) summing to 1.
    first, second
        (component,) a and b; mean and sd; shape and rate.
    reference_sd
        Of a normal mixture: standard deviation of one patient, by which sample sizes are counted.

    Examples
    --------
    >>> prior = Mixture.of("beta", [(0.6, 5.0, 15.0), (0.4, 20.0, 40.0)])
    >>> round(prior.mean, 3)
    0.283
    >>> len(prior.robust(0.2).weights)
    3
    """

    kind: str
    weights: Floats
    first: Floats
    second: Floats
    reference_sd: float | None = None

    def __post_init__(self) -> None:
        require_known(self.kind, KINDS, "kind of mixture")
        parts = {n: np.atleast_1d(as_floats(getattr(self, n))) for n in _PARTS}
        for name, values in parts.items():
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        sizes = {values.shape for values in parts.values()}
        if len(sizes) != 1 or self.weights.ndim != 1 or not len(self.weights):
            raise PriorError(f"A mixture needs as many weights as components, not {sizes}.")
        if not all(np.all(np.isfinite(values)) for values in parts.values()):
            raise PriorError("Weights and parameters of a mixture must be finite numbers.")
        if np.any(self.weights < 0) or abs(self.weights.sum() - 1.0) > 1e-6:
            raise PriorError(
                f"Weights of a mixture must be 0 or more and sum to 1, not {self.weights.sum():g}."
            )
        if np.any(self.second <= 0) or (self.kind != NORMAL and np.any(self.first <= 0)):
            raise PriorError(f"Parameters of a {self.kind} mixture must be positive.")
        sd: object = self.reference_sd
        if sd is not None and not 0 < one_number(sd, "reference_sd") < np.inf:
            raise PriorError(f"reference_sd must be positive, not {self.reference_sd!r}.")

    @classmethod
    def of(
        cls,
        kind: str,
        components: Iterable[tuple[float, float, float]],
        *,
        reference_sd: float | None = None,
    ) -> Self:
        """Make a mixture of components ``(weight, first, second)``."""
        try:
            rows = [tuple(component) for component in components]
        except TypeError:  # no components, or one that is a single number
            rows = [()]
        if any(len(row) != 3 for row in rows):
            raise PriorError("A component of a mixture is (weight, first, second): three numbers.")
        table = as_floats(rows).reshape(-1, 3)
        return cls(kind, table[:, 0], table[:, 1], table[:, 2], reference_sd)

    @property
    def components(self) -> tuple[Any, ...]:
        """Frozen distributions of SciPy, one a component."""
        return tuple(_frozen(self.kind, a, b) for a, b in zip(self.first, self.second, strict=True))

    @property
    def mean(self) -> float:
        """Mean of the mixture."""
        return float(self.weights @ self._moments()[0])

    @property
    def sd(self) -> float:
        """Standard deviation of the mixture."""
        mean, variance = self._moments()
        return float(np.sqrt(self.weights @ (variance + (mean - self.mean) ** 2)))

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        return {BETA: (0.0, 1.0), NORMAL: (-np.inf, np.inf), GAMMA: (0.0, np.inf)}[self.kind]

    def log_components(self, x: ArrayLike) -> Floats:
        """(component, ...) log of weight times density of each component."""
        values = as_floats(x, "Values of a parameter")
        with np.errstate(divide="ignore"):
            log_weight = np.log(self.weights)
        out = np.stack([c.logpdf(values) for c in self.components])
        return np.asarray(out + log_weight.reshape(-1, *[1] * values.ndim))

    def logpdf(self, x: ArrayLike) -> Floats:
        """Log density, shaped as `x`."""
        return np.asarray(logsumexp(self.log_components(x), axis=0))

    def cdf(self, x: ArrayLike) -> Floats:
        """Probability of at most `x`, shaped as `x`."""
        values = as_floats(x, "Values of a parameter")
        parts = zip(self.weights, self.components, strict=True)
        return np.asarray(sum(w * c.cdf(values) for w, c in parts))

    def quantile(self, q: ArrayLike) -> Floats:
        """Value below which the mixture has probability `q`, shaped as `q`; by bisection."""
        wanted = as_floats(q, "Probabilities")
        if not np.all((wanted > 0) & (wanted < 1)):
            raise PriorError("Quantiles need probabilities between 0 and 1.")
        components = self.components  # freezing them takes far longer than using them
        each = np.stack([c.ppf(wanted) for c in components])  # the mixture's lies between
        low, high = each.min(axis=0), each.max(axis=0)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            parts = zip(self.weights, components, strict=True)
            below = np.asarray(sum(w * c.cdf(middle) for w, c in parts)) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(0.5 * (low + high))

    def draw(self, n: int, seed: int = 0) -> Floats:
        """(n,) values.

        Raises
        ------
        OptionError, PriorError
            A seed that is none; `n` that is no whole number, 0 or more.
        """
        rng = np.random.default_rng(require_seed(seed))
        count: object = n  # what arrives may be anything
        if not is_number(count) or n < 0 or n != int(n):
            raise PriorError(f"n must be a whole number of draws, 0 or more, not {str(n)[:30]!r}.")
        n = int(n)
        which = rng.choice(len(self.weights), size=n, p=self.weights / self.weights.sum())
        a, b = self.first[which], self.second[which]
        if self.kind == BETA:
            return rng.beta(a, b)
        return rng.normal(a, b) if self.kind == NORMAL else rng.gamma(a, 1.0 / b)

    def robust(self, weight: float, component: tuple[float, float] | None = None) -> Self:
        """Add a vague component, which takes over where data contradict the others.

        Parameters
        ----------
        weight
            Prior probability that the others do not apply, between 0 and 1.
        component
            Its parameters; default: uniform for a beta mixture. The others have no such choice.

        Source: Schmidli et al. (2014), Biometrics 70, 1023-1032.
        """
        weight = one_number(weight, "The weight of the vague component")
        if not 0.0 <= weight <= 1.0:
            raise PriorError(f"The weight of the vague component is {weight!r}, not in [0, 1].")
        if component is None and self.kind != BETA:
            raise PriorError(f"Give the vague component of a {self.kind} mixture, (first, second).")
        vague = as_floats((1.0, 1.0) if component is None else component)
        if vague.shape != (2,):
            raise PriorError("The vague component of a mixture is (first, second): two numbers.")
        first, second = vague
        return replace(
            self,
            weights=np.append((1.0 - weight) * self.weights, weight),
            first=np.append(self.first, first),
            second=np.append(self.second, second),
        )

    def after(self, observed: float, size: float) -> Self:
        """Return the posterior.

        Parameters
        ----------
        observed, size
            Responders and patients; a mean and its standard error; events and time at risk.
        """
        weights, first, second = self.posteriors([one_number(observed, "Observations")], size)
        return replace(self, weights=weights[0], first=first[0], second=second[0])

    def posteriors(self, observed: ArrayLike, size: float) -> tuple[Floats, Floats, Floats]:
        """(outcome, component) weights, first and second parameters after each outcome.

        Parameters
        ----------
        observed
            (outcome,) what may be seen.
        size
            As in `after`, the same for every outcome.
        """
        first, second, log_marginal = self._conjugate(observed, size)
        with np.errstate(divide="ignore"):
            log_weight = np.log(self.weights) + log_marginal
        return softmax(log_weight, axis=1), first, second

    def log_marginal(self, observed: float, size: float) -> float:
        """Log probability (of a mean: density) of data, as in `after`, under the mixture."""
        return float(self.log_marginals([one_number(observed, "Observations")], size)[0])

    def log_marginals(self, observed: ArrayLike, size: float) -> Floats:
        """(outcome,) the same of each outcome."""
        _, _, log_marginal = self._conjugate(observed, size)
        return np.asarray(logsumexp(log_marginal, axis=1, b=self.weights))

    def _conjugate(self, observed: ArrayLike, size: float) -> tuple[Floats, Floats, Floats]:
        """(outcome, component) parameters after each outcome, and its log probability before."""
        n = one_number(size, "Size")
        y = as_floats(observed, "Observations").reshape(-1, 1)
        if not np.isfinite(n) or (self.kind == NORMAL and not np.all(np.isfinite(y))):
            raise PriorError("Observations, and the size that they are of, must be finite numbers.")
        a, b = (np.broadcast_to(p, (len(y), len(p))) for p in (self.first, self.second))
        if self.kind == BETA:
            if not np.all((y >= 0) & (y <= n)):
                raise PriorError(f"{_one(y, n)} responders among {n:g} patients cannot be.")
            choose = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
            return a + y, b + n - y, choose + betaln(a + y, b + n - y) - betaln(a, b)
        if self.kind == NORMAL:
            if not n > 0:
                raise PriorError(f"The standard error of a mean must be positive, not {n:g}.")
            precision = 1 / b**2 + 1 / n**2
            spread = np.sqrt(b**2 + n**2)
            marginal = np.asarray(stats.norm.logpdf(y, a, spread))
            return (a / b**2 + y / n**2) / precision, 1 / np.sqrt(precision), marginal
        if not np.all((y >= 0) & np.isfinite(y)) or not n > 0:
            raise PriorError(
                f"{_one(y, np.finfo(float).max)} events in a time at risk of {n:g} cannot be."
            )
        marginal = gammaln(a + y) - gammaln(a) - gammaln(y + 1) + a * np.log(b / (b + n))
        return a + y, b + n, marginal + y * np.log(n / (b + n))

    def _moments(self) -> tuple[Floats, Floats]:
        """(component,) means and variances."""
        a, b = self.first, self.second
        if self.kind == BETA:
            mean = a / (a + b)
            return mean, mean * (1 - mean) / (a + b + 1)
        return (a, b**2) if self.kind == NORMAL else (a / b, a / b**2)


_PARTS: Final = ("weights", "first", "second")


def as_floats(values: ArrayLike, what: str = "Weights and parameters of a mixture") -> Floats:
    """Return values as an array of floats.

    Raises
    ------
    PriorError
        They are no numbers, or too large ones; the message begins with `what`.
    """
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise PriorError(f"{what} must be finite numbers.") from error


def one_number(value: object, what: str) -> float:
    """Return one number as a float; it may be infinite or NaN.

    Raises
    ------
    PriorError
        It is none, or several; the message begins with `what`.
    """
    found = as_floats(value, what)  # type: ignore[arg-type]
    if found.ndim:
        raise PriorError(f"{what} must be one number, not {found.size} in a row.")
    return float(found)


def _one(y: Floats, most: float) -> str:
    """One of the outcomes that cannot be; any of them, if none is to blame."""
    wrong = y[~((y >= 0) & (y <= most))]
    return f"{(wrong if wrong.size else y.ravel())[0]:g}"


def _frozen(kind: str, a: float, b: float) -> Any:
    if kind == BETA:
        return stats.beta(a, b)
    return stats.norm(a, b) if kind == NORMAL else stats.gamma(a, scale=1.0 / b)
