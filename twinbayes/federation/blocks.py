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

from twinbayes.arrays import Ints
from twinbayes.federation.coordinates import Coordinates
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
        """Find the parts of a recorded model; one where a number depends on several of them."""
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
        n_parts, part = connected_components(csr_array(linked), directed=False)
        owner = _owners(tapes, part, n_parts)
        if owner is None:
            return one
        sizes = [int(np.prod(shape, dtype=int)) for shape in tapes.draw.shapes]
        pieces = np.split(owner, np.cumsum(sizes)[:-1])
        found = {
            name: piece.reshape(shape)
            for name, piece, shape in zip(tapes.names, pieces, tapes.draw.shapes, strict=True)
        }
        of_coordinate = np.concatenate([found[b.name].ravel() for b in coordinates.blocks])
        of_intensity = np.zeros(len(coordinates.intensities), dtype=np.int64)
        for e, members in enumerate(coordinates.members):
            mine = np.unique(of_coordinate[members])
            mine = mine[mine >= 0]
            if len(mine) != 1:
                return one
            of_intensity[e] = mine[0]
        return cls(found, of_intensity, int(n_parts))


def _owners(tapes: ModelTapes, part: Ints, n_parts: int) -> Ints | None:
    """(number recorded,) the part it depends on, -1 of none; None where one has several."""
    at = tapes.start(0)
    here = tapes.draw(at)
    owner = np.full(len(here), -1, dtype=np.int64)
    for k in range(n_parts):
        moved = at + np.where(part == k, _STEP, 0.0)
        changed = np.abs(tapes.draw(moved) - here) > _CHANGED * (1.0 + np.abs(here))
        if (owner[changed] >= 0).any():
            return None
        owner[changed] = k
    return owner
