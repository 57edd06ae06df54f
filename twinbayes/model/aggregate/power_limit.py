"""The likelihood of a source as its large-sample limit, and the power prior that comes of it.

With the estimate m of maximum likelihood and the observed information I, the source says
``-1/2 (theta - m)' I (theta - m)``. To the power a, with a normal prior, it has a normalising
constant in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pytensor.tensor as pt
from scipy import linalg

from twinbayes.arrays import Floats
from twinbayes.errors import ModelError
from twinbayes.model.aggregate.likelihood import row_logp, row_slopes
from twinbayes.priors import PriorEntry
from twinbayes.tensors import Tensor

_STEPS: Final = 100
_DONE: Final = 1e-9


@dataclass(frozen=True, eq=False)
class NormalSource:
    """A source's likelihood as a normal one.

    Attributes
    ----------
    estimate
        (coefficient,) of maximum likelihood.
    information
        (coefficient, coefficient) negative Hessian there.
    """

    estimate: Floats
    information: Floats

    @classmethod
    def of(
        cls, outcome: str, design: Floats, first: Floats, second: Floats, *, unit: float
    ) -> Self:
        """Maximise the likelihood of the source's rows by Newton's method.

        Parameters
        ----------
        outcome, first, second, unit
            As in `row_likelihood`.
        design
            (row, coefficient).

        Raises
        ------
        ModelError
            There is no maximum: coefficients are not identified, or go to infinity.
        """
        theta = np.zeros(design.shape[1])
        columns = (first, second, unit)

        def value(at: Floats) -> float:
            return float(row_logp(outcome, design @ at, *columns).sum())

        for _ in range(_STEPS):
            slope, bend = row_slopes(outcome, design @ theta, *columns)
            information = (design.T * bend) @ design
            if not np.linalg.cond(information) < 1.0 / np.finfo(float).eps:
                break
            step = np.linalg.solve(information, slope @ design)
            now = value(theta)
            while np.max(np.abs(step)) > _DONE and not value(theta + step) >= now:
                step = 0.5 * step
            if np.max(np.abs(step)) <= _DONE:
                return cls(theta, information)
            theta = theta + step
        raise ModelError(
            "The source's data have no estimate of maximum likelihood: a covariate does not vary "
            "in them, or separates the outcomes. Use PowerPrior(asymptotic=False), or leave the "
            "covariate out."
        )

    def logp(self, theta: Tensor) -> Tensor:
        """Log-likelihood at coefficients (coefficient,), 0 at the estimate."""
        apart = theta - self.estimate
        value: Tensor = -0.5 * apart @ (pt.as_tensor(self.information) @ apart)
        return value

    def log_normaliser(self, power: Tensor, priors: Sequence[PriorEntry]) -> Tensor:
        """Log of the integral of the likelihood to a power times normal priors.

        Raises
        ------
        ModelError
            A prior is not normal.
        """
        mean, sd = normal_priors(priors)
        # in directions that diagonalise information and prior at once
        share, axes = linalg.eigh(self.information, np.diag(sd**-2.0))
        away = axes.T @ ((self.estimate - mean) * sd**-2.0)
        known = power * pt.as_tensor(share)
        value: Tensor = -0.5 * (pt.log1p(known) + away**2 * known / (1.0 + known)).sum()
        return value


def normal_priors(priors: Sequence[PriorEntry]) -> tuple[Floats, Floats]:
    """Means and standard deviations of normal priors, one a coefficient.

    Raises
    ------
    ModelError
        One is of another kind.
    """
    if any(entry.distribution != "Normal" for entry in priors):
        raise ModelError(
            "A power that is learnt needs Normal priors of 'effect_mean'. Override them."
        )
    return (
        np.array([entry.arguments["mu"] for entry in priors]),
        np.array([entry.arguments["sigma"] for entry in priors]),
    )
