"""Parts of a posterior that are independent of each other: found in its log density, not assumed.

Where hazards of different intensities share no scale, the posterior is a product. Each part can
then be weighted by its own likelihood alone: weights of the whole would degenerate with the number
of parts, for no reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from twinbayes.arrays import Bools, Ints
from twinbayes.federation.likelihood.coordinates import Coordinates
from twinbayes.machine.tape.model import ModelTapes

_STEP: Final = 1e-3
_CHANGED: Final = 1e-9  # relative change of what depends on a number
_POINTS: Final = 2  # at which dependence is looked for: a slope may be zero at one


@dataclass(frozen=True)
class Blocks:
    """Independent parts of a posterior.

    Attributes
    ----------
    of_variable
        Of each recorded variable, the part that each of its numbers belongs to; -1 where it is
        constant. Shaped as the variable.
    of_intensity
        (intensity,) the part that its likelihood belongs to.
    n_parts
        Number of parts.
    """

    of_variable: dict[str, Ints]
    of_intensity: Ints
    n_parts: int

    @classmethod
    def whole(cls, tapes: ModelTapes | None, n_intensities: int) -> Blocks:
        """One part with everything."""
        names = () if tapes is None else zip(tapes.names, tapes.draw.shapes, strict=True)
        every = {name: np.zeros(shape, dtype=np.int64) for name, shape in names}
        return cls(every, np.zeros(n_intensities, dtype=np.int64), 1)

    @classmethod
    def of(cls, tapes: ModelTapes | None, coordinates: Coordinates) -> Blocks:
        """Find the parts of a recorded model; one where that cannot be told."""
        one = cls.whole(tapes, len(coordinates.intensities))
        if tapes is None:
            return one
        n, linked = tapes.n_inputs, np.zeros((tapes.n_inputs, tapes.n_inputs), dtype=bool)
        for seed in range(_POINTS):
            at = tapes.start(seed)
            here = tapes.density(at)[1:]
            for i in range(n):
                moved = at.copy()
                moved[i] += _STEP
                change = np.abs(tapes.density(moved)[1:] - here)
                linked[i] |= change > _CHANGED * (1.0 + np.abs(here))
        part = _joined(linked)
        depends = _dependence(tapes, part)
        sizes = [int(np.prod(shape, dtype=int)) for shape in tapes.draw.shapes]
        firsts = dict(zip(tapes.names, np.cumsum([0, *sizes[:-1]]), strict=True))
        places = np.concatenate([firsts[b.name] + np.arange(b.size) for b in coordinates.blocks])
        by_intensity = np.array([depends[places[own]].any(axis=0) for own in coordinates.members])
        # Parts that one number depends on, or one likelihood, are weighted together.
        tied = np.concatenate([depends, by_intensity]).astype(np.int64)
        merged = _joined(tied.T @ tied > 0)
        owner = np.where(depends.any(axis=1), merged[depends.argmax(axis=1)], -1)
        pieces = np.split(owner, np.cumsum(sizes)[:-1])
        found = {
            name: piece.reshape(shape)
            for name, piece, shape in zip(tapes.names, pieces, tapes.draw.shapes, strict=True)
        }
        of_intensity = merged[by_intensity.argmax(axis=1)]
        return cls(found, of_intensity, int(merged.max()) + 1)


def _joined(linked: Bools) -> Ints:
    """(item,) number of the connected part that each item belongs to."""
    found = connected_components(csr_array(linked.astype(np.float64)), directed=False)[1]
    return np.asarray(found, dtype=np.int64)


def _dependence(tapes: ModelTapes, part: Ints) -> Bools:
    """(number recorded, part) whether it changes with the part."""
    at = tapes.start(0)
    here = tapes.draw(at)
    out = np.zeros((len(here), int(part.max()) + 1), dtype=bool)
    for k in range(out.shape[1]):
        moved = at + np.where(part == k, _STEP, 0.0)
        out[:, k] = np.abs(tapes.draw(moved) - here) > _CHANGED * (1.0 + np.abs(here))
    return out
