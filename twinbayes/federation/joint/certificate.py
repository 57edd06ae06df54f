"""The certificate: how far the answer of the server is from that of all patients together.

Draws of the server's posterior are weighted by the ratio of the sites' likelihood to the function
that stood for it. The tail of the weights says whether they can be trusted (Vehtari et al. 2024,
JMLR 25(72)); where they can, the weighted draws are those of the pooled posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import FederationError
from twinbayes.federation.joint.blocks import Blocks
from twinbayes.inference.gate.verdict import ESS_MIN
from twinbayes.twin.weighting.importance import Weights, importance_weights, largest_shape

GOOD: Final = 0.5
"""Tail shape below which the server stops: weights have a finite variance."""

_ADDS_UP: Final = 0.05  # spread of what likelihoods of single intensities leave of the total


@dataclass(frozen=True)
class Certificate:
    """Weights of the draws, part by part.

    Attributes
    ----------
    weights
        Of each part of the posterior that the data tell of; None where all draws count the same.
    whole
        Weights of all parts together.
    index
        (part, draw) which draw each slot takes.
    n_draws
        Number of draws.
    """

    weights: tuple[Weights | None, ...]
    whole: Weights | None
    index: Ints
    n_draws: int

    @classmethod
    def of(cls, whole: Floats, each: Floats | None, blocks: Blocks) -> Certificate:
        """Weigh draws by how much higher all sites' likelihood is than what stood for it.

        Parameters
        ----------
        whole
            (draw,) on the log scale.
        each
            (draw, intensity) the same of each intensity; None where that is not known.
        blocks
            Parts of the posterior.

        Raises
        ------
        FederationError
            Sites have no likelihood at any draw.
        """
        if not np.isfinite(np.max(whole)):
            raise FederationError(
                f"Sites have no likelihood at any of {len(whole)} draws. Look for priors that "
                "allow what no patient can have, and begin the study again with others."
            )
        n_intensities = len(blocks.of_intensity)
        if each is None or np.std(whole - each.sum(axis=1)) > _ADDS_UP:
            # Courses left open by the records tie intensities to each other.
            blocks = Blocks.whole(None, n_intensities)
            ratios = [whole]
        else:
            of = blocks.of_intensity
            ratios = [each[:, of == k].sum(axis=1) for k in range(blocks.n_parts)]
        slots = np.arange(len(whole))
        index = np.tile(slots, (blocks.n_parts, 1))
        weights: list[Weights | None] = []
        for k, log_ratio in enumerate(ratios):
            if not (blocks.of_intensity == k).any():
                continue  # of this part the data tell nothing
            found = importance_weights(log_ratio)
            weights.append(found)
            if found is not None:
                index[k] = found.index
        return cls(tuple(weights), importance_weights(whole), index, len(whole))

    @property
    def pareto_k(self) -> float:
        """Shape of the tail of the weights that are used, the heaviest of all parts.

        No part has a heavier tail than all together, so that the smaller of the two estimates
        counts; infinite where there is none.
        """
        if not self.weights:
            return np.inf
        heaviest = max(_shape(w) for w in self.weights)
        return min(heaviest, _shape(self.whole))

    @property
    def ess(self) -> float:
        """Smallest effective number of draws of all parts."""
        return float(min([self.n_draws if w is None else w.ess for w in self.weights], default=0))

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against the use of the weighted draws; empty where nothing does."""
        out, most = [], largest_shape(self.n_draws)
        if not self.pareto_k <= most:
            out.append(
                f"the server's function is too far from the sites' likelihood: Pareto k of its "
                f"weights is {self.pareto_k:.2f}, which must be at most {most:.2f}"
            )
        if not self.ess >= ESS_MIN:
            out.append(
                f"the weighted draws count as {self.ess:.0f} independent ones, which must be at "
                f"least {ESS_MIN:.0f}"
            )
        return tuple(out)

    @property
    def is_good(self) -> bool:
        """Whether another round would gain little."""
        return self.pareto_k < GOOD and self.ess >= ESS_MIN

    def to_dict(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {
            "pareto_k": None if not np.isfinite(self.pareto_k) else round(self.pareto_k, 4),
            "ess": round(self.ess, 1),
            "parts": len(self.weights),
            "draws": self.n_draws,
        }


def _shape(weights: Weights | None) -> float:
    """Shape of the tail of some weights: 0 where all are the same, infinite where unknown."""
    if weights is None:
        return 0.0
    return float(weights.pareto_k) if np.isfinite(weights.pareto_k) else np.inf
