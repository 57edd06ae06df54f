"""Decision rules: a trial succeeds if posterior probabilities are high enough.

In a trial with one arm conditions are on its parameter; with two, on treatment minus control.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from twinbayes.arrays import is_number
from twinbayes.errors import PriorError, require_known
from twinbayes.priors.mixtures.mixture import Mixture
from twinbayes.trials.exact.difference import difference_above, require_mixture

ABOVE, BELOW = "above", "below"
SIDES: Final = (ABOVE, BELOW)
TIE: Final = 1e-10  # a probability that exceeds the one asked for by no more does not exceed it


@dataclass(frozen=True, slots=True)
class Condition:
    """The parameter, or difference, is above or below a value with more than some probability.

    Attributes
    ----------
    side
        ``above`` or ``below``.
    value
        In units of the parameter.
    probability
        Which the posterior probability must exceed, between 0 and 1.

    Raises
    ------
    OptionError, PriorError
        An unknown side, or a value or probability that cannot be.

    Examples
    --------
    >>> above(0.2, 0.95).side
    'above'
    """

    side: str
    value: float
    probability: float

    def __post_init__(self) -> None:
        require_known(self.side, SIDES, "side of a condition")
        if not is_number(self.value):
            raise PriorError(f"A condition needs a number to compare with, not {self.value!r}.")
        if not is_number(self.probability) or not 0.0 < self.probability < 1.0:
            raise PriorError(
                f"The probability of a condition is {self.probability!r}, not between 0 and 1."
            )

    def of(self, probability_above: float) -> bool:
        """Whether it holds, given the posterior probability of more than `value`."""
        return bool(self.met(np.asarray(probability_above)))

    def met(self, probability_above: np.ndarray) -> np.ndarray:
        """Whether it holds, for each posterior probability of more than `value`."""
        sure = probability_above if self.side == ABOVE else 1.0 - probability_above
        return np.asarray(sure > self.probability + TIE)


def above(value: float, probability: float) -> Condition:
    """More than `value`, with more than this posterior probability.

    Examples
    --------
    >>> Decision.when(above(0.2, 0.95)).holds(Mixture.of("beta", [(1.0, 15.0, 15.0)]))
    True
    """
    return Condition(ABOVE, value, probability)


def below(value: float, probability: float) -> Condition:
    """Less than `value`, with more than this posterior probability.

    Examples
    --------
    >>> Decision.when(below(0.2, 0.95)).holds(Mixture.of("beta", [(1.0, 15.0, 15.0)]))
    False
    """
    return Condition(BELOW, value, probability)


@dataclass(frozen=True, slots=True)
class Decision:
    """Success if every condition holds.

    Attributes
    ----------
    conditions
        One or more. Several serve double criteria: ``above(0.0, 0.95)`` for significance and
        ``above(0.15, 0.5)`` for relevance (Neuenschwander et al. 2011, Statistics in Medicine 30,
        1618-1627).

    Examples
    --------
    >>> both = Decision.when(above(0.2, 0.95), above(0.3, 0.5))
    >>> both.holds(Mixture.of("beta", [(1.0, 15.0, 15.0)]))
    True
    """

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        given: object = self.conditions  # what arrives may be anything
        object.__setattr__(self, "conditions", tuple(given) if isinstance(given, Iterable) else ())
        if not self.conditions or not all(isinstance(c, Condition) for c in self.conditions):
            raise PriorError("A decision needs conditions: make them by above(...) or below(...).")

    @classmethod
    def when(cls, *conditions: Condition) -> Self:
        """Success when all of these hold."""
        return cls(conditions)

    def holds(self, posterior: Mixture) -> bool:
        """Whether one arm's posterior means success."""
        require_mixture(posterior)
        return all(c.of(1.0 - float(posterior.cdf(c.value))) for c in self.conditions)

    def holds_between(self, treatment: Mixture, control: Mixture) -> bool:
        """Whether the posteriors of two arms mean success."""
        return all(c.of(difference_above(treatment, control, c.value)) for c in self.conditions)
