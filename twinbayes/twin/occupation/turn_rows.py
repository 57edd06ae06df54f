"""Turns of curves in the table of the occupation kernel: totals that flow with those who turn.

Where curves turn at events to come, a row of the table has blocks of draws side by side: the mass;
for each *total*, mass times the total, over all paths that led there; for each pair of totals, mass
times their product. All blocks flow alike, since exits depend on nothing else, so that mean and
covariance of the totals are exact in each group of places. A total is a sum over turns of one
marker: of bends, coefficient times the day of the turn; of approaches at one rate, the coefficient
times what is still to be approached.

``turns``, the last of the kernel's ``model``, is a tuple: which coefficients begin (kind of turn,
coefficient); the total to which each belongs; its rate of approach a day, 0 for bends; pairs of
totals; the nodes in days since origin; and the group of each place.
"""

from __future__ import annotations

import numpy as np

from twinbayes.machine.jit import inner
from twinbayes.twin.occupation.rows import FAST, ZERO

_inner = inner(fast=FAST, nogil=True)


@_inner
def turn(row, kind, day, k, model, table, at):  # type: ignore[no-untyped-def]
    """Let the curves of those in `row` turn on a day since origin, in step `k`.

    A bend adds its coefficient a day times the days since the landmark to its total; an approach adds its coefficient,
    of which `approach` takes away what has been approached.
    """
    begins, total, rate, pairs, nodes, _ = model[5]
    n, n_totals = at.n_draws, at.n_totals
    for f in range(n_totals):
        for d in range(n):
            table[at.added + f, d] = ZERO
    for c in range(len(total)):
        if begins[kind, c]:
            size = np.float32(np.exp(rate[c] * (day - nodes[k])) if rate[c] > 0.0 else day - nodes[0])
            own, out = at.coefficient + c, at.added + total[c]
            for d in range(n):
                table[out, d] += size * table[own, d]
    for j in range(len(pairs)):
        f, g, first = pairs[j, 0], pairs[j, 1], (1 + n_totals + j) * n
        of_f, of_g = (1 + f) * n, (1 + g) * n
        for d in range(n):
            x, y = table[at.added + f, d], table[at.added + g, d]
            product_of = x * table[row, of_g + d] + y * table[row, of_f + d]
            table[row, first + d] += product_of + x * y * table[row, d]
    for f in range(n_totals):
        for d in range(n):
            table[row, (1 + f) * n + d] += table[at.added + f, d] * table[row, d]


@_inner
def approach(span, model, table, used, at):  # type: ignore[no-untyped-def]
    """Take away, of the totals of approaches, what is approached within `span` days."""
    _, total, rate, pairs, _, _ = model[5]
    for f in range(at.n_totals):
        mine = ZERO
        for c in range(len(total)):
            if total[c] == f:
                mine = np.float32(rate[c])
        if mine == ZERO:
            continue
        left = np.float32(np.exp(-mine * span))
        for row in range(at.mass, len(table)):
            if used[row] == 0:
                continue
            _scale(row, (1 + f) * at.n_draws, left, at.n_draws, table)
            for j in range(len(pairs)):
                for g in pairs[j]:
                    if g == f:
                        _scale(row, (1 + at.n_totals + j) * at.n_draws, left, at.n_draws, table)


@_inner
def _scale(row, first, by, n, table):  # type: ignore[no-untyped-def]
    for d in range(first, first + n):
        table[row, d] *= by


@_inner
def collect(slot, model, table, used, at, sojourns):  # type: ignore[no-untyped-def]
    """Sum up, for one slot, those in the places of each group."""
    group = model[5][5]
    for p in range(len(group)):
        for row in range(at.mass + p * at.n_buckets, at.mass + (p + 1) * at.n_buckets):
            if used[row] == 1:
                for d in range(table.shape[1]):
                    sojourns[slot, group[p], d] += table[row, d]
