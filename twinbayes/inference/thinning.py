"""How many draws there are, and which to keep of many."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from twinbayes.names import CHAIN, DRAW, POSTERIOR


def evenly_spaced(n: int, kept: int) -> NDArray[np.int64]:
    """Positions, (kept,), of some of `n` draws in a row: the middle of each of `kept` parts."""
    out: NDArray[np.int64] = (2 * np.arange(kept) + 1) * n // (2 * kept)
    return out


def draws_words(tree: xr.DataTree) -> str:
    """Say how many draws the posterior has: ``4 chains of 1000``."""
    sizes = tree[POSTERIOR].sizes
    return f"{sizes[CHAIN]} chains of {sizes[DRAW]}"
