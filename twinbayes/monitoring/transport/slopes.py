"""A calibration slope beside the level: log hazard ratios of patients, multiplied by one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from twinbayes.arrays import Floats, Ints
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.monitoring.transport.learning import Level, Taught
from twinbayes.monitoring.transport.levels import straight_quantile
from twinbayes.monitoring.transport.tally import Tally

_NODES: Final = 9
_WIDE: Final = 5.0  # standard deviations of the prior, either way
_COARSE: Final = 41
_FINE: Final = 25
_PILOT: Final = 64  # draws by which it is found where slopes are
_FALL: Final = 20.0


@dataclass(frozen=True)
class Slope:
    """Hazards have levels, and log hazard ratios of patients one slope.

    What draws expect under a slope is known at Chebyshev points, between which the logarithm of
    it is a polynomial: it is smooth, being that of a sum of exponentials.

    Attributes
    ----------
    level
        The level given a slope.
    sd
        Of the slope's prior around 1.
    nodes
        (node,) slopes at which expectations are known.
    weights
        (node,) barycentric weights of these.
    expected
        (node, draw, block, transition, part, group), logarithms.
    """

    level: Level
    sd: float
    nodes: Floats
    weights: Floats
    expected: Floats

    @classmethod
    def of(cls, level: Level, sd: float, tally_at: Callable[[float], Tally]) -> Self:
        """Count what is expected under slopes within five standard deviations of 1."""
        k = np.arange(_NODES)
        nodes = 1.0 + _WIDE * sd * np.cos(np.pi * k / (_NODES - 1))
        weights = np.where(k % 2, -1.0, 1.0) * np.where((k == 0) | (k == _NODES - 1), 0.5, 1.0)
        every = [np.log(np.maximum(tally_at(float(b)).expected, 1e-300)) for b in nodes]
        return cls(level, sd, nodes, weights, np.stack(every))

    def over(self, block: slice | None, index: Ints | slice) -> Self:
        """The same of some blocks together, and of some draws."""
        some = self.expected[:, index]
        if block is not None:
            some = logsumexp(some[:, :, block], axis=2, keepdims=True)
        return replace(self, level=self.level.taken(index), expected=some)

    def _share(self, slope: Floats) -> Floats:
        """(..., node) weights of the nodes in the polynomial through them, at slopes."""
        away = slope[..., None] - self.nodes
        hit = np.abs(away) < 1e-12
        each = self.weights / np.where(hit, 1.0, away)
        each = np.where(hit.any(axis=-1, keepdims=True), hit.astype(float), each)
        out: Floats = each / each.sum(axis=-1, keepdims=True)
        return out

    def _tally(self, tally: Tally, slope: float) -> Tally:
        share = self._share(np.array(slope))
        return replace(tally, expected=np.exp(np.tensordot(share, self.expected, 1)))

    def _on(self, tally: Tally, grid: Floats) -> Floats:
        """(slope, draw) log of prior times evidence at slopes."""
        prior = norm.logpdf(grid, 1.0, self.sd)
        return np.stack([
            p + self.level.log_evidence(self._tally(tally, float(b)))
            for b, p in zip(grid, prior, strict=True)
        ])  # fmt: skip

    def _grid(self, tally: Tally) -> Floats:
        """Slopes between which all of the posterior is, of every draw."""
        n = self.expected.shape[1]
        pilot = self.over(None, evenly_spaced(n, min(n, _PILOT)))
        wide = np.linspace(self.nodes[-1], self.nodes[0], _COARSE)
        best = pilot._on(tally, wide).max(axis=1)
        near = np.flatnonzero(best > best.max() - _FALL)
        low, high = max(near[0] - 1, 0), min(near[-1] + 1, _COARSE - 1)
        return np.linspace(wide[low], wide[high], _FINE)

    def log_evidence(self, tally: Tally) -> Floats:
        """(draw,) log marginal likelihood of counts under each draw, but for a constant."""
        grid = self._grid(tally)
        out: Floats = logsumexp(self._on(tally, grid), axis=0) + np.log(grid[1] - grid[0])
        return out

    def draw(self, tally: Tally, index: Ints, rng: np.random.Generator) -> Taught:
        """Draw slopes, then levels, given each of some draws of the fit."""
        grid = self._grid(tally)
        log = self._on(tally, grid)
        density = np.exp(log - log.max(axis=0))[:, index]
        step = np.array(grid[1] - grid[0])
        slope = straight_quantile(grid[0], step, density, rng.random(len(index)))
        expected = np.exp(np.einsum("sn,ns...->s...", self._share(slope), self.expected[:, index]))
        found = self.level.taken(index)
        level = found.posterior(replace(tally, expected=expected)).draw(rng)
        return Taught(level, slope=slope)
