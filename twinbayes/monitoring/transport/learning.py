"""What a new place's counts say of its level, and how much they say for each draw of a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from scipy.special import logsumexp, xlogy

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import FitError
from twinbayes.monitoring.transport.levels import LevelPosterior
from twinbayes.monitoring.transport.prior import TransportPrior
from twinbayes.monitoring.transport.tally import Tally

LEVEL: Final = "level"
SLOPE: Final = "slope"
SHAPE: Final = "shape"
LEARNS: Final = (LEVEL, SLOPE, SHAPE)
"""What may be learnt of a new place, each beside the level."""


@dataclass(frozen=True)
class Taught:
    """What is learnt under each draw of the posterior that is kept.

    Attributes
    ----------
    level
        (draw, transition) log ratios of hazards.
    slope
        (draw,) what log hazard ratios are multiplied by; None where it is not learnt.
    shape
        (draw, transition, part) what is added to the level in a stretch of time; None likewise.
    """

    level: Floats
    slope: Floats | None = None
    shape: Floats | None = None


class Candidate(Protocol):
    """A model of how a new place differs from what a fit knows."""

    def log_evidence(self, tally: Tally) -> Floats:
        """(draw,) log marginal likelihood of counts under each draw, but for a constant."""

    def draw(self, tally: Tally, index: Ints, rng: np.random.Generator) -> Taught:
        """Draw what is learnt from its distribution given each of some draws of the fit."""


@dataclass(frozen=True)
class Level:
    """Each hazard has a level of its own, the same for all patients at all times.

    Attributes
    ----------
    prior
        What is thought of the place.
    like
        (draw, transition) or (1, 1) standard deviation of a place like those of the fit.
    """

    prior: TransportPrior
    like: Floats

    @property
    def log_shares(self) -> Floats:
        """Logs of the prior's shares of places like those of the fit, and unlike them."""
        with np.errstate(divide="ignore"):
            out: Floats = np.log([self.prior.agreement, 1.0 - self.prior.agreement])
        return out

    def taken(self, index: Ints | slice) -> Level:
        """The same for some draws."""
        return self if len(self.like) == 1 else replace(self, like=self.like[index])

    def sds(self, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """(draw, transition) standard deviations of both parts of the prior."""
        return np.broadcast_to(self.like, shape), np.full(shape, self.prior.unlike)

    def posterior(self, tally: Tally) -> LevelPosterior:
        """Levels given counts, (draw, transition)."""
        n = tally.observed.sum(axis=(0, 2, 3))
        expected = tally.expected.sum(axis=(1, 3, 4))
        return LevelPosterior.of(n, expected, self.sds(expected.shape), self.prior.agreement)

    def log_evidence(self, tally: Tally) -> Floats:
        """(draw,) log marginal likelihood of counts under each draw, but for a constant."""
        return where_they_happened(tally) + self.posterior(tally).log_evidence().sum(axis=1)

    def draw(self, tally: Tally, index: Ints, rng: np.random.Generator) -> Taught:
        """Draw levels from their distribution given each of some draws of the fit."""
        some = replace(tally, expected=tally.expected[index])
        return Taught(self.taken(index).posterior(some).draw(rng))


def where_they_happened(tally: Tally) -> Floats:
    """(draw,) sum over cells of n log E: how well draws say in which cells events happen."""
    out = xlogy(tally.observed, tally.expected).sum(axis=(1, 2, 3, 4))
    return np.asarray(out, dtype=np.float64)


def as_is(tally: Tally) -> Floats:
    """(draw,) log likelihood of counts with hazards as each draw has them."""
    out: Floats = where_they_happened(tally) - tally.expected.sum(axis=(1, 2, 3, 4))
    return out


def future_score(log_all: Floats, log_first: Floats) -> float:
    """Log probability of later counts, given the first ones: averages of evidence over draws."""
    return float(logsumexp(log_all) - logsumexp(log_first))


def require_possible(tally: Tally, transitions: tuple[str, ...]) -> None:
    """Refuse events that no draw of the fit gives a chance.

    Raises
    ------
    FitError
        Says which.
    """
    best = tally.expected.max(axis=0)
    impossible = ((tally.observed > 0.0) & ~(best > 0.0)).any(axis=(0, 2, 3))
    if impossible.any():
        which = ", ".join(transitions[k] for k in np.flatnonzero(impossible))
        raise FitError(
            f"transport: there are events of {which} where the fit gives them no chance at all. "
            "Check the days of these events, or refit with the new patients included."
        )
