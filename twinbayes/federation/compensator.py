"""What sites release of their likelihood at a point, and the function that it stands for.

The log-likelihood of event histories is what the events say, which is linear in the coordinates
v, less the expected number of events. (Where covariates of those who had one are missing, their
conditional variances m add a term, m v^2 / 2 of each.) Of intensity e in window w of its baseline that number is

    Lambda_ew(v) = sum over rows at risk r of  days_rw exp(z_r . v),

an average of exponentials. Its logarithm, expanded to second order in v - p, has as slope the mean
of z over who is at risk, and as curvature its covariance:

    Lambda_ew(v) ~ Lambda_ew(p) exp(g_ew . (v - p) + (v - p)' C_e (v - p) / 2).

At p this has value, gradient and curvature of the log-likelihood. Away from it, it is exact for
whatever all at risk have in common, such as the level of a hazard, and for covariates that are
normal among them, where a quadratic log-likelihood is wrong as soon as events are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation.coordinates import Coordinates
from twinbayes.tensors import Tensor

_NOBODY: Final = 1e-9  # expected events, below which nobody is at risk


@dataclass(frozen=True)
class Expansion:
    """The likelihood of some patients near a point.

    Attributes
    ----------
    point
        (coordinate,) where it was taken.
    value
        Log-likelihood.
    score
        (coordinate,) its gradient.
    expected
        (intensity, window) expected numbers of events.
    moment
        (coordinate,) summed conditional variances of missing covariates at events.
    slope
        Of each intensity, (window, its coordinates) derivatives of `expected`.
    information
        Of each intensity, (its coordinates, its coordinates) minus the curvature.
    """

    point: Floats
    value: float
    score: Floats
    expected: Floats
    moment: Floats
    slope: tuple[Floats, ...]
    information: tuple[Floats, ...]

    @classmethod
    def zero(cls, coordinates: Coordinates, point: Floats, n_windows: int) -> Expansion:
        """Expansion of nobody's likelihood."""
        sizes = [len(m) for m in coordinates.members]
        return cls(
            point,
            0.0,
            np.zeros(coordinates.size),
            np.zeros((len(sizes), n_windows)),
            np.zeros(coordinates.size),
            tuple(np.zeros((n_windows, k)) for k in sizes),
            tuple(np.zeros((k, k)) for k in sizes),
        )

    def packed(self) -> Floats:
        """All numbers but the point, one after the other; of symmetric matrices one half."""
        halves = [m[np.triu_indices(len(m))] for m in self.information]
        parts = [np.array([self.value]), self.score, self.expected.ravel(), self.moment]
        return np.concatenate([*parts, *(s.ravel() for s in self.slope), *halves])

    def unpacked(self, numbers: Floats) -> Expansion:
        """Undo `packed`; this one gives the point and the sizes.

        Raises
        ------
        FederationError
            There are more numbers than that, or fewer.
        """
        if len(numbers) != len(self.packed()):
            raise FederationError(
                f"An answer has {len(numbers)} numbers where {len(self.packed())} are due: it is "
                "of another model. Begin the study again with one disease file everywhere."
            )
        at = 0

        def take(n: int) -> Floats:
            nonlocal at
            at += n
            return numbers[at - n : at]

        value, score = float(take(1)[0]), take(len(self.score))
        expected = take(self.expected.size).reshape(self.expected.shape)
        moment = take(len(self.moment))
        slope = tuple(take(s.size).reshape(s.shape) for s in self.slope)
        information = []
        for own in self.information:
            rows, columns = np.triu_indices(len(own))
            full = np.zeros_like(own)
            full[rows, columns] = take(len(rows))
            information.append(full + np.triu(full, 1).T)
        return Expansion(self.point, value, score, expected, moment, slope, tuple(information))


@dataclass(frozen=True)
class Factor:
    """The function of the coordinates that an expansion stands for."""

    coordinates: Coordinates
    expansion: Expansion

    @cached_property
    def events(self) -> Floats:
        """(coordinate,) gradient of what the events say."""
        out = self.expansion.score.copy()
        for own, slope in zip(self.coordinates.members, self.expansion.slope, strict=True):
            out[own] += slope.sum(axis=0)
        return out

    @cached_property
    def means(self) -> tuple[Floats, ...]:
        """Of each intensity, (window, coordinate) slopes of the log of expected events."""
        return tuple(
            np.where(total[:, None] > _NOBODY, slope / np.maximum(total[:, None], _NOBODY), 0.0)
            for total, slope in zip(self.expansion.expected, self.expansion.slope, strict=True)
        )

    @cached_property
    def covariances(self) -> tuple[Floats, ...]:
        """Of each intensity, (coordinate, coordinate) curvature of that logarithm."""
        out = []
        moment = self.expansion.moment
        for own, total, mean, information in zip(
            self.coordinates.members,
            self.expansion.expected,
            self.means,
            self.expansion.information,
            strict=True,
        ):
            within = information + np.diag(moment[own]) - (mean.T * total) @ mean
            out.append(within / max(float(total.sum()), _NOBODY))
        return tuple(out)

    def said_by_events(self, values: Floats) -> Floats:
        """(draw, intensity) what the events say at (draw, coordinate), and said at the point 0."""
        away = values - self.expansion.point
        each = away * self.events + 0.5 * away**2 * self.expansion.moment
        return np.stack([each[:, own].sum(axis=1) for own in self.coordinates.members], axis=1)

    def expected(self, values: Floats) -> Floats:
        """(draw, intensity) expected events at (draw, coordinate)."""
        away = values - self.expansion.point
        out = np.empty((len(values), len(self.coordinates.members)))
        for e, own in enumerate(self.coordinates.members):
            x = away[:, own]
            square = 0.5 * np.einsum("sd,sd->s", x @ self.covariances[e], x)
            out[:, e] = np.exp(x @ self.means[e].T + square[:, None]) @ self.expansion.expected[e]
        return out

    def tensor(self, coordinates: Tensor) -> Tensor:
        """Log-likelihood at (coordinate,), up to a constant."""
        away = coordinates - self.expansion.point
        total = (away * self.events).sum() + 0.5 * (away**2 * self.expansion.moment).sum()
        for e, own in enumerate(self.coordinates.members):
            some = self.expansion.expected[e] > _NOBODY
            if not some.any():
                continue
            x = away[own]
            square = 0.5 * (x * (pt.as_tensor(self.covariances[e]) @ x)).sum()
            share = pt.exp(pt.as_tensor(self.means[e][some]) @ x + square)
            total = total - (share * self.expansion.expected[e][some]).sum()
        return total
