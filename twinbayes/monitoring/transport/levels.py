"""The log ratio of a place's hazards to those of a fit, given counts: exact, one draw at a time.

Given a draw, n events of one transition are Poisson around E exp(l), where E is what the draw
expects. The prior of l is a mixture of normal distributions around 0, and so its posterior is a
mixture: of each component the log density

    n l - E exp(l) - l^2 / (2 sd^2)

is concave. Its mode is found by Newton's method, and its integral by the trapezoidal rule between
the points at which it has fallen by `_FALL` from there, wherever these are: far in the tail of the
prior if that is where the counts are. The integrand is analytic and falls off at both ends at
least as fast as a normal density, so that the rule errs by far less than what is left out.

Source: Schmidli et al. (2014), Biometrics 70, 1023-1032, for robust priors from other trials;
Trefethen & Weideman (2014), SIAM Review 56, 385-458, for the trapezoidal rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import logsumexp

from twinbayes.arrays import Floats

_FALL: Final = 34.0  # of the log density: e-34 of the mass is left out
_POINTS: Final = 97  # of the trapezoidal rule
_FINE: Final = 385  # of the distribution that levels are drawn from
_STEPS: Final = 200  # of Newton's method, at most; some ten are usual
_HALVINGS: Final = 18  # of the bracket of an end
_CLOSE: Final = 1e-12


def modes(n: Floats, expected: Floats, sd: Floats) -> Floats:
    """Mode of n l - E exp(l) - l^2 / (2 sd^2), by Newton's method from above.

    The derivative falls, and ever faster: from a point above its root every step goes down, and
    never below the root.
    """
    precision = sd**-2.0
    with np.errstate(divide="ignore"):
        above = np.where(n > expected, np.log(np.maximum(n, 1e-300)) - np.log(expected), 0.0)
    at: Floats = np.minimum(above, n * sd**2)
    for _ in range(_STEPS):
        grown = expected * np.exp(at)
        step = (n - grown - precision * at) / (grown + precision)
        at = at + step
        if np.max(np.abs(step), initial=0.0) < _CLOSE:
            break
    return at


def straight_quantile(start: Floats, step: Floats, density: Floats, share: Floats) -> Floats:
    """Quantiles of densities that are straight between the points of a grid.

    Parameters
    ----------
    start, step
        Of the grids.
    density
        (point, ...) densities, not normalised.
    share
        (...) probabilities.
    """
    within = 0.5 * (density[1:] + density[:-1])
    reached = np.cumsum(within, axis=0)
    wanted = share * reached[-1]
    k = np.minimum((reached < wanted).sum(axis=0), len(within) - 1)[None]

    def at(values: Floats, shift: int = 0) -> Floats:
        out: Floats = np.take_along_axis(values, k + shift, axis=0)[0]
        return out

    left, right = at(density), at(density, 1)
    rest = np.maximum(wanted - at(reached) + at(within), 0.0)
    # rest = left x + (right - left) x^2 / 2, solved without cancellation
    root = np.sqrt(np.maximum(left**2 + 2.0 * (right - left) * rest, 0.0))
    x = np.clip(2.0 * rest / np.maximum(left + root, 1e-300), 0.0, 1.0)
    out: Floats = start + (k[0] + x) * step
    return out


@dataclass(frozen=True)
class Component:
    """Posterior of a level under one normal prior, for arrays of counts and expectations.

    Attributes
    ----------
    n, expected, sd
        Events, expected events, and the standard deviation of the prior; arrays of one shape.
    mode, low, high
        Where the density is highest, and between what it is integrated.
    """

    n: Floats
    expected: Floats
    sd: Floats
    mode: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, n: Floats, expected: Floats, sd: Floats) -> Component:
        """Find mode and ends; shapes are broadcast."""
        n, expected, sd = (np.asarray(x, float) for x in np.broadcast_arrays(n, expected, sd))
        mode = modes(n, expected, sd)
        # The prior alone makes the density fall by `_FALL` within this.
        furthest = sd * np.sqrt(2.0 * _FALL)
        bare = cls(n, expected, sd, mode, mode, mode)
        ends = [bare._end(sign * furthest) for sign in (-1.0, 1.0)]
        return cls(n, expected, sd, mode, *ends)

    def _log_fall(self, away: Floats) -> Floats:
        """Log density at a distance from the mode, less that at the mode."""
        mode = self.mode
        with np.errstate(over="ignore", invalid="ignore"):
            grown = np.where(
                self.expected > 0.0, self.expected * np.exp(mode) * np.expm1(away), 0.0
            )
        out: Floats = self.n * away - grown - (mode * away + 0.5 * away**2) / self.sd**2
        return out

    def _end(self, furthest: Floats) -> Floats:
        """Where the log density has fallen by `_FALL`, to a thousandth or so, towards a side."""
        inside, outside = np.zeros_like(furthest), furthest
        for _ in range(_HALVINGS):
            middle = 0.5 * (inside + outside)
            too_far = self._log_fall(middle) < -_FALL
            outside = np.where(too_far, middle, outside)
            inside = np.where(too_far, inside, middle)
        return np.asarray(self.mode + outside)

    def _grid(self, points: int) -> tuple[Floats, Floats]:
        """(point, ...) levels, and log densities less that at the mode."""
        part = np.linspace(0.0, 1.0, points).reshape(-1, *[1] * self.mode.ndim)
        away = (self.low - self.mode) + part * (self.high - self.low)
        return self.mode + away, self._log_fall(away)

    def log_evidence(self) -> Floats:
        """Log of the integral over l of exp(n l - E exp(l)) times the prior."""
        _, log = self._grid(_POINTS)
        step = (self.high - self.low) / (_POINTS - 1)
        at_mode = self.n * self.mode - self.expected * np.exp(self.mode)
        at_mode = at_mode - 0.5 * (self.mode / self.sd) ** 2
        normal = np.log(self.sd) + 0.5 * np.log(2.0 * np.pi)
        out: Floats = at_mode - normal + np.log(np.exp(log).sum(axis=0) * step)
        return out

    def quantile(self, share: Floats) -> Floats:
        """The level below which a share of the posterior lies, by element."""
        _, log = self._grid(_FINE)
        step = (self.high - self.low) / (_FINE - 1)
        return straight_quantile(self.low, step, np.exp(log), share)


@dataclass(frozen=True)
class LevelPosterior:
    """Posterior of levels under a mixture of two normal priors.

    Attributes
    ----------
    like, unlike
        Posteriors under the two components.
    log_shares
        Logs of the prior's shares of the two.
    """

    like: Component
    unlike: Component
    log_shares: tuple[float, float]

    @classmethod
    def of(
        cls, n: Floats, expected: Floats, sds: tuple[Floats, Floats], agreement: float
    ) -> LevelPosterior:
        """Combine counts, expectations and a prior; shapes are broadcast.

        Parameters
        ----------
        n, expected
            Events, and those that the fit expects.
        sds
            Standard deviations of the two components: of a place like those that the fit knows,
            and of one unlike them.
        agreement
            Prior probability of the first.
        """
        with np.errstate(divide="ignore"):
            shares = float(np.log(agreement)), float(np.log1p(-agreement))
        like, unlike = (Component.of(n, expected, sd) for sd in sds)
        return cls(like, unlike, shares)

    def _log_parts(self) -> Floats:
        """(component, ...) log of share times evidence."""
        parts = zip(self.log_shares, (self.like, self.unlike), strict=True)
        return np.stack([share + part.log_evidence() for share, part in parts])

    def log_evidence(self) -> Floats:
        """Log of the integral over the level of exp(n l - E exp(l)) times the prior."""
        out: Floats = logsumexp(self._log_parts(), axis=0)
        return out

    @property
    def agreement(self) -> Floats:
        """Posterior probability that the place is like those that the fit knows."""
        parts = self._log_parts()
        out: Floats = np.exp(parts[0] - logsumexp(parts, axis=0))
        return out

    def draw(self, rng: np.random.Generator) -> Floats:
        """One level for each element."""
        shape = self.like.mode.shape
        is_like = rng.random(shape) < self.agreement
        share = rng.random(shape)
        return np.where(is_like, self.like.quantile(share), self.unlike.quantile(share))
