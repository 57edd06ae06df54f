"""What stands for a likelihood of which sites tell values alone: a quadratic function.

Where patients have effects of their own, a site integrates them out and returns log-likelihoods at
points that are asked for. They are on the affine space that the model's coordinates can reach, in
directions along which they are about independent of each other. The quadratic function through
them, or nearest to them, is the next one's place, and stands for the likelihood in the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pytensor.tensor as pt
from scipy.linalg import cho_factor, cho_solve

from twinbayes.arrays import Floats
from twinbayes.errors import FederationError
from twinbayes.tensors import Tensor

_REACH = 1e-7  # of a direction's spread, over the widest: less is rounding
_FEW = 1.2  # points a number of the quadratic function, below which it is pulled to the last one
_PULL = 1e-3
_HALVINGS = 50  # in search of the power of weights
_LEAST = 1e-14  # of the largest eigenvalue: smaller ones are rounding, and may be below 0


@dataclass(frozen=True)
class Directions:
    """A place among the coordinates, and directions to go from it.

    Attributes
    ----------
    centre
        (coordinate,)
    along
        (coordinate, direction) one unit of each direction.
    """

    centre: Floats = field(repr=False)
    along: Floats = field(repr=False)

    @classmethod
    def spanned_by(cls, values: Floats, centre: Floats) -> tuple[Directions, Floats]:
        """Find the affine space that coordinates (draw, coordinate) lie in.

        Returns
        -------
        tuple
            `centre`, put into that space, with directions in units of the coordinates' spread;
            and (direction,) the spread along each.
        """
        mean = np.median(values, axis=0)
        unit = _spread(values)
        unit[unit == 0.0] = 1.0
        away = (values - mean) / unit
        _, size, rows = np.linalg.svd(away, full_matrices=False)
        axes = rows[size > _REACH * size.max()]
        inside = axes.T @ (axes @ ((centre - mean) / unit))
        return cls(mean + unit * inside, unit[:, None] * axes.T), _spread(away @ axes.T)

    @classmethod
    def among(cls, values: Floats, weights: Floats | None = None) -> Directions:
        """Take the mean of coordinates (draw, coordinate), and their principal axes, in sd.

        Weights (draw,) add up to 1; default: all the same.
        """
        by = np.full(len(values), 1.0 / len(values)) if weights is None else weights
        same = np.ptp(values, axis=0) == 0.0
        mean = np.where(same, values[0], by @ values)
        unit = np.where(same, 1.0, np.sqrt(by @ (values - mean) ** 2))
        unit[unit == 0.0] = 1.0
        away = (values - mean) / unit
        size, axes = np.linalg.eigh((away.T * by) @ away)
        some = size > _REACH * size.max()
        return cls(mean, unit[:, None] * axes[:, some] * np.sqrt(size[some]))

    @property
    def size(self) -> int:
        """Number of directions."""
        return int(self.along.shape[1])

    @property
    def numbers(self) -> int:
        """Numbers of a quadratic function in them."""
        return 1 + self.size + self.size * (self.size + 1) // 2

    @cached_property
    def inverse(self) -> Floats:
        """(direction, coordinate) from a place to its distance from the centre."""
        out: Floats = np.linalg.pinv(self.along)
        return out

    def inward(self, values: Floats) -> Floats:
        """(draw, direction) of coordinates (draw, coordinate)."""
        return np.asarray((values - self.centre) @ self.inverse.T)

    def outward(self, u: Floats) -> Floats:
        """(draw, coordinate) of (draw, direction)."""
        return np.asarray(self.centre + u @ self.along.T)

    def stencil(self, step: float) -> Floats:
        """(point, coordinate) points that a quadratic function goes through, one for each number.

        The centre, `step` to both sides in each direction, and in each two directions.
        """
        n = self.size
        one = step * np.eye(n)
        pairs = [one[i] + one[j] for i in range(n) for j in range(i)]
        return self.outward(np.vstack([np.zeros((1, n)), one, -one, *pairs]))


@dataclass(frozen=True)
class Quadratic:
    """A log-likelihood as a quadratic function.

    Attributes
    ----------
    directions
        In which it is written.
    value, slope, curvature
        At the centre: a number, (direction,) and (direction, direction).
    """

    directions: Directions
    value: float
    slope: Floats = field(repr=False)
    curvature: Floats = field(repr=False)

    @classmethod
    def through(
        cls,
        directions: Directions,
        values: Floats,
        totals: Floats,
        before: Quadratic | None = None,
        weights: Floats | None = None,
    ) -> Quadratic:
        """Find the function nearest to log-likelihoods (draw,) at coordinates (draw, coordinate).

        Where there are hardly as many as it has numbers, it stays near the one `before`. Those
        that are not finite are left out; others count by their weights (draw,), default the same.

        Raises
        ------
        FederationError
            Half of them are not finite.
        """
        known = np.isfinite(totals)
        n = directions.size
        size = directions.numbers
        if known.sum() < 0.5 * min(size, len(totals)):
            raise FederationError(
                f"Sites have no likelihood at {int((~known).sum())} of {len(totals)} places that "
                "they were asked for. Look for a basis too rich for the visits, or priors that "
                "allow what no patient can have."
            )
        by = np.ones(len(totals)) if weights is None else weights
        values, totals, by = values[known], totals[known], by[known]
        by = by / by.mean()
        u = directions.inward(values)
        first, second = np.tril_indices(n)
        pull = 0.0
        left = totals.copy()
        if before is not None and effective_number(by) < _FEW * size:
            left, pull = left - before.at(values), _PULL * len(left)
        middle = float(np.median(left))
        columns = np.column_stack([np.ones(len(u)), u, u[:, first] * u[:, second]])
        columns *= np.sqrt(by)[:, None]
        # A product that is 0 at all places, but for rounding, is known of by none of them.
        far = np.abs(u).max(axis=0)
        most = np.concatenate([[1.0], far, far[first] * far[second]])
        scale = np.sqrt((columns**2).mean(axis=0))
        scale = np.maximum(np.where(scale > _REACH * most, scale, most), 1e-300)
        columns /= scale
        aims = np.sqrt(by) * (left - middle)
        if pull:
            known_by = columns.T @ columns + pull * np.eye(size)
            found = cho_solve(cho_factor(known_by), columns.T @ aims)
        else:
            found = np.linalg.lstsq(columns, aims, rcond=None)[0]
        found /= scale
        curvature = np.zeros((n, n))
        curvature[first, second] = found[1 + n :]
        out = cls(directions, middle + found[0], found[1 : 1 + n], curvature + curvature.T)
        if not pull or before is None:
            return out
        return out.added(before)

    def added(self, other: Quadratic) -> Quadratic:
        """The sum with another function, in the directions of this one."""
        to = other.directions
        start = to.inward(self.directions.centre[None])[0]
        turn = np.asarray(to.inverse @ self.directions.along)
        slope = other.slope + other.curvature @ start
        value = other.value + other.slope @ start + 0.5 * start @ other.curvature @ start
        return Quadratic(
            self.directions,
            self.value + float(value),
            self.slope + turn.T @ slope,
            self.curvature + turn.T @ other.curvature @ turn,
        )

    def at(self, values: Floats) -> Floats:
        """(draw,) at coordinates (draw, coordinate)."""
        u = self.directions.inward(values)
        out: Floats = (
            self.value + u @ self.slope + 0.5 * np.einsum("di,di->d", u @ self.curvature, u)
        )
        return out

    @cached_property
    def information(self) -> Floats:
        """(direction, direction) minus the curvature, where that is not below 0."""
        values, axes = np.linalg.eigh(-self.curvature)
        out: Floats = (axes * np.maximum(values, 0.0)) @ axes.T
        return out

    def concave(self) -> Quadratic:
        """The same, straight in the directions in which it would rise without an end."""
        return Quadratic(self.directions, self.value, self.slope, -self.information)

    def folded(self) -> Quadratic:
        """The same, bent the other way as much in the directions in which it is not concave.

        As `mode` takes it, so that draws stay about where that leads.
        """
        values, axes = np.linalg.eigh(self.curvature)
        curvature = -(axes * np.abs(values)) @ axes.T
        return Quadratic(self.directions, self.value, self.slope, curvature)

    def narrowed(self, around: Directions, precision: float) -> Quadratic:
        """The same, lower by half the squared distance times a precision, in some directions."""
        n = around.size
        return Quadratic(around, 0.0, np.zeros(n), -precision * np.eye(n)).added(self)

    def tensor(self, coordinates: Tensor) -> Tensor:
        """At (coordinate,), up to a constant."""
        inward = pt.as_tensor(self.directions.inverse)
        u = inward @ (coordinates - self.directions.centre)
        total = (u * self.slope).sum() + 0.5 * (u * (pt.as_tensor(self.curvature) @ u)).sum()
        return pt.as_tensor(total)

    def against(self, values: Floats, totals: Floats) -> tuple[Floats, None]:
        """(draw,) by how much log-likelihoods (draw, 1) are higher; of parts nothing is known."""
        return totals[:, 0] - self.at(values), None

    def mode(self, start: Floats, precision: Floats, longest: float) -> tuple[Directions, float]:
        """Go to the mode under a rough prior, and take directions of about one sd from there.

        Where the function rises ever steeper it is taken to bend the other way as much, so that
        the step leads upwards and is none too long (Dauphin et al. 2014, arXiv:1406.2572).

        Parameters
        ----------
        start
            (coordinate,) mean of the prior.
        precision
            (direction, direction) of the prior.
        longest
            The step, in the prior's standard deviations.

        Returns
        -------
        tuple
            The place; and how far it is from the present one, the largest step in any direction in
            the posterior's standard deviations.
        """
        away = self.directions.inward(start[None])[0]
        bend, axes = np.linalg.eigh(self.curvature)
        known = (axes * np.abs(bend)) @ axes.T + precision
        values, axes = np.linalg.eigh(known)
        size = np.sqrt(np.maximum(values, max(_LEAST * values.max(initial=0.0), 1e-300)))
        step = axes @ (axes.T @ (self.slope + precision @ away) / size**2)
        length = float(np.sqrt(max(step @ precision @ step, 0.0)))
        step *= min(1.0, longest / max(length, 1e-300))
        sd = axes / size
        far = float(np.abs(size * (axes.T @ step)).max(initial=0.0))
        centre = self.directions.outward(step[None])[0]
        return Directions(centre, self.directions.along @ sd), far


def effective_number(weights: Floats) -> float:
    """How many draws that count the same tell as much as draws with weights (draw,)."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def tempered_weights(log_ratio: Floats, least: float) -> Floats:
    """Importance weights (draw,), to the largest power up to 1 at which enough draws count.

    A function nearest to a likelihood is to be near where the posterior is. Draws far from there
    are many where the last function was poor, and would decide alone without weights; with
    weights that are too uneven, too few would.

    Parameters
    ----------
    log_ratio
        (draw,) by how much the log-likelihood is higher than what draws were made by; minus
        infinity where there is none.
    least
        Draws that count, at least; half of those with a likelihood if that is less.

    Returns
    -------
    ndarray
        They add up to 1.
    """
    known = np.isfinite(log_ratio)
    away = np.where(known, log_ratio, -np.inf) - np.max(log_ratio[known])
    least = min(least, 0.5 * float(known.sum()))

    def at(power: float) -> Floats:
        raised = np.exp(power * np.where(known, away, 0.0)) * known
        return np.asarray(raised / raised.sum())

    low, high = 0.0, 1.0
    if effective_number(at(high)) >= least:
        return at(high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective_number(at(middle)) >= least else (low, middle)
    return at(low)


def _spread(values: Floats) -> Floats:
    """(column,) half of what the middle two thirds of draws (draw, column) differ by.

    Their standard deviation, where these do not differ.
    """
    away = np.abs(values - np.median(values, axis=0))
    middle = np.quantile(away, 0.68, axis=0)
    out: Floats = np.where(middle > 0.0, middle, values.std(axis=0))
    return out
