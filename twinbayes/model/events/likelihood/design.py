"""The design inside the kernel: compressed rows times coefficients, and back; missing entries.

Loops are written out, see `kernel`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.machine.jit import jit
from twinbayes.model.events import packed

LANES: Final = 8
_jit = jit(fast={"contract", "nsz", "arcp", "reassoc", "nnan"})


@_jit
def sparse_predictors(column_start, column, value, base, coef, eta):  # type: ignore[no-untyped-def]
    """Fill eta (patient, lanes): base + sparse rows times coefficients, eight lanes in registers.

    Unsigned indices spare numba's check for negative ones.
    """
    for block in range(0, coef.shape[1], LANES):
        j0 = np.uint64(block)
        j1, j2, j3 = np.uint64(block + 1), np.uint64(block + 2), np.uint64(block + 3)
        j4, j5 = np.uint64(block + 4), np.uint64(block + 5)
        j6, j7 = np.uint64(block + 6), np.uint64(block + 7)
        for i in range(eta.shape[0]):
            a0, a1, a2, a3 = base[j0], base[j1], base[j2], base[j3]
            a4, a5, a6, a7 = base[j4], base[j5], base[j6], base[j7]
            for m in range(column_start[i], column_start[i + 1]):
                k, x = np.uint64(column[m]), value[m]
                a0 += x * coef[k, j0]
                a1 += x * coef[k, j1]
                a2 += x * coef[k, j2]
                a3 += x * coef[k, j3]
                a4 += x * coef[k, j4]
                a5 += x * coef[k, j5]
                a6 += x * coef[k, j6]
                a7 += x * coef[k, j7]
            eta[i, j0], eta[i, j1], eta[i, j2], eta[i, j3] = a0, a1, a2, a3
            eta[i, j4], eta[i, j5], eta[i, j6], eta[i, j7] = a4, a5, a6, a7


@_jit
def sparse_gradient(column_start, column, value, eta, grad):  # type: ignore[no-untyped-def]
    """Add to grad (column, lanes) the transpose of `sparse_predictors`."""
    for block in range(0, grad.shape[1], LANES):
        j0 = np.uint64(block)
        j1, j2, j3 = np.uint64(block + 1), np.uint64(block + 2), np.uint64(block + 3)
        j4, j5 = np.uint64(block + 4), np.uint64(block + 5)
        j6, j7 = np.uint64(block + 6), np.uint64(block + 7)
        for i in range(eta.shape[0]):
            g0, g1, g2, g3 = eta[i, j0], eta[i, j1], eta[i, j2], eta[i, j3]
            g4, g5, g6, g7 = eta[i, j4], eta[i, j5], eta[i, j6], eta[i, j7]
            for m in range(column_start[i], column_start[i + 1]):
                k, x = np.uint64(column[m]), value[m]
                grad[k, j0] += x * g0
                grad[k, j1] += x * g1
                grad[k, j2] += x * g2
                grad[k, j3] += x * g3
                grad[k, j4] += x * g4
                grad[k, j5] += x * g5
                grad[k, j6] += x * g6
                grad[k, j7] += x * g7


@_jit
def add_moments(moment_start, moment_column, moment, coef, eta):  # type: ignore[no-untyped-def]
    """eta += s2 coef^2 / 2 for the missing entries of each patient."""
    for i in range(eta.shape[0]):
        for m in range(moment_start[i], moment_start[i + 1]):
            k, half = moment_column[m], 0.5 * moment[m]
            for e in range(coef.shape[1]):
                eta[i, e] += half * coef[k, e] * coef[k, e]


@_jit
def moments_gradient(moment_start, moment_column, moment, coef, eta, grad):  # type: ignore[no-untyped-def]
    """Add to grad (column, lanes) the derivative of `add_moments`."""
    for i in range(eta.shape[0]):
        for m in range(moment_start[i], moment_start[i + 1]):
            k, s2 = moment_column[m], moment[m]
            for e in range(coef.shape[1]):
                grad[k, e] += s2 * coef[k, e] * eta[i, e]


@_jit
def part_of(vector, k):  # type: ignore[no-untyped-def]
    """Return part `k` of a vector of packed arrays; see `EventData.pack`."""
    return vector[int(vector[k]) : int(vector[k + 1])]


@_jit
def design_of(index, values):  # type: ignore[no-untyped-def]
    """Unpack the design: compressed rows, moments, dense columns, centring."""
    sparse = (
        part_of(index, packed.AT_COLUMN_START),
        part_of(index, packed.AT_COLUMN),
        part_of(values, packed.AT_VALUE),
    )
    moments = (
        part_of(index, packed.AT_MOMENT_START),
        part_of(index, packed.AT_MOMENT_COLUMN),
        part_of(values, packed.AT_MOMENT),
    )
    columns = part_of(index, packed.AT_DENSE_COLUMN)
    n_patients = len(part_of(index, packed.AT_SUBGROUP))
    dense = part_of(values, packed.AT_DENSE).reshape((len(columns), n_patients))
    return sparse, moments, columns, dense, part_of(values, packed.AT_SHIFT)
