"""Rows of the table of the occupation kernel: sums, flows and exits, side by side over draws.

The table is (row, block, draw). What flows may have several blocks (see `turn_rows`); hazards have
the first alone, since all blocks leave alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.machine.jit import inner

ZERO, ONE, _HALF, _EIGHTH = (np.float32(x) for x in (0.0, 1.0, 0.5, 0.125))
_C3, _C4, _C5 = (np.float32(1.0 / k) for k in (6, 24, 120))

FAST: Final = {"contract", "nsz", "arcp", "reassoc"}
_inner = inner(fast=FAST, nogil=True)


@_inner
def stay(x):  # type: ignore[no-untyped-def]
    """exp(-x / 2), and who leaves in that half for each unit of cumulative hazard.

    With y = x / 8: exp(y) = 1 + y q by its Taylor polynomial of degree 5, relative error < 1e-6 for
    x < 2; then (1 - exp(-2 y)) / 2 y = (1 - exp(-y)) / y (1 + exp(-y)) / 2.
    """
    y = _EIGHTH * x
    q = ONE + y * (_HALF + y * (_C3 + y * (_C4 + y * _C5)))
    s = ONE / (ONE + y * q)
    g = _HALF * q * s * (ONE + s)
    s = s * s
    return s * s, _HALF * (_HALF * g * (ONE + s))


@_inner
def survive(total, mass, begun, stays, table):  # type: ignore[no-untyped-def]
    """Let `mass` and, from the middle of the stretch on, `begun` stay with exp(-total).

    On return, `mass` holds who stays, and `total` who leaves for each unit of cumulative hazard.
    Rows `stays` and the next are workspace where there are several blocks.
    """
    if table.shape[1] == 1:
        for d in range(table.shape[2]):
            s, g = stay(table[total, 0, d])
            m, f = table[mass, 0, d], table[begun, 0, d]
            table[total, 0, d] = g * (m + m * s + f)
            table[mass, 0, d] = s * (m * s + f)
        return
    for d in range(table.shape[2]):
        table[stays, 0, d], table[stays + 1, 0, d] = stay(table[total, 0, d])
    for b in range(table.shape[1]):
        for d in range(table.shape[2]):
            s, g = table[stays, 0, d], table[stays + 1, 0, d]
            m, f = table[mass, b, d], table[begun, b, d]
            table[total, b, d] = g * (m + m * s + f)
            table[mass, b, d] = s * (m * s + f)


@_inner
def leave_one_way(area, ratio, out, mass, begun, stays, table):  # type: ignore[no-untyped-def]
    """Let leave those who have one way to go; they add to `out`. Workspace as for `survive`."""
    if table.shape[1] == 1:
        for d in range(table.shape[2]):
            x = table[area, 0, d] * table[ratio, 0, d]
            s, g = stay(x)
            m, f = table[mass, 0, d], table[begun, 0, d]
            table[out, 0, d] += x * g * (m + m * s + f)
            table[mass, 0, d] = s * (m * s + f)
        return
    for d in range(table.shape[2]):
        x = table[area, 0, d] * table[ratio, 0, d]
        s, g = stay(x)
        table[stays, 0, d], table[stays + 1, 0, d] = s, x * g
    for b in range(table.shape[1]):
        for d in range(table.shape[2]):
            s, g = table[stays, 0, d], table[stays + 1, 0, d]
            m, f = table[mass, b, d], table[begun, b, d]
            table[out, b, d] += g * (m + m * s + f)
            table[mass, b, d] = s * (m * s + f)


@_inner
def pour(a, b, table, used):  # type: ignore[no-untyped-def]
    """Empty row `a` into row `b`."""
    if used[a] == 1:
        add(a, b, table)
        used[b] = 1
        clear(a, table)
        used[a] = 0


@_inner
def add_to(out, row, table):  # type: ignore[no-untyped-def]
    """Add the mass of a row to `out` (draw,)."""
    for d in range(table.shape[2]):
        out[d] += table[row, 0, d]


@_inner
def total_of(row, table):  # type: ignore[no-untyped-def]
    """Mass of a row, over all draws."""
    total = ZERO
    for d in range(table.shape[2]):
        total += table[row, 0, d]
    return total


@_inner
def clear(row, table):  # type: ignore[no-untyped-def]
    """Fill a row with 0."""
    for b in range(table.shape[1]):
        for d in range(table.shape[2]):
            table[row, b, d] = ZERO


@_inner
def add(row, out, table):  # type: ignore[no-untyped-def]
    """Add a row to `out`."""
    for b in range(table.shape[1]):
        for d in range(table.shape[2]):
            table[out, b, d] += table[row, b, d]


@_inner
def product(a, b, out, table):  # type: ignore[no-untyped-def]
    """Fill `out` with a b, of hazards."""
    for d in range(table.shape[2]):
        table[out, 0, d] = table[a, 0, d] * table[b, 0, d]


@_inner
def two_products(a, b, c, e, out, table):  # type: ignore[no-untyped-def]
    """Fill `out` with a b + c e, of hazards."""
    for d in range(table.shape[2]):
        table[out, 0, d] = table[a, 0, d] * table[b, 0, d] + table[c, 0, d] * table[e, 0, d]


@_inner
def add_product(a, b, out, table):  # type: ignore[no-untyped-def]
    """Add a b to `out`, of hazards."""
    for d in range(table.shape[2]):
        table[out, 0, d] += table[a, 0, d] * table[b, 0, d]


@_inner
def flow(area, ratio, leaving, out, table):  # type: ignore[no-untyped-def]
    """Add to `out` who leaves by one hazard: area times ratio times `leaving`."""
    for b in range(table.shape[1]):
        for d in range(table.shape[2]):
            table[out, b, d] += table[area, 0, d] * table[ratio, 0, d] * table[leaving, b, d]


@_inner
def flow_twice(area, ratio, leaving, out, also, table):  # type: ignore[no-untyped-def]
    """The same, into two rows."""
    for b in range(table.shape[1]):
        for d in range(table.shape[2]):
            x = table[area, 0, d] * table[ratio, 0, d] * table[leaving, b, d]
            table[out, b, d] += x
            table[also, b, d] += x
