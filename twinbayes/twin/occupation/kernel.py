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
             window + 1), and each state's column of `entries`, -1 for those never left;
``buckets``  the time low to high in which each bucket filled, on average at middle; its era; and
             live: buckets of known age in use, oldest first. The first buckets are of those past
             the old age, one an era, the first also of places that keep no age; then comes that
             of the patient's own start, then one a step.
All are in this one file, because that cache does not see changes of a callee in another.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinbayes.machine.jit import inner, jit

WAVES: Final = 3
_MERGE: Final = 0.4  # buckets merge when their joint width falls below this share of their age
_SMALLEST: Final = np.float32(1e-30)  # so that shares of nobody are defined
_TINY: Final = 1e-5  # arrivals, on average over draws, who need not leave again in the same step

_ZERO, _ONE, _HALF, _EIGHTH = (np.float32(x) for x in (0.0, 1.0, 0.5, 0.125))
_C3, _C4, _C5 = (np.float32(1.0 / k) for k in (6, 24, 120))

_FAST: Final = {"contract", "nsz", "arcp", "reassoc"}
_jit = jit(fast=_FAST, nogil=True)
_inner = inner(fast=_FAST, nogil=True)


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
    low, high, middle, era, live = buckets
    at, n_steps, n_live = layout[0], len(nodes) - 1, 1
    is_final = not np.any(used[at.mass :] == 1)
    _count(0, state, model, table, at, first, occupation, entries)
    for k in range(n_steps):
        if not is_final:
            begin, end, fresh = nodes[k], nodes[k + 1], at.n_old + 1 + k
            low[fresh], high[fresh], era[fresh] = begin, end, eras[k]
            middle[fresh] = 0.5 * (begin + end)
            n_live = _force_starts(k, begin, fresh, n_live, buckets, model, table, used, at)
            when = (k, landmark, begin, end)
            _let_leave(when, n_live, buckets, model, table, used, at)
            arrived = _settle(when, fresh, eras[k], model, table, used, at)
            if arrived and (n_live == 0 or live[n_live - 1] != fresh):
                live[n_live] = fresh
                n_live += 1
            n_live = _merge(end, n_live, buckets, model, table, used, at)
        _count(k + 1, state, model, table, at, first, occupation, entries)


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
                _pour(source, at.mass + q * at.n_buckets + to, table, used)
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
                _clear(at.begun + p, table)
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
            if w < WAVES and _sum(row, table) > _TINY * table.shape[1]:
                _leave(q, row, era, w + 1, False, then, model, table, used, at)
            to = fresh if places[q].indexed_by != 0 else 0
            arrived = arrived or to == fresh
            _pour(row, at.mass + q * at.n_buckets + to, table, used)
    return arrived


@_inner
def _leave(p, row, era, w, is_aged, then, model, table, used, at):  # type: ignore[no-untyped-def]
    """Exits from place `p` over a stretch, of the mass in `row` and of those who have just begun.

    `then` is the step, the first day of the stretch, their age on it (since what the place is aged
    by), and its length. Who leaves arrives as wave `w`, or keeps the age if treated (`is_aged`).
    """
    places, moves, _, edges, _ = model
    k, day, age, span = then
    n_open = area = ratio = 0
    early_left, mixed = places[p].early_days - age, at.mixed - places[p].first_move
    for m in range(places[p].first_move, places[p].end_move):
        if moves[m].is_open == 0:
            continue
        e, last_area, last_ratio = moves[m].intensity, area, ratio
        area = at.area + e
        if used[area] == 0:
            first = age if moves[m].on_entry_clock == 1 else day
            _integrate(at.rate + e * at.n_windows, edges, e, first, first + span, area, table)
            if moves[m].follows >= 0:
                _product(area, at.trail + moves[m].follows * at.n_steps + k, area, table)
            used[area] = 1
        ratio = _ratio_over(moves[m], era, early_left, span, mixed + m, table, at)
        if n_open == 1:
            _two_products(last_area, last_ratio, area, ratio, at.out, table)
        elif n_open > 1:
            _add_product(area, ratio, at.out, table)
        n_open += 1
    if n_open == 0:
        _add(at.begun + p, row, table)
        return
    if n_open > 1:
        _survive(at.out, row, at.begun + p, table)
    for m in range(places[p].first_move, places[p].end_move):
        if moves[m].is_open == 0:
            continue
        e, q = moves[m].intensity, moves[m].target
        to = at.taken + e if q < 0 else at.wave + w * len(places) + q
        if is_aged and moves[m].keeps_bucket == 1:
            to = at.begun + q
        used[to] = 1
        is_counted = q >= 0 and moves[m].treatment < 0
        ratio = _ratio_over(moves[m], era, early_left, span, mixed + m, table, at)
        if n_open > 1 and is_counted:
            _flow_twice(at.area + e, ratio, at.out, at.taken + e, to, table)
        elif n_open > 1:
            _flow(at.area + e, ratio, at.out, to, table)
        elif is_counted:
            _clear(at.out, table)
            _leave_one_way(area, ratio, at.out, row, at.begun + p, table)
            _add(at.out, at.taken + e, table)
            _add(at.out, to, table)
        else:
            _leave_one_way(area, ratio, to, row, at.begun + p, table)


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
    for d in range(table.shape[1]):
        table[mixed, d] = share * table[early, d] + (_ONE - share) * table[late, d]
    return mixed


@_inner
def _integrate(rate, edges, e, start, stop, out, table):  # type: ignore[no-untyped-def]
    """Fill row `out` with the integral over (start, stop] of intensity `e`; rates from `rate`."""
    last, j = edges.shape[1] - 2, 0
    while j < last and edges[e, j + 1] <= start:
        j += 1
    high = stop if j == last else min(stop, edges[e, j + 1])
    length = np.float32(high - start)
    for d in range(table.shape[1]):
        table[out, d] = length * table[rate + j, d]
    while high < stop:
        low, j = high, j + 1
        high = stop if j == last else min(stop, edges[e, j + 1])
        length = np.float32(high - low)
        for d in range(table.shape[1]):
            table[out, d] += length * table[rate + j, d]


@_inner
def _stay(x):  # type: ignore[no-untyped-def]
    """exp(-x / 2), and who leaves in that half for each unit of cumulative hazard.

    With y = x / 8: exp(y) = 1 + y q by its Taylor polynomial of degree 5, relative error < 1e-6 for
    x < 2; then (1 - exp(-2 y)) / 2 y = (1 - exp(-y)) / y (1 + exp(-y)) / 2.
    """
    y = _EIGHTH * x
    q = _ONE + y * (_HALF + y * (_C3 + y * (_C4 + y * _C5)))
    s = _ONE / (_ONE + y * q)
    g = _HALF * q * s * (_ONE + s)
    s = s * s
    return s * s, _HALF * (_HALF * g * (_ONE + s))


@_inner
def _survive(total, mass, begun, table):  # type: ignore[no-untyped-def]
    """Let `mass` and, from the middle of the stretch on, `begun` stay with exp(-total).

    On return, `mass` holds who stays, and `total` who leaves for each unit of cumulative hazard.
    """
    for d in range(table.shape[1]):
        s, g = _stay(table[total, d])
        m, f = table[mass, d], table[begun, d]
        table[total, d] = g * (m + m * s + f)
        table[mass, d] = s * (m * s + f)


@_inner
def _leave_one_way(area, ratio, out, mass, begun, table):  # type: ignore[no-untyped-def]
    """Let leave those who have one way to go; they add to `out`."""
    for d in range(table.shape[1]):
        x = table[area, d] * table[ratio, d]
        s, g = _stay(x)
        m, f = table[mass, d], table[begun, d]
        table[out, d] += x * g * (m + m * s + f)
        table[mass, d] = s * (m * s + f)


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
                _pour(row + b, row + places[p].has_eras * era[b], table, used)
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
                    ours += _sum(row + a, table)
                    theirs += _sum(row + b, table)
                    _pour(row + b, row + a, table, used)
                middle[a] += theirs / (ours + theirs) * (middle[b] - middle[a])
                high[a] = high[b]
                continue
        live[kept] = b
        kept += 1
    return kept


@_inner
def _pour(a, b, table, used):  # type: ignore[no-untyped-def]
    """Empty row `a` into row `b`."""
    if used[a] == 1:
        _add(a, b, table)
        used[b] = 1
        _clear(a, table)
        used[a] = 0


@_inner
def _count(k, state, model, table, at, first, occupation, entries):  # type: ignore[no-untyped-def]
    """Write node `k`: entries, and from these who is where, everybody having been in `state`."""
    arcs, column, last = model[2], model[4], first + table.shape[1]
    for s in range(occupation.shape[1]):
        occupation[k, s, first:last] = _ONE if s == state else _ZERO
    entries[k, :, first:last] = _ZERO
    for e in range(len(arcs)):
        _add_to(occupation[k, arcs[e, 1], first:last], at.taken + e, table)
        if column[arcs[e, 1]] >= 0:
            _add_to(entries[k, column[arcs[e, 1]], first:last], at.taken + e, table)
    for e in range(len(arcs)):
        left = occupation[k, arcs[e, 0], first:last]
        for d in range(table.shape[1]):  # rounding must not leave less than nothing
            left[d] = max(left[d] - table[at.taken + e, d], _ZERO)


@_inner
def _add_to(out, row, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        out[d] += table[row, d]


@_inner
def _sum(row, table):  # type: ignore[no-untyped-def]
    total = _ZERO
    for d in range(table.shape[1]):
        total += table[row, d]
    return total


@_inner
def _clear(row, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        table[row, d] = _ZERO


@_inner
def _add(row, out, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        table[out, d] += table[row, d]


@_inner
def _product(a, b, out, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        table[out, d] = table[a, d] * table[b, d]


@_inner
def _two_products(a, b, c, e, out, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        table[out, d] = table[a, d] * table[b, d] + table[c, d] * table[e, d]


@_inner
def _add_product(a, b, out, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        table[out, d] += table[a, d] * table[b, d]


@_inner
def _flow(area, ratio, leaving, out, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        table[out, d] += table[area, d] * table[ratio, d] * table[leaving, d]


@_inner
def _flow_twice(area, ratio, leaving, out, also, table):  # type: ignore[no-untyped-def]
    for d in range(table.shape[1]):
        x = table[area, d] * table[ratio, d] * table[leaving, d]
        table[out, d] += x
        table[also, d] += x
