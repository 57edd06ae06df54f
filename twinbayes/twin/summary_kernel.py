"""Means and equal-tailed quantiles over draws, exact, without sorting."""

from __future__ import annotations

import numba
import numpy as np

_BINS = 256

_jit = numba.njit(cache=True, error_model="numpy", nogil=True)


@_jit
def mean_and_bounds(row, lower, upper):  # type: ignore[no-untyped-def]
    """Mean and two quantiles (linear interpolation, as NumPy) of one row of draws.

    A histogram finds the bins that hold the four order statistics needed; only those are sorted.
    """
    n = len(row)
    smallest, largest, total = row[0], row[0], 0.0
    for x in row:
        smallest = min(smallest, x)
        largest = max(largest, x)
        total += x
    mean = total / n
    if not largest > smallest:
        return mean, smallest, largest
    scale = _BINS / (largest - smallest)
    counts = np.zeros(_BINS + 1, dtype=np.int64)
    for x in row:
        counts[min(int((x - smallest) * scale), _BINS - 1) + 1] += 1
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
        for x in row:
            b = min(int((x - smallest) * scale), _BINS - 1)
            if first <= b <= last:
                some[m] = x
                m += 1
        some.sort()
        at = some[rank - counts[first]]
        after = some[rank + 1 - counts[first]]
        bounds[side] = at + (position - rank) * (after - at)
    return mean, bounds[0], bounds[1]


@_jit
def summarise_rows(rows, lower, upper):  # type: ignore[no-untyped-def]
    """(row, draw) -> (row, 3): mean, lower, upper."""
    out = np.empty((len(rows), 3))
    for i in range(len(rows)):
        out[i, 0], out[i, 1], out[i, 2] = mean_and_bounds(rows[i], lower, upper)
    return out


@_jit
def summarise_path(path, step, share, lower, upper):  # type: ignore[no-untyped-def]
    """Summaries at output times of a path known at nodes.

    Parameters
    ----------
    path
        (node, column, draw).
    step, share
        Per output time: the node before it, and how far it is towards the next, in [0, 1].

    Returns
    -------
    ndarray
        (time, column, 3): mean, lower, upper.
    """
    n_columns, n_draws = path.shape[1], path.shape[2]
    out = np.empty((len(step), n_columns, 3))
    row = np.empty(n_draws)
    for t in range(len(step)):
        k, w = step[t], share[t]
        for c in range(n_columns):
            before, after = path[k, c], path[min(k + 1, path.shape[0] - 1), c]
            for d in range(n_draws):
                row[d] = (1.0 - w) * before[d] + w * after[d]
            out[t, c, 0], out[t, c, 1], out[t, c, 2] = mean_and_bounds(row, lower, upper)
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
