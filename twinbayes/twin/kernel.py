"""State occupation of one patient over time, for a block of posterior draws at once.

Mass flows between places by exact competing exits within each step of a time grid. What
arrives during a step can leave again in the same step: the n-th move of a step is given the
remaining time dt / (n + 1), which reproduces the Taylor series of the exact solution to third
order. Occupants of places that depend on age are kept in buckets, merged as they grow old.
All inner loops run over draws, so that they vectorise.
"""

from __future__ import annotations

import numba
import numpy as np

_WAVES = 3
_MERGE = 0.2  # buckets merge when their joint width falls below this share of their age

_jit = numba.njit(
    cache=True, error_model="numpy", nogil=True, fastmath={"contract", "nsz", "arcp", "reassoc"}
)


_ONE = np.float32(1.0)
_EIGHTH = np.float32(0.125)
_C2, _C3, _C4, _C5 = (np.float32(1.0 / k) for k in (2, 6, 24, 120))
_C6, _C7 = np.float32(1.0 / 720), np.float32(1.0 / 5040)
_SMALL = np.float32(0.25)


@_jit
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


@_jit
def _add_hazard(out, total, rate, edges, start, stop, ratio, share, fresh):  # type: ignore[no-untyped-def]
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


@_jit
def _exits(  # type: ignore[no-untyped-def]
    place,
    day,
    age,
    span,
    chart,
    rate,
    edges,
    early_ratio,
    late_ratio,
    open_move,
    hazard,
    total,
    stay,
    leave,
):
    """Hazards of every move out of a place over (day, day + span], and the exit fractions.

    `age` is the age of the bucket at `day` (since entry or start, whichever it is kept by).
    """
    (move_start, move_intensity, on_entry, indexed_by, early_days) = chart
    total[:] = 0.0
    first = move_start[place]
    for m in range(first, move_start[place + 1]):
        if open_move[m] == 0:
            continue
        out = hazard[m - first]
        e = move_intensity[m]
        start = age if on_entry[m] == 1 else day
        if indexed_by[place] == 2 and age < early_days[place]:
            share = min(1.0, (early_days[place] - age) / span)
            _add_hazard(
                out, total, rate[e], edges[e], start, start + span, early_ratio[m], share, True
            )
            if share < 1.0:
                _add_hazard(
                    out,
                    total,
                    rate[e],
                    edges[e],
                    start,
                    start + span,
                    late_ratio[m],
                    1 - share,
                    False,
                )
        else:
            _add_hazard(
                out, total, rate[e], edges[e], start, start + span, late_ratio[m], 1.0, True
            )
    _survive(total, stay, leave)


@_jit
def _flow(mass, hazard, leave, out):  # type: ignore[no-untyped-def]
    for d in range(len(mass)):
        out[d] = mass[d] * hazard[d] * leave[d]


@_jit
def _add(out, values):  # type: ignore[no-untyped-def]
    for d in range(len(out)):
        out[d] += values[d]


@_jit
def _scale(mass, stay):  # type: ignore[no-untyped-def]
    for d in range(len(mass)):
        mass[d] *= stay[d]


@_jit
def occupy(  # type: ignore[no-untyped-def]
    nodes,
    landmark,
    place,
    bucket_age,
    start_state,
    place_state,
    indexed_by,
    old_age,
    early_days,
    move_start,
    move_intensity,
    on_entry,
    target,
    keeps,
    treatment,
    rate,
    edges,
    early_ratio,
    late_ratio,
    policy,
    forced_step,
    forced_state,
    occupation,
    entries,
):
    """Fill `occupation` and `entries` (node, state, draw) for one patient.

    Parameters
    ----------
    nodes
        Days since the landmark, from 0; the grid of steps.
    landmark
        Day of the landmark since origin.
    place, bucket_age
        Place of the patient at the landmark and the age kept there; place -1 if the patient is
        in the absorbing state `start_state`.
    policy
        Per treatment, 1 if it starts by the registry's own intensities.
    forced_step, forced_state
        Per treatment, the node at which a scenario starts it (-1: never), and per (treatment,
        state) whether it does so in that state.
    """
    chart = (move_start, move_intensity, on_entry, indexed_by, early_days)
    n_steps, n_states, n_draws = len(nodes) - 1, occupation.shape[1], occupation.shape[2]
    n_places = len(place_state)
    n_moves = int(np.max(move_start[1:] - move_start[:-1])) if n_places else 1
    open_move = np.ones(len(target), dtype=np.int64)
    for m in range(len(target)):
        if treatment[m] >= 0 and policy[treatment[m]] == 0:
            open_move[m] = 0
    occupation[:] = 0.0
    entries[:] = 0.0
    if place < 0:
        occupation[:, start_state] = 1.0
        return
    # Bucket 0 holds the old and whoever needs no age; bucket 1 the patient's own start.
    capacity = n_steps + 3
    mass = np.zeros((n_places, capacity, n_draws), dtype=np.float32)
    low = np.zeros(capacity)
    high = np.zeros(capacity)
    live = np.zeros(capacity, dtype=np.int64)
    n_live = 1
    low[1] = high[1] = -bucket_age
    live[0] = 1
    used = np.zeros((n_places, capacity), dtype=np.int64)
    first_bucket = 0 if indexed_by[place] == 0 or bucket_age >= old_age[place] else 1
    mass[place, first_bucket] = 1.0
    used[place, first_bucket] = 1
    absorbed = np.zeros((n_states, n_draws), dtype=np.float32)
    entered = np.zeros((n_states, n_draws), dtype=np.float32)
    wave = np.zeros((_WAVES + 1, n_places, n_draws), dtype=np.float32)
    wave_used = np.zeros((_WAVES + 1, n_places), dtype=np.int64)
    hazard = np.empty((n_moves, n_draws), dtype=np.float32)
    again = np.empty((n_moves, n_draws), dtype=np.float32)
    total = np.empty(n_draws, dtype=np.float32)
    stay = np.empty(n_draws, dtype=np.float32)
    leave = np.empty(n_draws, dtype=np.float32)
    flow = np.empty(n_draws, dtype=np.float32)
    flow_on = np.empty(n_draws, dtype=np.float32)
    stay_on = np.empty(n_draws, dtype=np.float32)
    leave_on = np.empty(n_draws, dtype=np.float32)
    occupation[0, place_state[place]] = 1.0
    for k in range(n_steps):
        begin, span = nodes[k], nodes[k + 1] - nodes[k]
        day = landmark + begin
        fresh = k + 2
        low[fresh], high[fresh] = begin, begin + span
        # --- starts forced by a scenario -----------------------------------------------
        for p in range(n_places):
            for m in range(move_start[p], move_start[p + 1]):
                z = treatment[m]
                if z < 0 or forced_step[z] != k or forced_state[z, place_state[p]] == 0:
                    continue
                q = target[m]
                for b in range(k + 2):
                    if used[p, b] == 0:
                        continue
                    to = b if keeps[m] == 1 else (fresh if indexed_by[q] != 0 else 0)
                    if to == fresh:
                        # the whole bucket starts at this node, not spread over the step
                        low[fresh] = high[fresh] = begin
                    _add(mass[q, to], mass[p, b])
                    used[q, to] = 1
                    mass[p, b] = 0.0
                    used[p, b] = 0
        # --- those in place at the start of the step -----------------------------------
        if low[fresh] == high[fresh]:
            live[n_live] = fresh
            n_live += 1
        for p in range(n_places):
            for index in range(-1, n_live):
                b = 0 if index < 0 else live[index]
                if used[p, b] == 0:
                    continue
                age = old_age[p] if b == 0 else begin - 0.5 * (low[b] + high[b])
                _exits(
                    p,
                    day,
                    age,
                    span,
                    chart,
                    rate,
                    edges,
                    early_ratio,
                    late_ratio,
                    open_move,
                    hazard,
                    total,
                    stay,
                    leave,
                )
                first = move_start[p]
                for m in range(first, move_start[p + 1]):
                    if open_move[m] == 0:
                        continue
                    _flow(mass[p, b], hazard[m - first], leave, flow)
                    q = target[m]
                    if q < 0:
                        _add(absorbed[-1 - q], flow)
                        _add(entered[-1 - q], flow)
                        continue
                    if treatment[m] < 0:
                        _add(entered[place_state[q]], flow)
                    if keeps[m] == 0:
                        _add(wave[0, q], flow)
                        wave_used[0, q] = 1
                        continue
                    # a treatment started here, age kept: the rest of the step under treatment
                    half = 0.5 * span
                    _exits(
                        q,
                        day + half,
                        age + half,
                        half,
                        chart,
                        rate,
                        edges,
                        early_ratio,
                        late_ratio,
                        open_move,
                        again,
                        total,
                        stay_on,
                        leave_on,
                    )
                    for n in range(move_start[q], move_start[q + 1]):
                        if open_move[n] == 0:
                            continue
                        _flow(flow, again[n - move_start[q]], leave_on, flow_on)
                        r = target[n]
                        if r < 0:
                            _add(absorbed[-1 - r], flow_on)
                            _add(entered[-1 - r], flow_on)
                        else:
                            if treatment[n] < 0:
                                _add(entered[place_state[r]], flow_on)
                            _add(wave[1, r], flow_on)
                            wave_used[1, r] = 1
                    _scale(flow, stay_on)
                    _add(mass[q, b], flow)
                    used[q, b] = 1
                _scale(mass[p, b], stay)
        # --- those who arrive during the step ------------------------------------------
        arrived = False
        for w in range(_WAVES + 1):
            for q in range(n_places):
                if wave_used[w, q] == 0:
                    continue
                to = fresh if indexed_by[q] != 0 else 0
                if w < _WAVES:
                    rest = span / (w + 2)
                    _exits(
                        q,
                        day + span - rest,
                        0.0,
                        rest,
                        chart,
                        rate,
                        edges,
                        early_ratio,
                        late_ratio,
                        open_move,
                        hazard,
                        total,
                        stay,
                        leave,
                    )
                    first = move_start[q]
                    for m in range(first, move_start[q + 1]):
                        if open_move[m] == 0:
                            continue
                        _flow(wave[w, q], hazard[m - first], leave, flow)
                        r = target[m]
                        if r < 0:
                            _add(absorbed[-1 - r], flow)
                            _add(entered[-1 - r], flow)
                        else:
                            if treatment[m] < 0:
                                _add(entered[place_state[r]], flow)
                            _add(wave[w + 1, r], flow)
                            wave_used[w + 1, r] = 1
                    _scale(wave[w, q], stay)
                _add(mass[q, to], wave[w, q])
                used[q, to] = 1
                arrived = arrived or to == fresh
                wave[w, q] = 0.0
                wave_used[w, q] = 0
        if arrived and (n_live == 0 or live[n_live - 1] != fresh):
            live[n_live] = fresh
            n_live += 1
        n_live = _merge(begin + span, mass, used, low, high, live, n_live, old_age, indexed_by)
        # --- read out ------------------------------------------------------------------
        for p in range(n_places):
            for index in range(-1, n_live):
                b = 0 if index < 0 else live[index]
                if used[p, b] == 1:
                    _add(occupation[k + 1, place_state[p]], mass[p, b])
        for s in range(n_states):
            _add(occupation[k + 1, s], absorbed[s])
            _add(entries[k + 1, s], entered[s])


@_jit
def _merge(now, mass, used, low, high, live, n_live, old_age, indexed_by):  # type: ignore[no-untyped-def]
    """Move occupants past the old age to bucket 0; join neighbours that are nearly of one age."""
    n_places = mass.shape[0]
    kept = 0
    for index in range(n_live):
        b = live[index]
        age = now - 0.5 * (low[b] + high[b])
        anyone = False
        for p in range(n_places):
            if used[p, b] == 0:
                continue
            if age >= old_age[p]:
                _add(mass[p, 0], mass[p, b])
                used[p, 0] = 1
                mass[p, b] = 0.0
                used[p, b] = 0
            else:
                anyone = True
        if not anyone:
            continue
        if kept > 0:
            a = live[kept - 1]
            # Bucket 1 is the patient's own start, known exactly: never blurred.
            if a != 1 and high[b] - low[a] < _MERGE * (now - high[b]):
                for p in range(n_places):
                    if used[p, b] == 1:
                        _add(mass[p, a], mass[p, b])
                        used[p, a] = 1
                        mass[p, b] = 0.0
                        used[p, b] = 0
                high[a] = high[b]
                continue
        live[kept] = b
        kept += 1
    return kept
