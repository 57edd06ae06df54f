"""The normalising constant of a power prior, as a smooth function of the power.

``log Z(a) = log of the integral over theta of L(theta)^a prior(theta)``, by importance sampling
around the mode at Chebyshev nodes of log(a + small), interpolated by a polynomial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pytensor.tensor as pt
from numpy.polynomial import chebyshev
from scipy import special, stats

from twinbayes.arrays import Floats
from twinbayes.model.aggregate.likelihood import row_logp, row_slopes
from twinbayes.model.aggregate.power_limit import normal_priors
from twinbayes.priors import PriorEntry
from twinbayes.tensors import Tensor

_SMALL: Final = 1e-4  # powers well below it count as 0
_DEGREE: Final = 24
_POINTS: Final = 2**12
_NEWTON: Final = 100
_TAIL_DF: Final = 5


@dataclass(frozen=True, eq=False)
class LogNormaliser:
    """log Z(a) on [0, 1] as a Chebyshev polynomial of log(a + small).

    Attributes
    ----------
    coefficients
        (degree + 1,) of the polynomial.
    """

    coefficients: Floats

    @classmethod
    def of(
        cls,
        outcome: str,
        design: Floats,
        first: Floats,
        second: Floats,
        *,
        unit: float,
        priors: Sequence[PriorEntry],
    ) -> LogNormaliser:
        """Integrate the likelihood of the source's rows over normal priors of its coefficients.

        Parameters
        ----------
        outcome, first, second, unit
            As in `row_likelihood`.
        design
            (row, coefficient).
        priors
            One a coefficient.

        Raises
        ------
        ModelError
            A prior is not normal.
        """
        mean, sd = normal_priors(priors)
        problem = _Problem(outcome, design, first, second, unit, mean, sd)
        powers = np.exp(_from_unit(chebyshev.chebpts1(_DEGREE + 1))) - _SMALL
        values = [problem.log_integral(float(a)) for a in powers]
        x = chebyshev.chebpts1(_DEGREE + 1)
        return cls(np.asarray(chebyshev.chebfit(x, values, _DEGREE), dtype=np.float64))

    def at(self, power: Tensor) -> Tensor:
        """Evaluate it at a power that is being sampled (Clenshaw's recurrence)."""
        x = _to_unit(pt.log(power + _SMALL))
        later: Any = 0.0
        last: Any = 0.0
        for c in self.coefficients[:0:-1]:
            later, last = c + 2.0 * x * later - last, later
        value: Tensor = self.coefficients[0] + x * later - last
        return value


@dataclass(frozen=True, eq=False)
class _Problem:
    outcome: str
    design: Floats
    first: Floats
    second: Floats
    unit: float
    mean: Floats
    sd: Floats

    @property
    def _columns(self) -> tuple[Floats, Floats, float]:
        return self.first, self.second, self.unit

    def log_integral(self, power: float) -> float:
        """log Z at one power."""
        mode, curvature = self._mode(power)
        root = np.linalg.cholesky(np.linalg.inv(curvature))
        points = stats.qmc.Sobol(len(mode) + 1, seed=0).random(_POINTS)
        points = np.clip(points, 1e-12, 1 - 1e-12)
        normal = special.ndtri(points[:, :-1])
        spread = np.sqrt(stats.chi2.ppf(points[:, -1], _TAIL_DF) / _TAIL_DF)
        theta = mode + (normal / spread[:, None]) @ root.T
        proposal = stats.multivariate_t(mode, root @ root.T, _TAIL_DF)
        log_weight = self._log_target(theta, power) - proposal.logpdf(theta)
        return float(special.logsumexp(log_weight) - np.log(_POINTS))

    def _log_target(self, theta: Floats, power: float) -> Floats:
        eta = theta @ self.design.T
        z = (theta - self.mean) / self.sd
        prior = -0.5 * z**2 - np.log(self.sd) - 0.5 * np.log(2 * np.pi)
        value: Floats = power * row_logp(self.outcome, eta, *self._columns).sum(
            axis=-1
        ) + prior.sum(axis=-1)
        return value

    def _mode(self, power: float) -> tuple[Floats, Floats]:
        """Mode of the powered posterior and the negative Hessian there; it is concave."""
        theta = self.mean.copy()
        value = self._log_target(theta, power)
        for _ in range(_NEWTON):
            slope, bend = row_slopes(self.outcome, self.design @ theta, *self._columns)
            gradient = power * slope @ self.design - (theta - self.mean) / self.sd**2
            curvature = power * (self.design.T * bend) @ self.design + np.diag(self.sd**-2.0)
            step = np.linalg.solve(curvature, gradient)
            while self._log_target(theta + step, power) < value - 1e-12:
                step = 0.5 * step
            theta = theta + step
            value = self._log_target(theta, power)
            if np.max(np.abs(step)) < 1e-10:
                break
        return theta, curvature


_LOW: Final = float(np.log(_SMALL))
_HIGH: Final = float(np.log(1.0 + _SMALL))


def _to_unit(log_power: Any) -> Any:
    return (2.0 * log_power - _LOW - _HIGH) / (_HIGH - _LOW)


def _from_unit(x: Floats) -> Floats:
    return np.asarray(0.5 * (_LOW + _HIGH + x * (_HIGH - _LOW)))
