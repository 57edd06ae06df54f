"""Identifiers that a spreadsheet has changed: zeros lost in front, a fraction added behind."""

from __future__ import annotations

import numpy as np
from pandas import Series

from twinbayes.arrays import Bools


def without_zeros(ids: Series) -> Series:
    """Return identifiers without the zeros in front of their digits, and without a final ``.0``.

    Examples
    --------
    >>> list(without_zeros(pd.Series(["007", "7.0", "DE-0100"])))
    ['7', '7', 'DE-100']
    """
    text = ids.astype("str").str.replace(r"\.0$", "", regex=True)
    return text.str.replace(r"(?<!\d)0+(?=\d)", "", regex=True)


def lost_zeros(unknown: Series, known: Series) -> Bools:
    """Whether an identifier would be known if zeros in front of digits did not count."""
    if unknown.empty or known.dropna().empty:
        return np.zeros(len(unknown), dtype=bool)
    found: Bools = without_zeros(unknown).isin(without_zeros(known.dropna())).to_numpy(dtype=bool)
    return found
