"""One arm of a trial: the prior that analyses it, and how many patients it will have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from twinbayes.arrays import Floats, is_number
from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.mixture import BETA, NORMAL, Mixture, as_floats
from twinbayes.trials.exact.decisions import Decision
from twinbayes.trials.exact.difference import Posteriors, require_mixture, require_same_kind

MOST: Final = 20_000  # events of an arm that are told apart
_TAIL: Final = 1e-10  # probability of more events than are looked at


def require_parts(decision: object, *arms: object) -> None:
    """Refuse a trial of what are no arms, or of no decision.

    Raises
    ------
    PriorError
        Naming what is asked for.
    """
    if not all(isinstance(arm, Arm) for arm in arms):
        raise PriorError("A trial is of arms: make them by Arm(prior, size).")
    if not isinstance(decision, Decision):
        raise PriorError("A trial needs a decision: make it by Decision.when(above(...)).")


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm: what is believed of it, and how much will be seen.

    Attributes
    ----------
    prior
        Of the analysis. A normal one needs its `reference_sd`, the known standard deviation of
        one patient.
    size
        Patients; of a gamma prior, time at risk. 0 for an arm of which nothing is yet to come.

    Examples
    --------
    >>> arm = Arm(Mixture.of("beta", [(1.0, 1.0, 1.0)]), 20)
    >>> arm.size
    20
    """

    prior: Mixture
    size: float

    def __post_init__(self) -> None:
        require_mixture(self.prior)
        if not (is_number(self.size) and self.size >= 0):
            raise PriorError(f"An arm of size {self.size!r}: give 0 or more patients or time.")
        if self.prior.kind == BETA and self.size != int(self.size):
            raise PriorError(f"An arm of {self.size:g} patients: give a whole number.")
        if self.prior.kind == NORMAL and self.prior.reference_sd is None:
            raise PriorError(
                "An arm with a normal prior needs the standard deviation of one patient: give the "
                "mixture its reference_sd."
            )

    @property
    def counts(self) -> bool:
        """Whether outcomes are counted: responders, or events."""
        return self.prior.kind != NORMAL

    @property
    def standard_error(self) -> float:
        """Of the mean of a normal outcome; infinite without patients."""
        return float(self.prior.reference_sd or 1.0) / np.sqrt(self.size) if self.size else np.inf

    def after(self, observed: float, size: float) -> Self:
        """The arm that is left after an interim look.

        Parameters
        ----------
        observed, size
            Responders among so many patients; the mean of so many; events in so much time.
        """
        if not is_number(size) or not 0 < size <= self.size:
            raise PriorError(
                f"{str(size)[:30]} seen in an arm of {self.size:g}: give more than 0, and not "
                "more than the arm has."
            )
        seen = replace(self, size=size)
        error = seen.standard_error if self.prior.kind == NORMAL else size
        return replace(self, prior=self.prior.after(observed, error), size=self.size - size)

    def believed(self, belief: Mixture | None) -> Mixture:
        """The belief about the truth; the prior of the analysis, if none is given."""
        if belief is None:
            return self.prior
        require_same_kind(self.prior, belief)
        return belief

    def truths(self, values: ArrayLike) -> Floats:
        """Values that the parameter may truly have, checked."""
        out = as_floats(values, "True values of an arm")
        low, high = self.prior.support
        if not np.all((out >= low) & (out <= high) & np.isfinite(out)):
            raise PriorError(f"True values of a {self.prior.kind} arm lie in [{low:g}, {high:g}].")
        return out

    def posteriors(self, counts: ArrayLike) -> Posteriors:
        """Posterior after each count, which rise by 1; a single one without patients."""
        prior = self.prior
        if self.size == 0:
            return Posteriors.of(prior)
        return Posteriors(prior.kind, *prior.posteriors(counts, self.size))

    def chance(self, truth: Floats, most: int) -> Floats:
        """(truth, count) probability of each count from 0 to `most`."""
        y = np.arange(most + 1)
        if self.prior.kind == BETA:
            return np.asarray(stats.binom.pmf(y, self.size, truth[:, None]))
        return np.asarray(stats.poisson.pmf(y, self.size * truth[:, None]))

    def chance_between(self, truth: Floats, low: Floats, high: Floats) -> Floats:
        """(truth, bounds) probability of counts from `low` to `high`, which may be infinite."""
        at = truth[:, None]
        binomial = self.prior.kind == BETA
        counts = stats.binom(int(self.size), at) if binomial else stats.poisson(self.size * at)
        below = counts.cdf(high) if np.isfinite(high).any() else 1.0
        return np.asarray(np.where(high < low, 0.0, below - counts.cdf(low - 1.0)))

    def predicted(self, belief: Mixture, most: int) -> Floats:
        """(count,) probability of each count from 0 to `most` under a belief."""
        if self.size == 0:
            nothing: Floats = np.eye(1, most + 1)[0]
            return nothing
        chance: Floats = np.exp(belief.log_marginals(np.arange(most + 1), self.size))
        return chance

    def predicted_between(self, belief: Mixture, low: Floats, high: Floats) -> Floats:
        """(bounds,) probability of counts from `low` to `high` under a belief."""
        ends = [x[np.isfinite(x)] for x in (low - 1.0, high)]
        most = int(max(e.max(initial=0.0) for e in ends))
        sums = np.concatenate([[0.0], np.cumsum(self.predicted(belief, most)), [1.0]])
        first, last = (
            np.where(np.isfinite(x), np.clip(x + 1, 0, most + 1), most + 2).astype(int)
            for x in (low - 1.0, high)
        )
        return np.asarray(np.where(high < low, 0.0, sums[last] - sums[np.minimum(first, last)]))

    def most_under(self, truth: Floats) -> int:
        """Largest count worth looking at, if these are the true values."""
        if self.prior.kind == BETA or self.size == 0:
            return int(self.size)
        found = float(np.max(stats.poisson.isf(_TAIL, self.size * truth), initial=0.0))
        return self._affordable(found)

    def most_under_belief(self, belief: Mixture) -> int:
        """Largest count worth looking at under a belief."""
        if self.prior.kind == BETA or self.size == 0:
            return int(self.size)
        share = belief.second / (belief.second + self.size)
        counted = belief.weights > _TAIL
        tail = stats.nbinom.isf(_TAIL, belief.first[counted], share[counted])
        return self._affordable(float(np.max(tail)))

    def _affordable(self, most: float) -> int:
        if not most <= MOST:
            raise PriorError(
                f"{most:g} events may be seen in an arm, and more than {MOST} are not told apart. "
                "Use a normal mixture of the log rate, or a belief that is less vague."
            )
        return int(most)
