"""Turns of curves in the table of the occupation kernel: totals that flow with those who turn.

Where curves turn at events to come, a row of the table has several blocks: the mass; for each
*total*, mass times the total, over all paths that led there; for each pair of totals, mass times
their product. All blocks flow alike, since exits depend on nothing else, so that mean and
covariance of the totals are exact in each group of places. A total is a sum over turns of one
marker: of bends, coefficient times the day of the turn; of approaches at one rate, the coefficient
times what is still to be approached.

``turns``, the last of the kernel's ``model``, is a tuple: which coefficients begin (kind of turn,
coefficient); the total to which each belongs; its rate of approach a day, 0 for bends; pairs of
totals; the nodes in days since origin; and the group of each place.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.machine.jit import inner, jit
from twinbayes.twin.occupation.rows import FAST, ONE, ZERO

_NOBODY: Final = np.float32(1e-30)

_jit = jit(fast=FAST, nogil=True)
_inner = inner(fast=FAST, nogil=True)


@_inner
def turn(row, kind, day, k, model, table, at):  # type: ignore[no-untyped-def]
    """Let the curves of all those in `row` turn on a day since origin, in step `k`."""
    pairs, n_totals = model[5][3], at.n_totals
    _add_up(kind, day, k, model, table, at)
    for j in range(len(pairs)):
        f, g, both = pairs[j, 0], pairs[j, 1], 1 + n_totals + j
        for d in range(table.shape[2]):
            x, y = table[at.added + f, 0, d], table[at.added + g, 0, d]
            one_turned = x * table[row, 1 + g, d] + y * table[row, 1 + f, d]
            table[row, both, d] += one_turned + x * y * table[row, 0, d]
    for f in range(n_totals):
        for d in range(table.shape[2]):
            table[row, 1 + f, d] += table[at.added + f, 0, d] * table[row, 0, d]


@_inner
def turn_flow(hazard, leaving, to, kind, day, k, model, table, at):  # type: ignore[no-untyped-def]
    """The same for those who have flown `to` a row: hazard (area and ratio) times `leaving`."""
    pairs, n_totals, (area, ratio) = model[5][3], at.n_totals, hazard
    _add_up(kind, day, k, model, table, at)
    for j in range(len(pairs)):
        f, g, both = pairs[j, 0], pairs[j, 1], 1 + n_totals + j
        for d in range(table.shape[2]):
            x, y = table[at.added + f, 0, d], table[at.added + g, 0, d]
            one_turned = x * table[leaving, 1 + g, d] + y * table[leaving, 1 + f, d]
            gain = one_turned + x * y * table[leaving, 0, d]
            table[to, both, d] += table[area, 0, d] * table[ratio, 0, d] * gain
    for f in range(n_totals):
        for d in range(table.shape[2]):
            gain = table[at.added + f, 0, d] * table[leaving, 0, d]
            table[to, 1 + f, d] += table[area, 0, d] * table[ratio, 0, d] * gain


@_inner
def _add_up(kind, day, k, model, table, at):  # type: ignore[no-untyped-def]
    """Fill the rows `added`: what a kind of turn adds to each total.

    A bend adds its coefficient a day times the days since the landmark; an approach adds its
    coefficient, of which `approach` takes away what has been approached.
    """
    begins, total, rate, _, nodes, _ = model[5]
    for f in range(at.n_totals):
        for d in range(table.shape[2]):
            table[at.added + f, 0, d] = ZERO
    for c in range(len(total)):
        if begins[kind, c]:
            size = day - nodes[0] if rate[c] == 0.0 else np.exp(rate[c] * (day - nodes[k]))
            own, out, times = at.coefficient + c, at.added + total[c], np.float32(size)
            for d in range(table.shape[2]):
                table[out, 0, d] += times * table[own, 0, d]


@_inner
def approach(span, model, table, used, at):  # type: ignore[no-untyped-def]
    """Take away, of the totals of approaches, what is approached within `span` days."""
    _, total, rate, pairs, _, _ = model[5]
    for f in range(at.n_totals):
        own = 0.0
        for c in range(len(total)):
            if total[c] == f:
                own = rate[c]
        if own == 0.0:
            continue
        left = np.float32(np.exp(-own * span))
        for row in range(at.mass, len(table)):
            if used[row] == 0:
                continue
            _scale(row, 1 + f, left, table)
            for j in range(len(pairs)):
                for g in pairs[j]:
                    if g == f:
                        _scale(row, 1 + at.n_totals + j, left, table)


@_inner
def _scale(row, block, by, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[2]):
        table[row, block, d] *= by


@_inner
def collect(slot, model, table, used, at, sojourns):  # type: ignore[no-untyped-def]
    """Sum up, for one slot, those in the places of each group."""
    group = model[5][5]
    for p in range(len(group)):
        for row in range(at.mass + p * at.n_buckets, at.mass + (p + 1) * at.n_buckets):
            if used[row] == 1:
                for b in range(table.shape[1]):
                    for d in range(table.shape[2]):
                        sojourns[slot, group[p], b, d] += table[row, b, d]


@_jit
def moments(sojourns, totals, pairs, mean, spread):  # type: ignore[no-untyped-def]
    """Fill (group, draw) mean and standard deviation of the sum of some totals, given the group.

    `sojourns` (group, block, draw) are those of one slot; `totals` and `pairs` (pair, 2) are the
    blocks of the totals, and of their products with how often each counts. Nobody has 0.
    """
    for g in range(len(sojourns)):
        for d in range(sojourns.shape[2]):
            first = square = ZERO
            for b in totals:
                first += sojourns[g, b, d]
            for j in range(len(pairs)):
                square += np.float32(pairs[j, 1]) * sojourns[g, pairs[j, 0], d]
            mass = sojourns[g, 0, d]
            share = ONE / mass if mass > _NOBODY else ZERO
            mean[g, d] = first * share
            spread[g, d] = np.sqrt(max(square * share - (first * share) ** 2, ZERO))
