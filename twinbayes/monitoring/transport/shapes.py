"""A shape beside the level: hazards that differ more in one stretch of time than in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import logsumexp

from twinbayes.arrays import Floats, Ints
from twinbayes.monitoring.transport.learning import Level, Taught, where_they_happened
from twinbayes.monitoring.transport.levels import Component, modes, straight_quantile
from twinbayes.monitoring.transport.tally import Tally

_COARSE: Final = 25
_ROUNDS: Final = 3
_FINE: Final = 41
_HERMITE: Final = 15
_FALL: Final = 30.0
_FAR: Final = 8.0


@dataclass(frozen=True)
class Shape:
    """Log ratios of stretches of time are normal around the level of their transition.

    Given a draw of the fit and a level, stretches are independent, and each is integrated around
    its mode (Gauss-Hermite); what is left is a log-concave function of the level, whose maximum
    and width are found by narrowing a grid.

    Attributes
    ----------
    level
        Prior of the level.
    sd
        Of the log ratio of each stretch to the level.
    """

    level: Level
    sd: float

    def log_evidence(self, tally: Tally) -> Floats:
        """(draw,) log marginal likelihood of counts under each draw, but for a constant."""
        n, expected = _by_part(tally)
        like, unlike = self.level.sds(expected.shape[:2])
        parts = np.stack([self._component(n, expected, sd)[0] for sd in (like, unlike)])
        parts = parts + self.level.log_shares[:, None, None]
        out: Floats = where_they_happened(tally) + logsumexp(parts, axis=0).sum(axis=1)
        return out

    def draw(self, tally: Tally, index: Ints, rng: np.random.Generator) -> Taught:
        """Draw levels, then stretches, given each of some draws of the fit."""
        n, expected = _by_part(tally)
        expected = expected[index]
        found = self.level.taken(index)
        logs, levels = [], []
        for sd in found.sds(expected.shape[:2]):
            log, at, start, step = self._component(n, expected, sd)
            logs.append(log)
            levels.append(straight_quantile(start, step, at, rng.random(log.shape)))
        with np.errstate(invalid="ignore"):
            odds = np.stack(logs) + self.level.log_shares[:, None, None]
        is_like = rng.random(odds[0].shape) < np.exp(odds[0] - logsumexp(odds, axis=0))
        level = np.where(is_like, *levels)
        there = expected * np.exp(level)[..., None]
        sds = np.full(there.shape, self.sd)
        away = Component.of(np.broadcast_to(n, there.shape), there, sds)
        return Taught(level, shape=away.quantile(rng.random(there.shape)))

    def _component(
        self, n: Floats, expected: Floats, sd: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Log evidence (draw, transition) under one normal prior of the level, and its grid.

        With it (point, draw, transition) densities, and starts and steps of their grids.
        """
        both = np.sqrt(sd**2 + self.sd**2)
        whole = Component.of(n.sum(axis=-1), expected.sum(axis=-1), both)
        low = np.maximum(-_FAR * sd, whole.low - _FAR * self.sd)
        high = np.minimum(_FAR * sd, whole.high + _FAR * self.sd)
        # Far in the tail of a narrow prior, what is left of the two may be the wrong way round.
        low, high = np.minimum(low, high), np.maximum(low, high)
        for _ in range(_ROUNDS):
            grid, step, log = self._on(n, expected, sd, low, high, _COARSE)
            near = log > log.max(axis=0) - _FALL
            first, last = near.argmax(axis=0), _COARSE - 1 - near[::-1].argmax(axis=0)
            low, high = low + step * (first - 1), low + step * (last + 1)
        grid, step, log = self._on(n, expected, sd, low, high, _FINE)
        top = log.max(axis=0)
        density = np.exp(log - top)
        return top + np.log(density.sum(axis=0) * step), density, grid[0], step

    def _on(
        self, n: Floats, expected: Floats, sd: Floats, low: Floats, high: Floats, points: int
    ) -> tuple[Floats, Floats, Floats]:
        """Levels (point, draw, transition), their step, and log density there."""
        step = (high - low) / (points - 1)
        grid = low + step * np.arange(points)[:, None, None]
        log = -0.5 * (grid / sd) ** 2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)
        for p in range(n.shape[-1]):
            there = expected[..., p] * np.exp(grid)
            log = log + n[..., p] * grid + _around_mode(n[..., p], there, self.sd)
        return grid, step, log


def _around_mode(n: Floats, expected: Floats, sd: float) -> Floats:
    """Log of the integral of exp(n d - E exp(d)) under d ~ normal(0, sd)."""
    n = np.broadcast_to(n, expected.shape)
    mode = modes(n, expected, np.full(expected.shape, sd))
    width = 1.0 / np.sqrt(expected * np.exp(mode) + sd**-2.0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE)
    total = np.zeros_like(expected)
    at_mode = n * mode - expected * np.exp(mode) - 0.5 * (mode / sd) ** 2
    for x, w in zip(nodes, weights, strict=True):
        d = mode + width * x
        log = n * d - expected * np.exp(d) - 0.5 * (d / sd) ** 2
        total += w * np.exp(log - at_mode + 0.5 * x**2)
    out: Floats = at_mode + np.log(total * width / (sd * np.sqrt(2.0 * np.pi)))
    return out


def _by_part(tally: Tally) -> tuple[Floats, Floats]:
    """(transition, part) events, and (draw, transition, part) expected ones."""
    return tally.observed.sum(axis=(0, 3)), tally.expected.sum(axis=(1, 4))
