"""Draws of effects that change with time, and what they make of one patient's hazards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.time_varying import VaryingEffect


@dataclass(frozen=True)
class Walks:
    """Log hazard ratios in the windows of all time-varying effects, one after another.

    Attributes
    ----------
    effects
        The effects; where each has its windows, and on whom it acts.
    log_ratio
        (window, subgroup, draw).
    step
        (effect, draw), how far each goes from window to window; for unseen subgroups.
    """

    effects: tuple[VaryingEffect, ...]
    log_ratio: Floats
    step: Floats

    @classmethod
    def from_draws(cls, draws: EventDraws, effects: Sequence[VaryingEffect]) -> Walks:
        """Turn draws round, as `Population` has them."""
        return cls(tuple(effects), draws_last(draws.of_walks), draws_last(draws.walk_step))

    def take(self, index: Ints) -> Walks:
        """Return some of the draws."""
        return replace(self, log_ratio=self.log_ratio[..., index], step=self.step[..., index])

    def in_subgroup(self, subgroup: int, label: str, generator: np.random.Generator) -> Floats:
        """(window, draw) log hazard ratios in a subgroup, -1 for one that the fit has not seen.

        Such a one has a walk of its own; where classes share walks, that of the class that names
        it, or none.
        """
        if subgroup >= 0:
            return self.log_ratio[:, subgroup]
        out = self.log_ratio[:, 0].copy()
        for effect, step in zip(self.effects, self.step, strict=True):
            if effect.members is not None:
                peer = dict(effect.peers).get(label)
                out[effect.rows] = 0.0 if peer is None else self.log_ratio[effect.rows, peer]
            elif effect.column is None:
                normal = generator.standard_normal((effect.walk.shape[1], step.shape[0]))
                out[effect.rows] = effect.walk @ (step * normal)
        return out


def draws_last(values: Floats) -> Floats:
    """Move the dim of draws from the first place to the last, contiguous there."""
    return np.ascontiguousarray(np.moveaxis(values, 0, -1))
