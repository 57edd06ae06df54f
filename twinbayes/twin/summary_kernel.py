"""Means and equal-tailed quantiles over draws, exact, without sorting all of them."""

from __future__ import annotations

import numba
import numpy as np

_BINS = 512

_jit = numba.njit(cache=True, error_model="numpy", nogil=True, fastmath={"reassoc", "nnan", "nsz"})


@_jit
def _range_and_sum(row):  # type: ignore[no-untyped-def]
    smallest, largest, total = row[0], row[0], 0.0
    for x in row:
        smallest = x if x < smallest else smallest
        largest = x if x > largest else largest
        total += x
    return smallest, largest, total


@_jit
def mean_and_bounds(row, lower, upper, bins):  # type: ignore[no-untyped-def]
    """Mean and two quantiles (linear interpolation, as NumPy) of one row of draws.

    A histogram finds the bins that hold the order statistics needed; only those are sorted.
    `bins` is workspace, one integer a draw.
    """
    n = len(row)
    smallest, largest, total = _range_and_sum(row)
    mean = total / n
    if n == 1 or not largest > smallest:
        return mean, float(smallest), float(largest)
    scale = np.float32((_BINS - 1) / (largest - smallest))
    for i in range(n):
        bins[i] = np.int32((row[i] - smallest) * scale)
    counts = np.zeros(_BINS + 1, dtype=np.int64)
    for i in range(n):
        counts[bins[i] + 1] += 1
    for b in range(_BINS):
        counts[b + 1] += counts[b]
    bounds = np.empty(2)
    for side in range(2):
        position = (lower if side == 0 else upper) * (n - 1)
        rank = min(int(position), n - 2)
        first = np.searchsorted(counts, rank, side="right") - 1
        last = np.searchsorted(counts, rank + 1, side="right") - 1
        some = np.empty(counts[last + 1] - counts[first])
        m = 0
        for i in range(n):
            if bins[i] >= first and bins[i] <= last:
                some[m] = row[i]
                m += 1
        some.sort()
        at = some[rank - counts[first]]
        after = some[rank + 1 - counts[first]]
        bounds[side] = at + (position - rank) * (after - at)
    return mean, bounds[0], bounds[1]


@_jit
def summarise(values, lower, upper):  # type: ignore[no-untyped-def]
    """(row, column, draw) -> (row, column, 3): mean, lower, upper."""
    out = np.empty((values.shape[0], values.shape[1], 3))
    bins = np.empty(values.shape[2], dtype=np.int32)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            mean, low, high = mean_and_bounds(values[i, j], lower, upper, bins)
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = mean, low, high
    return out


@_jit
def restricted_means(path, nodes):  # type: ignore[no-untyped-def]
    """Time spent in each column up to the last node, (column, draw), by the trapezoid rule."""
    out = np.zeros((path.shape[1], path.shape[2]))
    for k in range(len(nodes) - 1):
        half = 0.5 * (nodes[k + 1] - nodes[k])
        for c in range(path.shape[1]):
            for d in range(path.shape[2]):
                out[c, d] += half * (path[k, c, d] + path[k + 1, c, d])
    return out
