"""Which draws to keep of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(n: int, kept: int) -> NDArray[np.int64]:
    """Positions, (kept,), of some of `n` draws in a row: the middle of each of `kept` parts."""
    out: NDArray[np.int64] = (2 * np.arange(kept) + 1) * n // (2 * kept)
    return out
