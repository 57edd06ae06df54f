"""How coefficients with a learnt scale are sampled, by what the data tell of each.

A coefficient c ~ N(mean, scale²) of which the data say c ~ N(estimate, 1 / information) has, at any
scale, a normal posterior of known mean m and standard deviation v. It is sampled as (c - m) / v.
This is close to standard normal and independent of the scale whatever the scale is, where both the
usual choices (the coefficient itself, and the coefficient in units of its scale) trap or slow the
sampler in one case or another. Papaspiliopoulos, Roberts and Sköld (2007,
doi:10.1214/088342307000000014) have the theory, with m and v at one scale. The model is the same
for any estimate: a rough one costs time alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

from twinbayes.arrays import Bools, Floats
from twinbayes.tensors import Tensor

_STEPS: Final = 50  # of Newton's method: a step is at most 1, and quadratic near the end


@dataclass(frozen=True)
class Told:
    """Rough estimates of coefficients from the data alone, before anything is sampled.

    Attributes
    ----------
    estimate
        Estimates, shape (row, coefficient); of a log hazard ratio or the like.
    information
        Inverse variances of the estimates; 0 where the data tell nothing.
    """

    estimate: Floats
    information: Floats

    @classmethod
    def by_counts(cls, events: Floats, expected: Floats) -> Self:
        """Estimate log hazard ratios from numbers of events, and of those to be expected.

        A normal approximation where the posterior under the prior N(0, 1) has its mode: no events
        among many expected tell something too.
        """
        mode = np.zeros(np.shape(events))
        for _ in range(_STEPS):
            hazard = expected * np.exp(mode)
            step = (events - hazard - mode) / (hazard + 1.0)
            mode = mode + np.clip(step, -1.0, 1.0)
        information = expected * np.exp(mode)
        more = np.divide(mode, information, out=np.zeros_like(mode), where=information > 0.0)
        return cls(mode + more, information)

    @classmethod
    def nothing(cls, *shape: int) -> Self:
        """Of coefficients of which the data tell nothing."""
        return cls(np.zeros(shape), np.zeros(shape))

    def take(self, rows: Sequence[int]) -> Told:
        """Return what is told of some of the rows."""
        index = list(rows)
        return Told(self.estimate[index], self.information[index])

    def width(self, scale: Tensor) -> Tensor:
        """Standard deviation of each coefficient given the data, at a scale that broadcasts."""
        wide: Tensor = scale / pt.sqrt(1.0 + self.information * scale**2)
        return wide

    def deviations(
        self,
        name: str,
        scale: Tensor,
        dims: tuple[str, str],
        *,
        mean: Tensor | float = 0.0,
        nu: float | None = None,
        as_they_are: Bools | None = None,
    ) -> Tensor:
        """Add coefficients to the model that is being built; return how they differ from the mean.

        Parameters
        ----------
        name
            Of the variable that is sampled.
        scale
            Standard deviation, or scale of the Student's t; broadcasts to (row, coefficient).
        dims
            Of the variable.
        mean
            Of the coefficients.
        nu
            Degrees of freedom; None for a normal distribution.
        as_they_are
            Rows, (row, 1), that are sampled as deviations whatever the data tell, and in units of
            the scale where False.
        """
        of: dict[str, Any] = {"mu": 0.0, "sigma": 1.0, "dims": dims}
        width, shift = scale, None
        if as_they_are is not None:
            width = pt.where(pt.as_tensor(as_they_are), 1.0, scale)
            of["sigma"] = scale / width
        elif self.information.any():
            width = self.width(scale)
            shift = (self.estimate - mean) * self.information * width
            of |= {"mu": -shift, "sigma": scale / width}
        z = (
            pm.Normal(name, **of)
            if nu is None
            else pm.StudentT(name, nu=nu, default_transform=ShortTails(), **of)
        )
        deviation: Tensor = width * (z if shift is None else z + shift)
        return deviation


class ShortTails(Transform):  # type: ignore[misc]
    """A number z as y, z = 2 sinh(y / 2): the same near 0, and long tails are as exponential ones.

    In tails that fall by a power a sampler goes far away, and takes long to come back.
    """

    name = "short_tails"
    ndim_supp = 0

    def forward(self, value: Tensor, *_: Any) -> Tensor:
        """Return y."""
        size = pt.log(abs(value) / 2.0 + pt.sqrt(value**2 / 4.0 + 1.0))
        y: Tensor = 2.0 * pt.sign(value) * size
        return y

    def backward(self, value: Tensor, *_: Any) -> Tensor:
        """Return z."""
        z: Tensor = pt.exp(value / 2.0) - pt.exp(-value / 2.0)
        return z

    def log_jac_det(self, value: Tensor, *_: Any) -> Tensor:
        """Log of cosh(y / 2)."""
        size = abs(value)
        log_slope: Tensor = size / 2.0 + pt.log1p(pt.exp(-size)) - np.log(2.0)
        return log_slope


@dataclass(frozen=True)
class ToldTogether:
    """Rough estimates of coefficients that the data tell together.

    Attributes
    ----------
    information, score
        Of the data about each row of coefficients, (row, coefficient, coefficient), and that times
        the estimates, (row, coefficient).
    """

    information: Floats
    score: Floats

    @classmethod
    def of(cls, told: Told) -> Self:
        """Of coefficients that the data tell one by one."""
        n = told.information.shape[1]
        return cls(told.information[:, :, None] * np.eye(n), told.information * told.estimate)

    def one_by_one(self) -> Told:
        """What is told of each, whatever the others are, if all are N(0, 1) before."""
        n = self.information.shape[1]
        covariance = np.linalg.inv(self.information + np.eye(n))
        mode = (covariance @ self.score[:, :, None])[:, :, 0]
        known = 1.0 / np.diagonal(covariance, axis1=1, axis2=2)
        return _told(known - 1.0, known * mode)

    def along_axes(self, within: Floats) -> tuple[Floats, Told]:
        """Axes of a space along which the data tell of coefficients independently.

        Parameters
        ----------
        within
            Orthonormal basis of the space, (coefficient, axis): coefficients that are independent
            normal with one scale are so along any axes of it.

        Returns
        -------
        axes, told
            (row, coefficient, axis), and what is told along them.
        """
        known, turned = np.linalg.eigh(within.T @ self.information @ within)
        axes = within @ turned
        along = (np.swapaxes(axes, 1, 2) @ self.score[:, :, None])[:, :, 0]
        return axes, _told(known, along)


def plane_of_sum_zero(n: int) -> Floats:
    """Orthonormal basis, (n, n - 1), of the coefficients that sum to zero."""
    return np.linalg.svd(np.ones((1, n)))[2][1:].T


def turned(axes: Floats, along: Tensor) -> Tensor:
    """Coefficients, (row, coefficient), of what they are along axes, (row, axis)."""
    rows: Tensor = pt.stack([pt.as_tensor(own) @ along[k] for k, own in enumerate(axes)])
    return rows


def _told(information: Floats, score: Floats) -> Told:
    largest = information.max(axis=1, keepdims=True, initial=0.0)
    some = information > 1e-9 * np.maximum(largest, 1.0)
    estimate = np.divide(score, information, out=np.zeros(score.shape), where=some)
    return Told(estimate, np.where(some, information, 0.0))
