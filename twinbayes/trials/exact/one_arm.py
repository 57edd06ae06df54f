"""Exact operating characteristics of a trial with one arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import elementwise
from scipy.special import ndtr

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.mixture import BETA, Mixture
from twinbayes.showing import brief
from twinbayes.trials.exact.arm import Arm, require_parts
from twinbayes.trials.exact.decisions import ABOVE, Condition, Decision
from twinbayes.trials.exact.difference import Posteriors

_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Success:
    """Outcomes that mean success: those from `low` to `high`.

    Attributes
    ----------
    low, high
        Counts, both included; or means between which, both excluded. `low` above `high` where no
        outcome means success.

    Examples
    --------
    >>> flat = Mixture.of("beta", [(1.0, 1.0, 1.0)])
    >>> trial = OneArmTrial(Arm(flat, 20), Decision.when(above(0.2, 0.95)))
    >>> trial.boundary().low
    7.0
    """

    low: float
    high: float

    @property
    def possible(self) -> bool:
        """Whether any outcome means success."""
        return self.low <= self.high


@brief
@dataclass(frozen=True, slots=True)
class OneArmTrial:
    """A trial with one arm, and what will be called its success.

    Attributes
    ----------
    arm
        Prior of the analysis, and size.
    decision
        On the parameter itself.

    Examples
    --------
    >>> prior = Mixture.of("beta", [(1.0, 1.0, 1.0)])
    >>> trial = OneArmTrial(Arm(prior, 20), Decision.when(above(0.2, 0.95)))
    >>> trial.boundary().low
    7.0
    """

    arm: Arm
    decision: Decision

    def __post_init__(self) -> None:
        require_parts(self.decision, self.arm)

    def boundary(self) -> Success:
        """Return the outcomes that mean success.

        More responders, events, or a larger mean always make larger parameters more probable,
        whatever the prior: each condition holds from some outcome on, or up to one.
        """
        arm = self.arm
        if not arm.counts and not arm.size:
            never = Success(np.inf, -np.inf)
            return Success(-np.inf, np.inf) if self.decision.holds(arm.prior) else never
        find = self._counts if arm.counts else self._means
        parts = [find(condition) for condition in self.decision.conditions]
        return Success(max(p.low for p in parts), min(p.high for p in parts))

    def power(self, truth: ArrayLike) -> Floats:
        """Probability of success if this were true, shaped as `truth`.

        With a value of no effect it is the type-I error.

        Raises
        ------
        PriorError
            A value that the parameter cannot have.
        """
        arm, at = self.arm, self.arm.truths(truth)
        where = self.boundary()
        if not where.possible:
            return np.zeros(at.shape)
        if not arm.counts:
            if not arm.size:
                return np.ones(at.shape)
            upper = ndtr((where.high - at) / arm.standard_error)
            return np.asarray(upper - ndtr((where.low - at) / arm.standard_error))
        counts = (
            stats.binom(int(arm.size), at)
            if arm.prior.kind == BETA
            else stats.poisson(arm.size * at)
        )
        if np.isinf(where.high):
            return np.asarray(counts.sf(where.low - 1))
        return np.asarray(counts.cdf(where.high) - counts.cdf(where.low - 1))

    def success_probability(self, belief: Mixture | None = None) -> float:
        """Probability of success under a belief about the truth: the power, averaged over it.

        Of a trial that has begun (`after`), with its own prior as belief, it is the predictive
        probability of success; with another belief before the trial, its assurance.

        Parameters
        ----------
        belief
            Default: the prior of the analysis.

        Source: O'Hagan, Stevens & Campbell (2005), Pharmaceutical Statistics 4, 187-201.
        """
        arm, where = self.arm, self.boundary()
        belief = arm.believed(belief)
        if not where.possible:
            return 0.0
        if not arm.size:
            return 1.0
        if not arm.counts:
            spread = np.hypot(belief.second, arm.standard_error)
            inside = ndtr((where.high - belief.first) / spread)
            inside -= ndtr((where.low - belief.first) / spread)
            return float(belief.weights @ inside)
        if np.isinf(where.high):
            return 1.0 - self._predicted(belief, 0, int(where.low) - 1)
        return self._predicted(belief, int(where.low), int(where.high))

    def after(self, observed: float, size: float) -> Self:
        """The rest of the trial after an interim look.

        Parameters
        ----------
        observed, size
            As in `Arm.after`.
        """
        return replace(self, arm=self.arm.after(observed, size))

    def _predicted(self, belief: Mixture, low: int, high: int) -> float:
        if high < low:
            return 0.0
        return float(np.exp(belief.log_marginals(np.arange(low, high + 1), self.arm.size)).sum())

    def _above(self, outcome: Floats, value: float) -> Floats:
        """(outcome,) posterior probability of more than `value`."""
        arm = self.arm
        if not arm.size:
            return Posteriors.of(arm.prior).above(value)
        size = arm.size if arm.counts else arm.standard_error
        return Posteriors(arm.prior.kind, *arm.prior.posteriors(outcome, size)).above(value)

    def _counts(self, condition: Condition) -> Success:
        """Counts under which a condition holds."""

        def holds(count: int) -> bool:
            found = self._above(np.array([float(count)]), condition.value)
            return condition.of(float(found[0]))

        binomial = self.arm.prior.kind == BETA
        end = float(self.arm.size) if binomial or not self.arm.size else np.inf
        turn = _turn(holds, end, when=condition.side == ABOVE)
        if condition.side == ABOVE:
            return Success(turn, end) if turn <= end else Success(np.inf, -np.inf)
        return Success(0.0, min(turn - 1.0, end))

    def _means(self, condition: Condition) -> Success:
        """Means under which a condition holds."""
        wanted = condition.probability if condition.side == ABOVE else 1.0 - condition.probability
        found = roots(
            lambda mean, _: self._above(mean, condition.value) - wanted,
            np.array([condition.value]),
            self.arm.standard_error,
        )
        turn = float(found[0])
        return Success(turn, np.inf) if condition.side == ABOVE else Success(-np.inf, turn)


def _turn(holds: Callable[[int], bool], end: float, *, when: bool) -> float:
    """First count at which `holds` is `when`, as it is from there on; infinite if there is none."""
    low, high = -1, 1
    while high < end and holds(high) != when:
        low, high = high, 2 * high
        if high > 2**_DOUBLINGS:
            return np.inf
    if high >= end:
        high = int(end)
        if holds(high) != when:
            return np.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) == when else (middle, high)
    return float(high)


def roots(rising: Callable[[Floats, Ints], Floats], start: Floats, scale: float) -> Floats:
    """(point,) where rising functions are 0, each its own.

    Parameters
    ----------
    rising
        Values at (some,) arguments of (some,) functions, which are numbered.
    start, scale
        Where to look first, and how far from there at first.
    """
    which = np.arange(len(start))
    low, high, reach = start - scale, start + scale, scale
    for _ in range(_DOUBLINGS):
        too_high, too_low = rising(low, which) > 0, rising(high, which) < 0
        if not (too_high.any() or too_low.any()):
            return np.asarray(elementwise.find_root(rising, (low, high), args=(which,)).x)
        reach *= 2
        low, high = np.where(too_high, low - reach, low), np.where(too_low, high + reach, high)
    raise PriorError("No outcome reaches the probability of a condition. Look at the priors.")
