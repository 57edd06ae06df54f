"""What sites release of their likelihood near a point, and the function that it stands for.

The log-likelihood of event histories is what the events say, which is linear in the coordinates
v, less the expected number of events. (Where covariates of those who had one are missing, their
conditional variances m add a term, m v^2 / 2 of each.) Of intensity e in window w of its baseline
the expected number is (of the patients of each subgroup, where they are kept apart)

    Lambda_ew(v) = sum over rows at risk r of  days_rw exp(z_r . v),

an average of exponentials, and is taken to be

    Lambda_ew(v) ~ L_ew exp(g_ew . x + x' C_e x / 2),        x = v - p.

This is exact for whatever all at risk have in common, such as the level of a hazard, and for
covariates that are normal among them, where a quadratic log-likelihood is wrong as soon as events
are few. L, g and C are such that value, slope and curvature are those of Lambda, on average over
x ~ N(0, S): sites return these averages, which they have in closed form. With S = 0 they are those
at the point; with S the posterior covariance no other L, g and C are nearer to Lambda where the
posterior is, up to third order. With averages a, a b and a (b b' + B),

    C = (I + B S)^-1 B,    g = (I - C S) b,    L = a |I - S C|^(1/2) exp(-g' M g / 2),
    M = (S^-1 - C)^-1 = S (I - C S)^-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.tensors import Tensor

_NOBODY: Final = 1e-9  # expected events, below which nobody is at risk


@dataclass(frozen=True)
class Expansion:
    """The likelihood of some patients near a point, averaged over a spread around it.

    Attributes
    ----------
    point
        (coordinate,) where it was taken.
    spread
        Of each intensity, (its coordinates, its coordinates) covariance of what is averaged over.
    value
        Log-likelihood.
    score
        (coordinate,) its gradient.
    expected
        (intensity, cell) expected numbers of events; cells are windows of the baseline, of all
        patients or of each subgroup in turn.
    moment
        (coordinate,) summed conditional variances of missing covariates at events.
    slope
        Of each intensity, (cell, its coordinates) derivatives of `expected`.
    information
        Of each intensity, (its coordinates, its coordinates) minus the curvature.
    """

    point: Floats
    spread: tuple[Floats, ...]
    value: float
    score: Floats
    expected: Floats
    moment: Floats
    slope: tuple[Floats, ...]
    information: tuple[Floats, ...]

    @classmethod
    def zero(
        cls, coordinates: Coordinates, point: Floats, spread: tuple[Floats, ...], n_cells: int
    ) -> Expansion:
        """Expansion of nobody's likelihood."""
        sizes = [len(m) for m in coordinates.members]
        return cls(
            point,
            spread,
            0.0,
            np.zeros(coordinates.size),
            np.zeros((len(sizes), n_cells)),
            np.zeros(coordinates.size),
            tuple(np.zeros((n_cells, k)) for k in sizes),
            tuple(np.zeros((k, k)) for k in sizes),
        )

    def packed(self) -> Floats:
        """All numbers but point and spread, one after the other; of symmetric matrices one half."""
        halves = [m[np.triu_indices(len(m))] for m in self.information]
        parts = [np.array([self.value]), self.score, self.expected.ravel(), self.moment]
        return np.concatenate([*parts, *(s.ravel() for s in self.slope), *halves])

    def unpacked(self, numbers: Floats) -> Expansion:
        """Undo `packed`; this one gives point, spread and sizes.

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
        return Expansion(
            self.point, self.spread, value, score, expected, moment, slope, tuple(information)
        )


@dataclass(frozen=True)
class Shape:
    """The function that stands for expected events of one intensity.

    Attributes
    ----------
    level, slope, curvature
        (cell,) L, (cell, coordinate) g and (coordinate, coordinate) C.
    """

    level: Floats
    slope: Floats
    curvature: Floats

    @classmethod
    def of(cls, expected: Floats, slope: Floats, information: Floats, spread: Floats) -> Shape:
        """Find L, g and C from averages over a spread."""
        n, some = len(spread), expected > _NOBODY
        mean = np.where(some[:, None], slope / np.maximum(expected[:, None], _NOBODY), 0.0)
        within = information - (mean.T * expected) @ mean
        within /= max(float(expected.sum()), _NOBODY)
        curvature = np.linalg.solve(np.eye(n) + within @ spread, within)
        curvature = 0.5 * (curvature + curvature.T)
        away = np.eye(n) - curvature @ spread
        own = mean @ away.T
        reach = spread @ np.linalg.inv(away)
        sign, log_size = np.linalg.slogdet(away)
        if sign <= 0.0:
            # No function of this form has these averages: take them as values at the point.
            return cls(np.where(some, expected, 0.0), mean, within)
        square = np.einsum("wd,wd->w", own @ reach, own)
        level = np.where(some, expected * np.exp(0.5 * log_size - 0.5 * square), 0.0)
        return cls(level, own, curvature)


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
    def shapes(self) -> tuple[Shape, ...]:
        """L, g and C of each intensity."""
        of = self.expansion
        return tuple(
            Shape.of(of.expected[e], of.slope[e], of.information[e] + np.diag(of.moment[own]), s)
            for e, (own, s) in enumerate(zip(self.coordinates.members, of.spread, strict=True))
        )

    def said_by_events(self, values: Floats) -> Floats:
        """(draw, intensity) what the events say at (draw, coordinate), less that at the point."""
        away = values - self.expansion.point
        each = away * self.events + 0.5 * away**2 * self.expansion.moment
        return np.stack([each[:, own].sum(axis=1) for own in self.coordinates.members], axis=1)

    def expected(self, values: Floats) -> Floats:
        """(draw, intensity) expected events at (draw, coordinate)."""
        away = values - self.expansion.point
        out = np.empty((len(values), len(self.coordinates.members)))
        for e, own in enumerate(self.coordinates.members):
            x, shape = away[:, own], self.shapes[e]
            square = 0.5 * np.einsum("sd,sd->s", x @ shape.curvature, x)
            out[:, e] = np.exp(x @ shape.slope.T + square[:, None]) @ shape.level
        return out

    def against(self, values: Floats, totals: Floats) -> tuple[Floats, Floats]:
        """By how much scores (draw, 1 + intensity) are higher, at (draw, coordinate).

        Returns
        -------
        tuple
            (draw,) in all, and (draw, intensity) of the expected events of each intensity.
        """
        each = self.expected(values) - totals[:, 1:]
        whole = totals[:, 0] + totals[:, 1:].sum(axis=1)
        return whole - self.said_by_events(values).sum(axis=1) + each.sum(axis=1), each

    def tensor(self, coordinates: Tensor) -> Tensor:
        """Log-likelihood at (coordinate,), up to a constant."""
        away = coordinates - self.expansion.point
        total = (away * self.events).sum() + 0.5 * (away**2 * self.expansion.moment).sum()
        for e, own in enumerate(self.coordinates.members):
            shape = self.shapes[e]
            some = shape.level > 0.0
            if not some.any():
                continue
            x = away[own]
            square = 0.5 * (x * (pt.as_tensor(shape.curvature) @ x)).sum()
            share = pt.exp(pt.as_tensor(shape.slope[some]) @ x + square)
            total = total - (share * shape.level[some]).sum()
        return pt.as_tensor(total)
