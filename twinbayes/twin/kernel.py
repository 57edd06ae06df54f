"""State occupation of one patient over time, for a block of posterior draws at once.

Mass flows between places by exact competing exits within each step of a time grid. What
arrives during a step can leave again in the same step: the n-th move of a step is given the
remaining time dt / (n + 1), which reproduces the Taylor series of the exact solution to third
order. Occupants of places that depend on age are kept in buckets, merged as they grow old.
All inner loops run over draws, so that they vectorise.

Compiled functions pass plain tuples of arrays among each other (named ones would be pickled by
class into numba's disk cache, and stale caches would fail to load):

``model``    places, moves, and hazards: rate (intensity, window, draw), edges (intensity,
             window + 1), and the hazard ratios early, late (move, draw);
``crowd``    mass (place, bucket, draw), used (place, bucket), the time low to high in which each
             bucket filled, and live: buckets in use but the first, oldest first;
``flows``    entered (state, draw), and the arrivals of one step: wave (wave, place, draw), waving
             (wave, place);
``exits``    of one place over a stretch: hazard (move, draw), total, stay, leave, flow (draw,).

All are in this one file, because that cache does not see changes of a callee in another.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

_WAVES: Final = 3
_MERGE: Final = 0.2  # buckets merge when their joint width falls below this share of their age
_OLD: Final = 0  # bucket of those past the old age, and of places that keep no age
_OWN: Final = 1  # bucket of the patient's own start, known exactly

_ONE, _SMALL, _EIGHTH = (np.float32(x) for x in (1.0, 0.25, 0.125))
_C2, _C3, _C4, _C5, _C6, _C7 = (np.float32(1.0 / k) for k in (2, 6, 24, 120, 720, 5040))

_FAST: Final = {"contract", "nsz", "arcp", "reassoc"}
_OPTIONS: Any = {"error_model": "numpy", "nogil": True, "fastmath": _FAST}
_jit = numba.njit(cache=True, **_OPTIONS)
# Called from compiled code only: without the wrappers that compile as long as the code itself.
_inner = numba.njit(**_OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True})


@_jit
def occupy(nodes, landmark, place, age, start_state, model, occupation, entries):  # type: ignore[no-untyped-def]
    """Fill `occupation` and `entries` (node, state, draw) for one patient.

    Parameters
    ----------
    nodes
        Days since the landmark, from 0; the grid of steps.
    landmark
        Day of the landmark since origin.
    place, age
        Place of the patient at the landmark and the age kept there; place -1 if the patient is
        in the absorbing state `start_state`.
    start_state
        State of the patient at the landmark.
    model
        The places and moves of the graph, see `chart.Chart`; and this patient's `hazards`.
        `moves` also carries the scenario: a start that is not `is_open` happens at node
        `forced_step` instead (-1: never).
    """
    n_steps, n_states, n_draws = len(nodes) - 1, occupation.shape[1], occupation.shape[2]
    entered = np.zeros((n_states, n_draws), dtype=np.float32)
    for k in range(n_steps + 1 if place < 0 else 1):
        entries[k], occupation[k] = entered, entered
        occupation[k, start_state] = 1.0
    if place < 0:
        return
    places, moves, _ = model
    crowd = _one_patient(place, age, n_steps, n_draws, places)
    _, _, low, high, live = crowd
    flows = (
        entered,
        np.zeros((_WAVES + 1, len(places), n_draws), dtype=np.float32),
        np.zeros((_WAVES + 1, len(places)), dtype=np.int64),
    )
    n_moves = 0
    for p in range(len(places)):
        n_moves = max(n_moves, places[p].end_move - places[p].first_move)
    first, second = _workspace(n_moves, n_draws), _workspace(n_moves, n_draws)
    n_live = 1
    for k in range(n_steps):
        begin, end = nodes[k], nodes[k + 1]
        fresh = k + 2
        low[fresh], high[fresh] = begin, end
        n_live = _force_starts(k, begin, n_live, crowd, places, moves)
        _let_leave(landmark, begin, end, n_live, crowd, flows, model, first, second)
        arrived = _settle(landmark + end, end - begin, fresh, crowd, flows, model, first)
        if arrived and (n_live == 0 or live[n_live - 1] != fresh):
            live[n_live] = fresh
            n_live += 1
        n_live = _merge(end, n_live, crowd, places)
        _count(n_live, crowd, places, entered, occupation[k + 1], entries[k + 1])


@_inner
def _one_patient(place, age, n_steps, n_draws, places):  # type: ignore[no-untyped-def]
    """Room for every bucket there can be, with one patient in it."""
    n_buckets = n_steps + 3
    mass = np.zeros((len(places), n_buckets, n_draws), dtype=np.float32)
    used = np.zeros((len(places), n_buckets), dtype=np.int64)
    low, high = np.zeros(n_buckets), np.zeros(n_buckets)
    live = np.zeros(n_buckets, dtype=np.int64)
    low[_OWN] = high[_OWN] = -age
    live[0] = _OWN
    ageless = places[place].indexed_by == 0 or age >= places[place].old_age
    bucket = _OLD if ageless else _OWN
    mass[place, bucket] = 1.0
    used[place, bucket] = 1
    return mass, used, low, high, live


@_inner
def _workspace(n_moves, n_draws):  # type: ignore[no-untyped-def]
    hazard = np.empty((n_moves, n_draws), dtype=np.float32)
    rows = np.empty((4, n_draws), dtype=np.float32)
    return hazard, rows[0], rows[1], rows[2], rows[3]


@_inner
def _force_starts(k, begin, n_live, crowd, places, moves):  # type: ignore[no-untyped-def]
    """Start what the scenario starts at node `k`; return the number of live buckets.

    Places come with more treatments started first; going through them backwards lets two
    treatments start on one day.
    """
    _, used, low, high, live = crowd
    fresh = k + 2
    for p in range(len(places) - 1, -1, -1):
        for m in range(places[p].first_move, places[p].end_move):
            if moves[m].forced_step != k:
                continue
            q = moves[m].target
            for b in range(fresh + 1):
                if used[p, b] == 0:
                    continue
                to = b
                if moves[m].keeps_bucket == 0:
                    to = fresh if places[q].indexed_by != 0 else _OLD
                if to == fresh:  # they start at this node, not spread over the step
                    low[fresh] = high[fresh] = begin
                _pour(p, b, q, to, crowd)
    if low[fresh] == high[fresh]:
        live[n_live] = fresh
        n_live += 1
    return n_live


@_inner
def _let_leave(landmark, begin, end, n_live, crowd, flows, model, first, second):  # type: ignore[no-untyped-def]
    """Exits of those in place at the start of a step."""
    mass, used, low, high, live = crowd
    hazard, _, stay, leave, flow = first
    places, moves, _ = model
    day, span, half = landmark + begin, end - begin, 0.5 * (end - begin)
    for p in range(len(places)):
        first_move, end_move = places[p].first_move, places[p].end_move
        for index in range(-1, n_live):
            b = _OLD if index < 0 else live[index]
            if used[p, b] == 0:
                continue
            age = places[p].old_age if b == _OLD else begin - 0.5 * (low[b] + high[b])
            _exits(p, day, age, span, model, first)
            for m in range(first_move, end_move):
                if moves[m].is_open == 0:
                    continue
                _flow(mass[p, b], hazard[m - first_move], leave, flow)
                if moves[m].keeps_bucket == 0:
                    _send(m, 0, flow, flows, places, moves)
                    continue
                # A treatment started here, age kept: the rest of the step under treatment.
                q = moves[m].target
                _disperse(
                    q, flow, 1, b, (day + half, age + half, half), crowd, flows, model, second
                )
                _add(mass[q, b], flow)
                used[q, b] = 1
            _scale(mass[p, b], stay)


@_inner
def _settle(day_end, span, fresh, crowd, flows, model, exits):  # type: ignore[no-untyped-def]
    """Let those who arrived during the step leave again; return whether some have an age."""
    mass, used, _, _, _ = crowd
    _, wave, waving = flows
    places, _, _ = model
    arrived = False
    for w in range(_WAVES + 1):
        for q in range(len(places)):
            if waving[w, q] == 0:
                continue
            if w < _WAVES:
                rest = span / (w + 2)
                then = (day_end - rest, 0.0, rest)
                _disperse(q, wave[w, q], w + 1, -1, then, crowd, flows, model, exits)
            to = fresh if places[q].indexed_by != 0 else _OLD
            _add(mass[q, to], wave[w, q])
            used[q, to] = 1
            arrived = arrived or to == fresh
            _clear(wave[w, q])
            waving[w, q] = 0
    return arrived


@_inner
def _disperse(p, some, w, b, then, crowd, flows, model, exits):  # type: ignore[no-untyped-def]
    """Exits of `some` mass from place `p`; what leaves arrives as wave `w` of this step.

    `then` is the day, their age, and how long the rest of the step is. Those who start a
    treatment and keep their age go to bucket `b`, if that is not negative.
    """
    mass, used, _, _, _ = crowd
    hazard, _, stay, leave, flow = exits
    places, moves, _ = model
    day, age, rest = then
    _exits(p, day, age, rest, model, exits)
    first_move = places[p].first_move
    for m in range(first_move, places[p].end_move):
        if moves[m].is_open == 0:
            continue
        _flow(some, hazard[m - first_move], leave, flow)
        if b >= 0 and moves[m].keeps_bucket == 1:
            _add(mass[moves[m].target, b], flow)
            used[moves[m].target, b] = 1
        else:
            _send(m, w, flow, flows, places, moves)
    _scale(some, stay)


@_inner
def _exits(p, day, age, span, model, out):  # type: ignore[no-untyped-def]
    """Hazards of every open move out of place `p` over (day, day + span], and exit fractions.

    `age` is the age of the bucket at `day`, since entry or since a treatment start, whichever
    the place is aged by. Where it is a start, `share` of the stretch is in the early phase.
    """
    places, moves, (rates, edges, early, late) = model
    hazard, total, stay, leave, _ = out
    _clear(total)
    first_move = places[p].first_move
    share = min(1.0, max(0.0, (places[p].early_days - age) / span))
    for m in range(first_move, places[p].end_move):
        if moves[m].is_open == 0:
            continue
        e = moves[m].intensity
        start = age if moves[m].on_entry_clock == 1 else day
        stop = start + span
        rate, edge, row = rates[e], edges[e], hazard[m - first_move]
        if share > 0.0:
            _integrate(rate, edge, start, stop, early[m], share, True, row, total)
        if share < 1.0:
            _integrate(rate, edge, start, stop, late[m], 1.0 - share, share == 0.0, row, total)
    _survive(total, stay, leave)


@_inner
def _integrate(rate, edges, start, stop, ratio, share, fresh, out, total):  # type: ignore[no-untyped-def]
    """Add share * ratio * integral of the rate over (start, stop] to `out` and to `total`.

    `fresh` says that `out` holds nothing yet.
    """
    j = max(np.searchsorted(edges, start, side="right") - 1, 0)
    last = rate.shape[0] - 1
    low = start
    while True:
        j = min(j, last)
        high = stop if j == last or edges[j + 1] > stop else edges[j + 1]
        length = np.float32(share * (high - low))
        row = rate[j]
        if fresh:
            for d in range(len(out)):
                x = length * row[d] * ratio[d]
                out[d] = x
                total[d] += x
            fresh = False
        else:
            for d in range(len(out)):
                x = length * row[d] * ratio[d]
                out[d] += x
                total[d] += x
        if high >= stop:
            return
        low = high
        j += 1


@_inner
def _survive(total, stay, leave):  # type: ignore[no-untyped-def]
    """Stay = exp(-total); leave = (1 - stay) / total, without a call to exp.

    exp(x) = (Taylor polynomial of degree 5 at x / 8) ** 8; relative error < 1e-6 for x < 2.
    """
    for d in range(len(total)):
        x = total[d]
        y = _EIGHTH * x
        p = _ONE + y * (_ONE + y * (_C2 + y * (_C3 + y * (_C4 + y * _C5))))
        p = p * p
        p = p * p
        s = _ONE / (p * p)
        stay[d] = s
        series = _ONE - x * (_C2 - x * (_C3 - x * (_C4 - x * (_C5 - x * (_C6 - x * _C7)))))
        direct = (_ONE - s) / max(x, _SMALL)
        leave[d] = series if x < _SMALL else direct


@_inner
def _send(m, w, flow, flows, places, moves):  # type: ignore[no-untyped-def]
    """Book mass that takes move `m`: absorbed, or arriving as wave `w` of this step."""
    entered, wave, waving = flows
    q = moves[m].target
    if q < 0:
        _add(entered[-1 - q], flow)
        return
    if moves[m].treatment < 0:
        _add(entered[places[q].state], flow)
    _add(wave[w, q], flow)
    waving[w, q] = 1


@_inner
def _merge(now, n_live, crowd, places):  # type: ignore[no-untyped-def]
    """Move those past the old age to `_OLD`; join neighbours that are nearly of one age."""
    _, used, low, high, live = crowd
    kept = 0
    for index in range(n_live):
        b = live[index]
        age = now - 0.5 * (low[b] + high[b])
        for p in range(len(places)):
            if age >= places[p].old_age:
                _pour(p, b, p, _OLD, crowd)
        if not used[:, b].any():
            continue
        if kept > 0:
            a = live[kept - 1]
            if a != _OWN and high[b] - low[a] < _MERGE * (now - high[b]):
                for p in range(len(places)):
                    _pour(p, b, p, a, crowd)
                high[a] = high[b]
                continue
        live[kept] = b
        kept += 1
    return kept


@_inner
def _pour(p, b, q, to, crowd):  # type: ignore[no-untyped-def]
    """Empty bucket `b` of place `p` into bucket `to` of place `q`."""
    mass, used, _, _, _ = crowd
    if used[p, b] == 1:
        _add(mass[q, to], mass[p, b])
        used[q, to] = 1
        _clear(mass[p, b])
        used[p, b] = 0


@_inner
def _count(n_live, crowd, places, entered, occupation, entries):  # type: ignore[no-untyped-def]
    """Write the results of a step; whoever has entered an absorbing state is still there."""
    mass, used, _, _, live = crowd
    for s in range(len(entered)):
        for d in range(entered.shape[1]):
            entries[s, d] = entered[s, d]
            occupation[s, d] = entered[s, d]
    for p in range(len(places)):
        _clear(occupation[places[p].state])
    for p in range(len(places)):
        for index in range(-1, n_live):
            b = _OLD if index < 0 else live[index]
            if used[p, b] == 1:
                _add(occupation[places[p].state], mass[p, b])


@_inner
def _clear(out):  # type: ignore[no-untyped-def]
    # Loops like these vectorise; assignments to slices do not.
    for d in range(len(out)):
        out[d] = np.float32(0.0)


@_inner
def _flow(mass, hazard, leave, out):  # type: ignore[no-untyped-def]
    for d in range(len(mass)):
        out[d] = mass[d] * hazard[d] * leave[d]


@_inner
def _add(out, values):  # type: ignore[no-untyped-def]
    for d in range(len(out)):
        out[d] += values[d]


@_inner
def _scale(mass, stay):  # type: ignore[no-untyped-def]
    for d in range(len(mass)):
        mass[d] *= stay[d]
