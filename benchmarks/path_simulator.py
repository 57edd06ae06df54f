"""Paths of one patient drawn one by one, and curves that turn along each: brute force.

Nothing of the forecast kernel is used: hazards are read off a draw, event times inverted between
the days on which some hazard changes, and every curve follows the events of its own path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twinbayes.model.courses.graph import HERE_EARLY, HERE_LATE, StateGraph
from twinbayes.model.courses.history import phase_of
from twinbayes.names import CLOCK_ENTRY, DAYS_PER_YEAR
from twinbayes.twin import Scenario, Twin

Floats = np.ndarray


@dataclass(frozen=True)
class Paths:
    """Paths seen at times: states (time, path), and first days of what happens, (path,) each."""

    times: Floats
    step: float
    state: np.ndarray
    first: dict[str, Floats]


def next_edge(edges: Floats, clock: Floats) -> tuple[np.ndarray, Floats]:
    """Window that each clock is in, and how long it stays there."""
    window = np.searchsorted(edges, clock, side="right") - 1
    following = np.append(edges, np.inf)[window + 1]
    return window, following - clock


def ratio_of(graph: StateGraph, ratios: Floats, label: str, phases: dict[str, str]) -> float:
    """Product of the treatment effects on one intensity in these phases."""
    out = 1.0
    for k, effect in enumerate(graph.effects):
        if effect.transition == label and phases.get(effect.treatment) == effect.phase:
            out *= ratios[k]
    return out


def draw_paths(
    twin: Twin,
    i: int,
    scenario: Scenario,
    until: float,
    draw: int,
    n_paths: int,
    generator: np.random.Generator,
    n_times: int = 600,
) -> Paths:
    """Draw paths of patient `i` from the landmark on, under one draw of the posterior."""
    graph, present, drawn = twin.graph, twin.present[i], twin.patient_draws(i)
    hazard = drawn.ratios.hazard[:, draw]
    effect = drawn.ratios.effect[:, draw]
    eras, n_effects = graph.entry_eras, len(graph.effects)
    treatments = [t.name for t in graph.treatments]
    speaks = {a.treatment: a for a in scenario.assumptions}
    state = np.full(n_paths, graph.states.index(present.state))
    day, entry = np.full(n_paths, present.day), np.full(n_paths, present.entry)
    start = np.full((len(treatments), n_paths), np.inf)
    left = np.zeros((len(treatments), n_paths), dtype=bool)
    for name, when, gone in present.started:
        start[treatments.index(name)], left[treatments.index(name)] = when, gone
    first: dict[str, Floats] = {}
    times = present.day + until * (np.arange(n_times) + 0.5) / n_times
    changed = np.full((n_times, n_paths), -1, dtype=np.int16)
    changed[0] = state
    end = present.day + until
    forced = {n: a.day for n, a in speaks.items() if a.day is not None}
    pending = {n: np.ones(n_paths, dtype=bool) for n in forced}

    def begin(name: str, who: np.ndarray) -> None:
        start[treatments.index(name), who] = day[who]
        first.setdefault(name, np.full(n_paths, np.inf))
        first[name][who] = np.minimum(first[name][who], day[who])

    while True:
        for name, when in forced.items():
            on = np.flatnonzero(pending[name] & (day >= when))
            pending[name][on] = False
            can = [s.source for s in graph.treatment(name).starts]
            states = [graph.states.index(s) for s in (speaks[name].states or can)]
            t = treatments.index(name)
            begin(name, on[np.isin(state[on], states) & np.isinf(start[t, on])])
        going = np.flatnonzero(
            (day < end) & np.isin(state, [graph.states.index(s) for s in graph.transient])
        )
        if not len(going):
            break
        rates = np.zeros((len(graph.intensities), len(going)))
        stop = end - day[going]
        for name, when in forced.items():
            ahead = np.where(pending[name][going], when - day[going], np.inf)
            stop = np.minimum(stop, ahead)
        for e, move in enumerate(graph.intensities):
            here = np.flatnonzero(state[going] == graph.states.index(move.source))
            starts = e >= len(graph.transitions)
            if starts:
                t = treatments.index(move.treatment)
                here = here[np.isinf(start[t, going[here]])]
                if move.treatment in speaks:
                    continue
            who = going[here]
            clock = day[who] - (entry[who] if move.clock == CLOCK_ENTRY else 0.0)
            edges = drawn.population.edges[e]
            window, stays = next_edge(edges[np.isfinite(edges)], clock + 1e-9)
            stop[here] = np.minimum(stop[here], stays + 1e-9)
            rate = drawn.population.rate[e][window, draw] * hazard[e]
            if move.entry_cuts:
                found = [era.intensity == move.label for era in eras]
                mine = np.flatnonzero(found)
                rate = rate * effect[n_effects + mine[np.searchsorted(move.entry_cuts, entry[who])]]
            for t, name in enumerate(treatments):
                on = np.isfinite(start[t, who])
                rate = rate.copy()
                for gone in (False, True):
                    for late in (False, True):
                        early_days = graph.treatment(name).early_days or 0.0
                        age = day[who] - start[t, who] + 1e-9
                        some = on & (left[t, who] == gone) & ((age >= early_days) == late)
                        if not some.any():
                            continue
                        probe = early_days + 1.0 if late else 0.0
                        phase = phase_of(graph, name, move.source, probe, 0.0, gone)
                        rate[some] *= ratio_of(graph, effect, move.label, {name: phase})
                        if phase in (HERE_EARLY, HERE_LATE) and not late:
                            stop[here[some]] = np.minimum(
                                stop[here[some]], early_days - age[some] + 2e-9
                            )
            rates[e, here] = rate
        total = rates.sum(axis=0)
        with np.errstate(divide="ignore"):
            wait = generator.exponential(size=len(going)) / total
        happens = wait < stop
        day[going] += np.where(happens, wait, stop)
        who = going[happens]
        chosen = (
            generator.random(len(who)) * total[happens] > np.cumsum(rates[:, happens], axis=0)
        ).sum(axis=0)
        for e, move in enumerate(graph.intensities):
            mine = who[chosen == e]
            if e >= len(graph.transitions):
                begin(move.treatment, mine)
                continue
            state[mine], entry[mine] = graph.states.index(move.target), day[mine]
            left[:, mine] |= np.isfinite(start[:, mine])
            for event in move.events:
                first.setdefault(event, np.full(n_paths, np.inf))
                first[event][mine] = np.minimum(first[event][mine], day[mine])
            at = np.searchsorted(times, day[mine])
            changed[at[at < n_times], mine[at < n_times]] = state[mine[at < n_times]]
    seen = np.maximum.accumulate(np.where(changed >= 0, np.arange(n_times)[:, None], 0), axis=0)
    filled = np.take_along_axis(changed, seen, axis=0)
    return Paths(times, until / n_times, filled, first)


def turned(twin: Twin, i: int, marker: str, draw: int, paths: Paths) -> Floats:
    """(time, path) curve on its transformed scale, turning along each path."""
    curves = twin.curves(i)
    scale = curves.population.learnt.get(marker)
    k = curves.population.learnt.markers.index(scale)
    own = curves.coefficients[draw, curves.population.learnt.columns(marker)] * scale.natural()
    out = np.repeat(
        curves.marker(marker, paths.times)[:, draw : draw + 1], paths.state.shape[1], axis=1
    )
    for j, turn in enumerate(scale.turns):
        if np.isfinite(curves.starts[k][j]) or turn.what not in paths.first:
            continue
        years = (paths.times[:, None] - paths.first[turn.what]) / DAYS_PER_YEAR
        on = years >= 0.0
        years = np.where(on, years, 0.0)
        shape = {
            "step": on,
            "bend": years,
            "approach": -np.expm1(-np.log(2.0) * years / turn.half_time),
        }[turn.turn]
        out += own[len(scale.basis.labels) + j] * shape
    return out


def lived(
    twin: Twin, paths: Paths, value: Floats, weights: Callable[[str], float] = lambda _: 1.0
) -> Floats:
    """(path,) days lived, each counted by a value (time, path) and the weight of the state."""
    graph, fatal = twin.graph, twin.chart.fatal
    by_state = np.array([0.0 if s in fatal else weights(n) for s, n in enumerate(graph.states)])
    out: Floats = (by_state[paths.state] * value).sum(axis=0) * paths.step
    return out
