"""Means and equal-tailed quantiles over draws, exact, without sorting them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinbayes.arrays import Floats, Ints
from twinbayes.machine.jit import inner, jit

Draws = NDArray[np.floating[Any]]

_FEWEST_BINS, _MOST_BINS = 64, 1024  # about a quarter of the draws, so that few share one
_STRETCH: Final = 64  # draws looked at together for those of a bin: mostly there is none
_LANES: Final = 4  # histograms side by side, so that one bin's count need not wait for itself

_FAST: Final = {"reassoc", "nnan", "nsz"}
_jit = jit(fast=_FAST, nogil=True)
_inner = inner(fast=_FAST, nogil=True)


def summarise(values: Draws, lower: float, upper: float, rows: Ints | None = None) -> Floats:
    """(row, column, draw) -> (row, column, 3): mean, lower, upper.

    Quantiles interpolate linearly, as NumPy's. A histogram finds the bins that hold the order
    statistics needed; only their draws are looked at again. `values` are float32 or float64.
    Only `rows` are filled, by default all.
    """
    wanted = np.arange(len(values)) if rows is None else rows
    # NumPy's minimum and maximum are vectorised, which those of compiled loops are not.
    out: Floats = _summarise(values, wanted, values.min(axis=2), values.max(axis=2), lower, upper)
    return out


@_jit
def _summarise(values, rows, lows, highs, lower, upper):  # type: ignore[no-untyped-def]
    n_draws = values.shape[2]
    out = np.full((values.shape[0], values.shape[1], 3), np.nan)
    bins = np.empty(n_draws, dtype=np.int16)
    n_bins = _FEWEST_BINS
    while n_bins < _MOST_BINS and 4 * n_bins < n_draws:
        n_bins *= 2
    counts = np.empty((_LANES, n_bins), dtype=np.int32)
    some = np.empty(n_draws)
    for i in rows:
        for j in range(values.shape[1]):
            row = values[i, j]
            smallest, largest, total = lows[i, j], highs[i, j], 0.0
            for d in range(n_draws):
                total += row[d]
            out[i, j, 0] = total / n_draws
            out[i, j, 1], out[i, j, 2] = smallest, largest
            if n_draws == 1 or not largest > smallest:
                continue
            _sort_into_bins(row, smallest, largest, n_bins, bins)
            _tally(bins, counts)
            out[i, j, 1] = _quantile(row, lower, bins, counts, some)
            out[i, j, 2] = _quantile(row, upper, bins, counts, some)
    return out


@_inner
def _sort_into_bins(row, smallest, largest, n_bins, bins):  # type: ignore[no-untyped-def]
    single, last = np.float32((n_bins - 1) / (largest - smallest)), np.int32(n_bins - 1)
    for i in range(len(row)):
        b = np.int32((row[i] - smallest) * single)
        b = min(max(b, np.int32(0)), last)  # NaN must not reach an index
        bins[i] = np.int16(b)


@_inner
def _tally(bins, counts):  # type: ignore[no-untyped-def]
    """Count the draws in each bin; unsigned indices spare numba's check for negative ones.

    On return the first row of `counts` has the draws of each bin.
    """
    counts[:] = 0
    whole = len(bins) - len(bins) % _LANES
    for first in range(0, whole, _LANES):
        for lane in range(_LANES):
            counts[np.uint64(lane), np.uint64(bins[np.uint64(first + lane)])] += 1
    for i in range(whole, len(bins)):
        counts[0, bins[i]] += 1
    for lane in range(1, _LANES):
        for b in range(counts.shape[1]):
            counts[0, b] += counts[lane, b]


@_inner
def _quantile(row, probability, bins, counts, some):  # type: ignore[no-untyped-def]
    """One quantile of a row that has been tallied; `some` is workspace."""
    position = probability * (len(row) - 1)
    rank = min(int(position), len(row) - 2)
    first, below = _bin_of(counts, rank, 0, 0)
    last, _ = _bin_of(counts, rank + 1, first, below)
    m, width = np.uint64(0), np.uint16(last - first)
    for begin in range(0, len(row), _STRETCH):
        end = min(begin + _STRETCH, len(row))
        nearest = np.uint16(_MOST_BINS)
        for i in range(begin, end):  # vectorises, unlike the loop below
            away = np.uint16(bins[np.uint64(i)] - first)
            nearest = min(nearest, away)
        if nearest > width:
            continue
        for i in range(begin, end):
            b = bins[np.uint64(i)]
            if b >= first and b <= last:
                some[m] = row[np.uint64(i)]
                m += np.uint64(1)
    at, after = _select(some[: np.int64(m)], rank - below)
    return at + (position - rank) * (after - at)


@_inner
def _bin_of(counts, rank, first, below):  # type: ignore[no-untyped-def]
    """Bin of the draw of this rank (from 0), and how many draws lie in the bins before it.

    The search begins at bin `first`, before which lie `below` draws.
    """
    for b in range(first, counts.shape[1]):
        if below + counts[0, b] > rank:
            return np.int16(b), below
        below += counts[0, b]
    return np.int16(counts.shape[1] - 1), below


@_inner
def _select(values, k):  # type: ignore[no-untyped-def]
    """The k-th smallest (from 0) and the next; reorders `values`.

    Source: Hoare (1961), Algorithm 65: FIND.
    """
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    after = values[k + 1]
    for i in range(k + 2, len(values)):
        after = min(after, values[i])
    return values[k], after


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
