"""The frailty of one patient, every draw: what a record to the landmark says of it.

Given a draw of the population, the density of b is in proportion to

    exp(sum over events of f_e b - sum_e H_e exp(f_e b) - b^2 / 2),

with the patient's events and cumulative hazards H up to the landmark, and nothing later. A draw of
b is the quantile of that density at a number that is the patient's own: the same at every landmark
and in every scenario, so that contrasts and updates are of one and the same patient. Those of all
draws are evenly spread, in an order of the patient's own, so that a mean over draws has little
error of chance, and means over patients have independent ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.machine.jit import jit
from twinbayes.model.events.likelihood.frailty import integrate, mode_of

_N_POINTS: Final = 400  # of a grid on which a density is inverted
_LEFT, _RIGHT = 20.0, 9.0  # of it, in standard deviations at the mode: no tail is heavier
_FARTHEST: Final = 8.0  # sd of the frailty
_jit = jit(nogil=True)


@dataclass(frozen=True)
class HazardRecord:
    """The course of one patient up to the landmark, as hazards see it.

    Attributes
    ----------
    at_events
        (draw,) sum of the log hazards at the patient's events.
    fired
        (intensity,) number of events.
    cumulative
        (intensity, draw) cumulative hazards. All at the mean of a frailty.
    """

    at_events: Floats
    fired: Floats
    cumulative: Floats

    def loglik(self, frailty: Floats) -> Floats:
        """(draw,) log-likelihood; the frailty, (intensity, draw) or of no rows, integrated out."""
        if not len(frailty):
            out: Floats = self.at_events - self.cumulative.sum(axis=0)
            return out
        value = np.empty(len(self.at_events))
        _log_integrals(self.fired, self.cumulative, frailty, value)
        return self.at_events + value

    def drawn_frailty(self, frailty: Floats, seed: int) -> Floats:
        """(draw,) the patient's frailty given this record, in standard deviations.

        Parameters
        ----------
        frailty
            (intensity, draw).
        seed
            Of the patient alone: of two patients who are alike otherwise, two numbers.
        """
        n = len(self.at_events)
        at = (np.random.default_rng([seed, 1]).permutation(n) + 0.5) / n
        out = np.empty(n)
        _draw(self.fired, self.cumulative, frailty, at, out)
        return out


@_jit
def _log_integrals(fired: Any, cumulative: Any, frailty: Any, out: Any) -> None:
    factor, slope = np.empty(len(fired)), np.empty(len(fired))
    for s in range(len(out)):
        hazard, effect = cumulative[:, s].copy(), frailty[:, s].copy()
        out[s] = integrate(fired, hazard, effect, factor, slope)


@_jit
def _draw(fired: Any, cumulative: Any, frailty: Any, at: Any, out: Any) -> None:
    """Fill `out` with the quantiles `at`; the density is linear between points of a grid."""
    density = np.empty(_N_POINTS)
    for s in range(len(out)):
        hazard, effect = cumulative[:, s].copy(), frailty[:, s].copy()
        pull = 0.0
        for e in range(len(fired)):
            pull += fired[e] * effect[e]
        middle, spread = mode_of(pull, hazard, effect)
        low = middle - min(_FARTHEST, _LEFT * spread)
        step = (middle + min(_FARTHEST, _RIGHT * spread) - low) / (_N_POINTS - 1)
        top = -np.inf
        for k in range(_N_POINTS):
            b = low + k * step
            density[k] = pull * b - 0.5 * b * b
            for e in range(len(fired)):
                density[k] -= hazard[e] * np.exp(effect[e] * b)
            top = max(top, density[k])
        total = 0.0
        for k in range(_N_POINTS):
            density[k] = np.exp(density[k] - top)
            if k > 0:
                total += 0.5 * (density[k - 1] + density[k])
        wanted, below, k = at[s] * total, 0.0, 1
        while k < _N_POINTS - 1 and below + 0.5 * (density[k - 1] + density[k]) < wanted:
            below += 0.5 * (density[k - 1] + density[k])
            k += 1
        first, rise, area = density[k - 1], density[k] - density[k - 1], wanted - below
        # share x of the step with first x + rise x^2 / 2 = area, without cancellation
        root = np.sqrt(max(first * first + 2.0 * rise * area, 0.0))
        share = 2.0 * area / (first + root) if first + root > 0.0 else 0.0
        out[s] = low + (k - 1 + min(max(share, 0.0), 1.0)) * step
