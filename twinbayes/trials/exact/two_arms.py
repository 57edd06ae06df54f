"""Exact operating characteristics of a trial with two arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import PriorError
from twinbayes.priors.mixtures.mixture import BETA, NORMAL, Mixture, as_floats
from twinbayes.showing import brief
from twinbayes.trials.exact.arm import MOST, Arm, require_parts
from twinbayes.trials.exact.count_boundaries import count_turns
from twinbayes.trials.exact.decisions import ABOVE, Condition, Decision
from twinbayes.trials.exact.difference import Posteriors, require_same_kind
from twinbayes.trials.exact.one_arm import roots

_STEP: Final = 0.25  # between control means, in standard errors: the rule is exact for a normal
_REACH: Final = 9.0  # standard errors to either side
_NODES: Final = 50_000


@brief
@dataclass(frozen=True)
class TwoArmTrial:
    """A trial of treatment against control, and what will be called its success.

    Attributes
    ----------
    treatment, control
        Priors of the analysis, of one kind, and sizes.
    decision
        On treatment minus control.

    Examples
    --------
    >>> flat = Mixture.of("beta", [(1.0, 1.0, 1.0)])
    >>> trial = TwoArmTrial(Arm(flat, 20), Arm(flat, 20), Decision.when(above(0.0, 0.95)))
    >>> round(float(trial.power(0.6, 0.2)), 3)
    0.823
    """

    treatment: Arm
    control: Arm
    decision: Decision

    def __post_init__(self) -> None:
        require_parts(self.decision, self.treatment, self.control)
        require_same_kind(self.treatment.prior, self.control.prior)
        if not self.treatment.counts and not self.treatment.size:
            raise PriorError("Nothing is yet to come in the treatment arm: give it patients.")

    def boundary(self, control: ArrayLike) -> tuple[Floats, Floats]:
        """Return the outcomes of treatment that mean success, given those of control.

        Parameters
        ----------
        control
            Responders, events, or means of the control arm.

        Returns
        -------
        tuple
            Lowest and highest outcome, each shaped as `control`: counts, both included, or means
            between which, both excluded. NaN where none means success. The probability that
            treatment is larger rises with its own outcome and falls with that of control,
            whatever the priors, so that nothing between the two is left out.

        Raises
        ------
        PriorError
            An outcome that cannot be.
        """
        seen = as_floats(control, "Outcomes of the control arm")
        if not np.all(np.isfinite(seen)):
            raise PriorError("Outcomes of the control arm must be finite numbers.")
        flat = seen.ravel()
        low, high = self._counted(flat) if self.treatment.counts else self._means(flat)
        never = low > high
        low, high = np.where(never, np.nan, low), np.where(never, np.nan, high)
        return low.reshape(seen.shape), high.reshape(seen.shape)

    def power(self, treatment: ArrayLike, control: ArrayLike) -> Floats:
        """Probability of success if these were true, shaped as both together.

        Raises
        ------
        PriorError
            A value that a parameter cannot have.
        """
        first, second = np.broadcast_arrays(
            self.treatment.truths(treatment), self.control.truths(control)
        )
        at, to = first.ravel(), second.ravel()
        if self.treatment.counts:
            low, high = self._limits(self.control.most_under(to))
            theirs = self.control.chance(to, len(low) - 1)
            out = (theirs * self.treatment.chance_between(at, low, high)).sum(axis=1)
        else:
            known = [(_exactly(a), _exactly(c)) for a, c in zip(at, to, strict=True)]
            out = self._averaged(known) if known else np.zeros(0)
        return np.asarray(np.clip(out, 0.0, 1.0).reshape(first.shape))

    def type_one_error(self, truth: ArrayLike) -> Floats:
        """Probability of success if both arms truly had this value, shaped as `truth`."""
        return self.power(truth, truth)

    def success_probability(
        self, treatment: Mixture | None = None, control: Mixture | None = None
    ) -> float:
        """Probability of success under beliefs about the truth, independent of each other.

        Of a trial that has begun (`after`), with its own priors as beliefs, it is the predictive
        probability of success; with other beliefs before the trial, its assurance.

        Parameters
        ----------
        treatment, control
            Default: the priors of the analysis.
        """
        mine, theirs = self.treatment.believed(treatment), self.control.believed(control)
        if self.treatment.counts:
            low, high = self._limits(self.control.most_under_belief(theirs))
            total = self.treatment.predicted_between(mine, low, high) @ self.control.predicted(
                theirs, len(low) - 1
            )
        else:
            total = self._averaged([(mine, theirs)])[0]
        return float(np.clip(total, 0.0, 1.0))

    def after(
        self,
        *,
        treatment: tuple[float, float] | None = None,
        control: tuple[float, float] | None = None,
    ) -> Self:
        """The rest of the trial after an interim look.

        Parameters
        ----------
        treatment, control
            What was seen, and in how many, as in `Arm.after`; None: nothing yet.

        Raises
        ------
        PriorError
            Data that cannot be.
        """
        for seen in (treatment, control):
            found: object = seen  # what arrives may be anything
            if found is not None and not (isinstance(found, tuple | list) and len(found) == 2):
                raise PriorError("What was seen in an arm is two numbers: (observed, size).")
        return replace(
            self,
            treatment=self.treatment if treatment is None else self.treatment.after(*treatment),
            control=self.control if control is None else self.control.after(*control),
        )

    @cached_property
    def _found(self) -> dict[int, tuple[Floats, Floats]]:
        return {}

    def _limits(self, n: int) -> tuple[Floats, Floats]:
        """Lowest and highest count of treatment that means success, for 0 to `n` of control."""
        if n not in self._found:
            binomial = self.treatment.prior.kind == BETA or not self.treatment.size
            most = self.treatment.size if binomial else np.inf
            low, high = np.zeros(n + 1), np.full(n + 1, most)
            for condition in self.decision.conditions:
                turn = count_turns(self.treatment, self.control, condition, n, most)
                if condition.side == ABOVE:
                    low = np.maximum(low, turn)
                else:
                    high = np.minimum(high, turn - 1.0)
            self._found[n] = low, high
        return self._found[n]

    def _counted(self, control: Floats) -> tuple[Floats, Floats]:
        """Lowest and highest count of treatment that means success, for some of control."""
        column = control.astype(int)
        endless = self.control.prior.kind != BETA and self.control.size > 0
        most = MOST if endless else self.control.size
        if np.any(column != control) or np.any((column < 0) | (column > most)):
            raise PriorError(f"Outcomes of the control arm are whole numbers from 0 to {most:g}.")
        low, high = self._limits(int(column.max(initial=0)) if endless else int(most))
        return low[column], high[column]

    def _means(self, control: Floats) -> tuple[Floats, Floats]:
        """Means of treatment between which success lies, for each mean of control."""
        low, high = np.full(len(control), -np.inf), np.full(len(control), np.inf)
        prior, size = self.control.prior, self.control.size
        second = (
            Posteriors(prior.kind, *prior.posteriors(control, self.control.standard_error))
            if size
            else Posteriors(prior.kind, *(np.tile(p, (len(control), 1)) for p in _parts(prior)))
        )
        for condition in self.decision.conditions:
            turn = self._turns(
                condition, second, control if size else np.full(len(control), prior.mean)
            )
            if condition.side == ABOVE:
                low = np.maximum(low, turn)
            else:
                high = np.minimum(high, turn)
        return low, high

    def _turns(self, condition: Condition, second: Posteriors, start: Floats) -> Floats:
        """Means of treatment at which a condition begins, or ceases, to hold."""
        wanted = condition.probability if condition.side == ABOVE else 1.0 - condition.probability
        prior, error = self.treatment.prior, self.treatment.standard_error
        w2, m2, v2 = second.weights, second.first, second.second**2

        def rising(mean: Floats, which: Ints) -> Floats:
            w1, m1, s1 = (p[:, :, None] for p in prior.posteriors(mean, error))
            gap = m1 - m2[which][:, None, :] - condition.value
            each = ndtr(gap / np.sqrt(s1**2 + v2[which][:, None, :]))
            return np.asarray((w1 * w2[which][:, None, :] * each).sum(axis=(1, 2))) - wanted

        return roots(rising, start + condition.value, error)

    def _averaged(self, cases: Sequence[tuple[Mixture, Mixture]]) -> Floats:
        """(case,) probability of success under beliefs of treatment and control, both normal."""
        mine, theirs = self.treatment.standard_error, self.control.standard_error
        if not self.control.size:
            low, high = self._means(np.zeros(1))
            return np.array([_between(low, high, belief, mine)[0] for belief, _ in cases])
        spread = np.array([_REACH * np.hypot(b.second, theirs).max() for _, b in cases])
        first = min(float(b.first.min()) - r for (_, b), r in zip(cases, spread, strict=True))
        last = max(float(b.first.max()) + r for (_, b), r in zip(cases, spread, strict=True))
        n = int((last - first) / (_STEP * min(mine, theirs))) + 2
        if n > _NODES:
            if len(cases) > 1:
                half = len(cases) // 2
                return np.concatenate([self._averaged(cases[:half]), self._averaged(cases[half:])])
            raise PriorError(
                "A belief about the control arm is so vague, beside the standard error of a mean, "
                "that it cannot be averaged over. Give a tighter one."
            )
        seen, step = np.linspace(first, last, n, retstep=True)
        low, high = self._means(seen)
        return np.array(
            [
                step * _predicted(seen, control, theirs) @ _between(low, high, treatment, mine)
                for treatment, control in cases
            ]
        )


def _exactly(value: float) -> Mixture:
    """A belief that is certain, but for rounding."""
    return Mixture.of(NORMAL, [(1.0, float(value), np.finfo(float).tiny)])


def _parts(mixture: Mixture) -> tuple[Floats, Floats, Floats]:
    return mixture.weights, mixture.first, mixture.second


def _predicted(mean: Floats, belief: Mixture, error: float) -> Floats:
    """(mean,) density of the mean of an arm under a belief."""
    spread = np.hypot(belief.second, error)
    z = (mean[:, None] - belief.first) / spread
    return np.asarray(np.exp(-0.5 * z**2) @ (belief.weights / (spread * np.sqrt(2 * np.pi))))


def _between(low: Floats, high: Floats, belief: Mixture, error: float) -> Floats:
    """(bounds,) probability of a mean between two bounds under a belief."""
    spread = np.hypot(belief.second, error)
    inside = ndtr((high[:, None] - belief.first) / spread)
    inside -= ndtr((low[:, None] - belief.first) / spread)
    return np.asarray(np.maximum(inside, 0.0) @ belief.weights)
