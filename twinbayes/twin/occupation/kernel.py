"""State occupation of one patient over time, for a block of posterior draws at once.

Mass flows between places by exact competing exits within each step of a time grid. What
arrives during a step can leave again in the same step: the n-th move of a step is given the
remaining time dt / (n + 1), which reproduces the Taylor series of the exact solution to third
order. Occupants of places that depend on age are kept in buckets, merged as they grow old.
Where a hazard also depends on the era of entry, a bucket never spans two eras.

All numbers that differ by draw are rows of one `table`; `used` says which rows hold something,
and `at` where each kind of row begins. Inner loops run over draws, so that they vectorise. They
take row numbers, and few arrays: each slice, and each array taken from a tuple, is counted.

Compiled functions pass plain tuples of arrays (numba's disk cache would pickle named ones by class,
and stale caches would fail to load):

``model``    places, moves, arcs (source and target state of each transition), edges (intensity,
             window + 1), the column of `entries` in which each transition is counted, -1 for those
             to states never left; and turns;
``buckets``  the time low to high in which each bucket filled, on average at middle; its era; and
             live: buckets of known age in use, oldest first. The first buckets are of those past
             the old age, one an era, the first also of places that keep no age; then comes that
             of the patient's own start, then one a step.
``turns``    what moves do to curves, see `turn_rows`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.machine.jit import inner, jit
from twinbayes.twin.occupation.rows import (
    FAST,
    ONE,
    ZERO,
    add,
    add_product,
    add_to,
    clear,
    flow,
    flow_twice,
    leave_one_way,
    pour,
    product,
    survive,
    total_of,
    two_products,
)
from twinbayes.twin.occupation.turn_rows import approach, collect, turn, turn_flow

WAVES: Final = 3
_MERGE: Final = 0.4  # buckets merge when their joint width falls below this share of their age
_SMALLEST: Final = np.float32(1e-30)  # so that shares of nobody are defined
_TINY: Final = 1e-5  # arrivals, on average over draws, who need not leave again in the same step

_jit = jit(fast=FAST, nogil=True)
_inner = inner(fast=FAST, nogil=True)


@_jit
def occupy(nodes, eras, landmark, state, model, rows, first, occupation, entries):  # type: ignore[no-untyped-def]
    """Fill, from draw `first` on, occupation (node, state, draw), entries (node, column, draw).

    Parameters
    ----------
    nodes
        Days since the landmark, from 0; the grid of steps.
    eras
        Era of those who enter a state in each step.
    landmark, state
        Day of the landmark since origin, and the patient's state on it.
    model
        Places, moves and arcs of the graph, see `chart.Chart`; and the edges of the windows.
        `moves` also says what the scenario and the patient's curves do to them.
    rows
        Table, layout, used and buckets: rates, hazard ratios and the patient's place are filled.
    """
    table, layout, used, buckets = rows
    at, n_live = layout[0], 1
    is_final = not np.any(used[at.mass :] == 1)
    _count(0, state, model, table, at, first, occupation, entries)
    for k in range(len(nodes) - 1):
        if not is_final:
            when = (k, landmark, nodes[k], nodes[k + 1])
            n_live = _begin(when, eras[k], n_live, buckets, model, table, used, at)
            n_live = _go_on(when, n_live, buckets, model, table, used, at)
        _count(k + 1, state, model, table, at, first, occupation, entries)


@_jit
def occupy_turning(nodes, eras, landmark, model, rows, after_starts, sojourns):  # type: ignore[no-untyped-def]
    """Fill sojourns (slot, group, column): who is in each group of places, and how curves turned.

    The first slots are the nodes, before what a scenario starts there; `after_starts` (node,) are
    the slots after it, -1 where nothing starts. Columns are as in the table, summed over the places
    of a group; all else is as in `occupy`.
    """
    table, layout, used, buckets = rows
    at, n_live = layout[0], 1
    collect(0, model, table, used, at, sojourns)
    for k in range(len(nodes) - 1):
        when = (k, landmark, nodes[k], nodes[k + 1])
        n_live = _begin(when, eras[k], n_live, buckets, model, table, used, at)
        if after_starts[k] >= 0:
            collect(after_starts[k], model, table, used, at, sojourns)
        n_live = _go_on(when, n_live, buckets, model, table, used, at)
        approach(nodes[k + 1] - nodes[k], model, table, used, at)
        collect(k + 1, model, table, used, at, sojourns)


@_inner
def _begin(when, era_now, n_live, buckets, model, table, used, at):  # type: ignore[no-untyped-def]
    """Open the bucket of a step, and start what starts; return the number of live buckets."""
    k, _, begin, end = when
    low, high, middle, era, _ = buckets
    fresh = at.n_old + 1 + k
    low[fresh], high[fresh], era[fresh] = begin, end, era_now
    middle[fresh] = 0.5 * (begin + end)
    return _force_starts(k, begin, fresh, n_live, buckets, model, table, used, at)


@_inner
def _go_on(when, n_live, buckets, model, table, used, at):  # type: ignore[no-untyped-def]
    """Take everybody to the end of a step; return the number of live buckets."""
    k, _, _, end = when
    era, live = buckets[3], buckets[4]
    fresh = at.n_old + 1 + k
    _let_leave(when, n_live, buckets, model, table, used, at)
    arrived = _settle(when, fresh, era[fresh], model, table, used, at)
    if arrived and (n_live == 0 or live[n_live - 1] != fresh):
        live[n_live] = fresh
        n_live += 1
    return _merge(end, n_live, buckets, model, table, used, at)


@_inner
def _force_starts(k, begin, fresh, n_live, buckets, model, table, used, at):  # type: ignore[no-untyped-def]
    """Start what the scenario starts at node `k`; return the number of live buckets."""
    low, high, middle, _, live = buckets
    places, moves = model[0], model[1]
    for p in range(len(places) - 1, -1, -1):  # fewest treatments first: two may start on one day
        for m in range(places[p].first_move, places[p].end_move):
            if moves[m].forced_step != k:
                continue
            q = moves[m].target
            for b in range(fresh + 1):
                source = at.mass + p * at.n_buckets + b
                if used[source] == 0:
                    continue
                anew = fresh if places[q].indexed_by != 0 else 0
                to = b if moves[m].keeps_bucket == 1 else anew
                if to == fresh:  # they start at this node, not spread over the step
                    low[fresh] = high[fresh] = middle[fresh] = begin
                if moves[m].turn >= 0:
                    turn(source, moves[m].turn, model[5][4][k], k, model, table, at)
                pour(source, at.mass + q * at.n_buckets + to, table, used)
    if low[fresh] == high[fresh]:
        live[n_live] = fresh
        n_live += 1
    return n_live


@_inner
def _let_leave(when, n_live, buckets, model, table, used, at):  # type: ignore[no-untyped-def]
    """Exits of those in place at the start of a step, and of those who begin a treatment in it."""
    k, landmark, begin, end = when
    _, _, middle, era, live = buckets
    places, moves = model[0], model[1]
    used[at.area : at.mixed] = 0
    for index in range(-at.n_old, n_live):
        b = index + at.n_old if index < 0 else live[index]
        for m in range(len(moves)):
            if moves[m].on_entry_clock == 1:
                used[at.area + moves[m].intensity] = 0
        for p in range(len(places) - 1, -1, -1):  # a start that keeps the age leads further on
            row = at.mass + p * at.n_buckets + b
            if used[row] == 0 and used[at.begun + p] == 0:
                continue
            age = places[p].old_age if b < at.n_old else begin - middle[b]
            then = (k, landmark + begin, age, end - begin)
            _leave(p, row, era[b], 0, True, then, model, table, used, at)
            if used[at.begun + p] == 1:
                clear(at.begun + p, table)
                used[at.begun + p] = 0
                used[row] = 1


@_inner
def _settle(when, fresh, era, model, table, used, at):  # type: ignore[no-untyped-def]
    """Let those who arrived during the step leave again; return whether some have an age."""
    k, landmark, begin, end = when
    places, arrived = model[0], False
    for w in range(WAVES + 1):
        used[at.area : at.mixed] = 0
        rest = (end - begin) / (w + 2)
        then = (k, landmark + end - rest, 0.0, rest)
        for q in range(len(places)):
            row = at.wave + w * len(places) + q
            if used[row] == 0:
                continue
            if w < WAVES and total_of(row, table) > _TINY * table.shape[2]:
                _leave(q, row, era, w + 1, False, then, model, table, used, at)
            to = fresh if places[q].indexed_by != 0 else 0
            arrived = arrived or to == fresh
            pour(row, at.mass + q * at.n_buckets + to, table, used)
    return arrived


@_inner
def _leave(p, row, era, w, is_aged, then, model, table, used, at):  # type: ignore[no-untyped-def]
    """Exits from place `p` over a stretch, of the mass in `row` and of those who have just begun.

    `then` is the step, the first day of the stretch, their age on it (since what the place is aged
    by), and its length. Who leaves arrives as wave `w`, or keeps the age if treated (`is_aged`).
    """
    places, moves, edges = model[0], model[1], model[3]
    k, day, age, span = then
    n_open = area = ratio = 0
    several = places[p].has_repeats == 1
    early_left, mixed = places[p].early_days - age, at.mixed - places[p].first_move
    for m in range(places[p].first_move, places[p].end_move):
        if moves[m].is_open == 0:
            continue
        e, own = moves[m].intensity, at.area + moves[m].intensity
        if used[own] == 0:
            first = age if moves[m].on_entry_clock == 1 else day
            _integrate(at.rate + e * at.n_windows, edges, e, first, first + span, own, table)
            if moves[m].follows >= 0:
                product(own, at.trail + moves[m].follows * at.n_steps + k, own, table)
            used[own] = 1
        if moves[m].repeats == 1:
            continue
        last_area, last_ratio, area = area, ratio, own
        ratio = _ratio_over(moves[m], era, early_left, span, mixed + m, table, at)
        if n_open == 1:
            two_products(last_area, last_ratio, area, ratio, at.out, table)
        elif n_open > 1:
            add_product(area, ratio, at.out, table)
        n_open += 1
    if n_open == 0 and not several:
        add(at.begun + p, row, table)
        return
    if n_open == 0:
        clear(at.out, table)
    elif n_open == 1 and several:
        product(area, ratio, at.out, table)
    several = several or n_open > 1
    if several:
        survive(at.out, row, at.begun + p, at.stays, table)
    for m in range(places[p].first_move, places[p].end_move):
        if moves[m].is_open == 0:
            continue
        e, q = moves[m].intensity, moves[m].target
        if moves[m].repeats == 1:
            if at.counts == 1:
                ratio = _ratio_over(moves[m], era, early_left, span, mixed + m, table, at)
                flow(at.area + e, ratio, at.out, at.taken + e, table)
            continue
        to = at.taken + e if q < 0 else at.wave + w * len(places) + q
        if is_aged and moves[m].keeps_bucket == 1:
            to = at.begun + q
        used[to] = 1
        is_counted, turns = q >= 0 and moves[m].treatment < 0, moves[m].turn >= 0
        if at.counts == 0:  # only those matter who may be met again
            is_counted = False
            if q < 0 and several:
                continue
        ratio = _ratio_over(moves[m], era, early_left, span, mixed + m, table, at)
        if several and is_counted:
            flow_twice(at.area + e, ratio, at.out, at.taken + e, to, table)
        elif several:
            flow(at.area + e, ratio, at.out, to, table)
        elif is_counted or turns:
            clear(at.out, table)
            leave_one_way(area, ratio, at.out, row, at.begun + p, at.stays, table)
            if is_counted:
                add(at.out, at.taken + e, table)
            if turns:
                turn(at.out, moves[m].turn, day + 0.5 * span, k, model, table, at)
            add(at.out, to, table)
        else:
            leave_one_way(area, ratio, to, row, at.begun + p, at.stays, table)
        if several and turns:
            hazard = (at.area + e, ratio)
            turn_flow(hazard, at.out, to, moves[m].turn, day + 0.5 * span, k, model, table, at)


@_inner
def _ratio_over(move, era, early_left, span, mixed, table, at):  # type: ignore[no-untyped-def]
    """Row of the hazard ratio over a stretch; `mixed`, filled, if the early phase ends in it."""
    own_era = era * move.has_eras
    early, late = at.ratio + move.early + own_era, at.ratio + move.late + own_era
    if early_left <= 0.0 or early == late:
        return late
    if early_left >= span:
        return early
    share = np.float32(early_left / span)
    for d in range(table.shape[2]):
        table[mixed, 0, d] = share * table[early, 0, d] + (ONE - share) * table[late, 0, d]
    return mixed


@_inner
def _integrate(rate, edges, e, start, stop, out, table):  # type: ignore[no-untyped-def]
    """Fill row `out` with the integral over (start, stop] of intensity `e`; rates from `rate`."""
    last, j = edges.shape[1] - 2, 0
    while j < last and edges[e, j + 1] <= start:
        j += 1
    high = stop if j == last else min(stop, edges[e, j + 1])
    length = np.float32(high - start)
    for d in range(table.shape[2]):
        table[out, 0, d] = length * table[rate + j, 0, d]
    while high < stop:
        low, j = high, j + 1
        high = stop if j == last else min(stop, edges[e, j + 1])
        length = np.float32(high - low)
        for d in range(table.shape[2]):
            table[out, 0, d] += length * table[rate + j, 0, d]


@_inner
def _merge(now, n_live, buckets, model, table, used, at):  # type: ignore[no-untyped-def]
    """Retire those past the old age; join neighbours of one era that are nearly of one age."""
    low, high, middle, era, live = buckets
    places, kept = model[0], 0
    for index in range(n_live):
        b = live[index]
        age, in_use = now - middle[b], False
        for p in range(len(places)):
            row = at.mass + p * at.n_buckets
            if age >= places[p].old_age:
                pour(row + b, row + places[p].has_eras * era[b], table, used)
            in_use = in_use or used[row + b] == 1
        if not in_use:
            continue
        if kept > 0:
            a = live[kept - 1]
            near = high[b] - low[a] < _MERGE * (now - high[b])
            if near and a != at.n_old and era[a] == era[b]:
                ours = theirs = _SMALLEST
                for p in range(len(places)):
                    row = at.mass + p * at.n_buckets
                    ours += total_of(row + a, table)
                    theirs += total_of(row + b, table)
                    pour(row + b, row + a, table, used)
                middle[a] += theirs / (ours + theirs) * (middle[b] - middle[a])
                high[a] = high[b]
                continue
        live[kept] = b
        kept += 1
    return kept


@_inner
def _count(k, state, model, table, at, first, occupation, entries):  # type: ignore[no-untyped-def]
    """Write node `k`: entries, and from these who is where, everybody having been in `state`."""
    arcs, column, last = model[2], model[4], first + table.shape[2]
    for s in range(occupation.shape[1]):
        occupation[k, s, first:last] = ONE if s == state else ZERO
    entries[k, :, first:last] = ZERO
    for e in range(len(arcs)):
        if column[e] >= 0:
            add_to(entries[k, column[e], first:last], at.taken + e, table)
        if arcs[e, 0] != arcs[e, 1]:
            add_to(occupation[k, arcs[e, 1], first:last], at.taken + e, table)
    for e in range(len(arcs)):
        if arcs[e, 0] == arcs[e, 1]:
            continue
        left = occupation[k, arcs[e, 0], first:last]
        for d in range(table.shape[2]):  # rounding must not leave less than nothing
            left[d] = max(left[d] - table[at.taken + e, 0, d], ZERO)
