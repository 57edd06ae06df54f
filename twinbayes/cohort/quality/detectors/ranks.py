"""Rank correlations of many columns at once, and of two exactly."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame, Series

from twinbayes.arrays import Floats


def correlations(x: DataFrame, y: DataFrame) -> DataFrame:
    """Return correlations of the ranks of all columns of two frames, over pairs that are known.

    Ranks are those among all known values of a column, not among the pairs: a screen, which
    `rank_correlation` follows.

    Returns
    -------
    DataFrame
        Column of `x` × column of `y`; 0 where there is no pair, or nothing that varies.
    """
    a, b = x.rank().to_numpy(dtype=float), y.rank().to_numpy(dtype=float)
    in_a, in_b = (~np.isnan(a)).astype(float), (~np.isnan(b)).astype(float)
    a, b = np.nan_to_num(_scaled(a)), np.nan_to_num(_scaled(b))
    n = in_a.T @ in_b
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_a, mean_b = (a.T @ in_b) / n, (in_a.T @ b) / n
        cross = (a.T @ b) / n - mean_a * mean_b
        spread_a = ((a**2).T @ in_b) / n - mean_a**2
        spread_b = (in_a.T @ (b**2)) / n - mean_b**2
        found = cross / np.sqrt(spread_a * spread_b)
    found[~np.isfinite(found)] = 0.0
    return DataFrame(found, index=x.columns, columns=y.columns)


def rank_correlation(x: Floats, y: Floats) -> tuple[float, int]:
    """Return Spearman's correlation over the pairs that are known, and their number.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 4.0, np.nan]), np.array([5.0, 6.0, 9.0, 1.0]))
    (1.0, 3)
    """
    known = ~(np.isnan(x) | np.isnan(y))
    n = int(known.sum())
    if n < 3:
        return 0.0, n
    a, b = (Series(v[known]).rank().to_numpy(dtype=float) for v in (x, y))
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return (round(float(a @ b) / spread, 12) if spread > 0 else 0.0), n


def _scaled(ranks: Floats) -> Floats:
    """Ranks around 0 with unit spread, for sums that do not cancel."""
    known = ~np.isnan(ranks)
    n = np.maximum(known.sum(axis=0), 1)
    scaled: Floats = (ranks - (n + 1) / 2) / n
    return scaled
