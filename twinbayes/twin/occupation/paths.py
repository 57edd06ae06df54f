"""State occupation paths of patients, one at a time, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.inference.samplers.threads import usable_cores
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Present
from twinbayes.twin.occupation.kernel import WAVES, occupy
from twinbayes.twin.occupation.places import (
    BY_ENTRY,
    BY_NOTHING,
    BY_START,
    NOT_STARTED,
    STARTED_EARLIER,
    STARTED_HERE,
    Chart,
    Table,
)
from twinbayes.twin.population.hazards import Population
from twinbayes.twin.population.ratios import PatientRatios, Singles, acting_ratios
from twinbayes.twin.scenario import Scenario

_BLOCK = 8192  # draws per call of the kernel: bounds its table, on which little depends
# Longest step of the time grid, in days, up to the given day since the landmark. Occupation
# is third order in the step; halving all steps moves it by less than 0.001. Where patients enter a
# state late and stay for less than half a step on average, it is off by up to 0.003, and up to
# 0.006 where they go back and forth as fast.
_STEPS = ((60.0, 5.0), (120.0, 10.0), (365.0, 24.5), (1100.0, 61.0), (np.inf, 122.0))


@dataclass(frozen=True)
class Path:
    """Occupation of one patient at the nodes of the time grid.

    Attributes
    ----------
    nodes
        Days since the landmark.
    occupation
        (node, state, draw), probability of being in each state.
    entries
        (node, column, draw), expected number of entries since the landmark into the states
        `entered`; for a state that cannot be re-entered, its cumulative incidence.
    entered
        States that can be entered and left again. Of a final state the entries are its occupation.
    """

    nodes: Floats
    occupation: Singles
    entries: Singles
    entered: tuple[int, ...]


def time_nodes(until: float, cuts: Sequence[float] = ()) -> Floats:
    """Nodes from 0 to `until`, the same for everybody, plus those of `cuts` that lie inside."""
    inside = [c for c in cuts if 0.0 <= c < until]
    return np.array(sorted({*_common_nodes(until), *inside}))


@lru_cache(maxsize=64)
def _common_nodes(until: float) -> tuple[float, ...]:
    edges = [0.0]
    for end, step in _STEPS:
        stop = min(end, until)
        if stop > edges[-1]:
            count = int(np.ceil((stop - edges[-1]) / step - 1e-9))
            edges += np.linspace(edges[-1], stop, count + 1)[1:].tolist()
    return tuple(edges)


def place_of(graph: StateGraph, chart: Chart, present: Present) -> tuple[int, float]:
    """Place of a patient and the age kept there; place -1 in an absorbing state."""
    if present.state in chart.absorbing:
        return -1, 0.0
    started = {name: (day, left) for name, day, left in present.started}
    status = tuple(
        NOT_STARTED
        if t.name not in started
        else STARTED_EARLIER
        if started[t.name][1]
        else STARTED_HERE
        for t in graph.treatments
    )
    place = chart.places.index((present.state, status))
    indexed_by = chart.place_table["indexed_by"][place]
    if indexed_by == BY_ENTRY:
        return place, present.day - present.entry
    if indexed_by == BY_START:
        (start,) = (
            day
            for name, (day, left) in started.items()
            if not left and graph.is_split(name, present.state)
        )
        return place, present.day - start
    return place, 0.0


def follow(
    graph: StateGraph,
    chart: Chart,
    population: Population,
    ratios: PatientRatios,
    present: Present,
    scenario: Scenario,
    nodes: Floats,
) -> Path:
    """Run one patient through the kernel, block of draws by block of draws."""
    n_draws = population.rate.shape[-1]
    place, age = place_of(graph, chart, present)
    era = int(np.searchsorted(chart.cuts, present.entry))
    state = graph.states.index(present.state)
    middle = present.day + 0.5 * (nodes[:-1] + nodes[1:])
    eras = np.searchsorted(chart.cuts, middle)
    moves = _moves_under(scenario, graph, chart, present.day, nodes)
    for k, e in enumerate(population.moving):
        moves["follows"][moves["intensity"] == e] = k
    acting = acting_ratios(ratios, chart)
    rate = population.rate.reshape(-1, n_draws)
    layout, n_rows = _layout(_Sizes.of(chart, population, len(nodes) - 1))
    shape = (len(nodes), len(graph.states), n_draws)
    occupation = np.empty(shape, dtype=np.float32)
    entered = tuple(k for k, s in enumerate(graph.states) if k and s not in chart.absorbing)
    column = np.full(len(graph.states), -1)
    column[list(entered)] = np.arange(len(entered))
    entries = np.empty((len(nodes), len(entered), n_draws), dtype=np.float32)
    model = (chart.place_table, moves, chart.arcs, population.edges, column)
    for first in range(0, n_draws, _BLOCK):
        last = min(first + _BLOCK, n_draws)
        table = np.zeros((n_rows, last - first), dtype=np.float32)
        table[layout["rate"][0] : layout["ratio"][0]] = rate[:, first:last]
        table[layout["ratio"][0] : layout["trail"][0]] = acting[:, first:last]
        at = int(layout["trail"][0])
        for k, trail in enumerate(population.moving.values()):
            table[at + k * len(trail) : at + (k + 1) * len(trail)] = trail[:, first:last]
        used, buckets = _put_in_place(place, age, era, chart, table, layout[0])
        rows = (table, layout, used, buckets)
        occupy(nodes, eras, present.day, state, model, rows, first, occupation, entries)
    return Path(nodes, occupation, entries, entered)


@dataclass(frozen=True)
class _Sizes:
    """What the layout of the kernel's table follows from."""

    n_intensities: int
    n_windows: int
    n_ratios: int
    n_moving: int
    n_moves: int
    n_arcs: int
    n_places: int
    n_old: int
    n_steps: int

    @classmethod
    def of(cls, chart: Chart, population: Population, n_steps: int) -> _Sizes:
        places = chart.place_table
        return cls(
            n_intensities=population.rate.shape[0],
            n_windows=population.rate.shape[1],
            n_ratios=len(chart.ratio_intensity),
            n_moving=len(population.moving),
            n_moves=int(np.max(places["end_move"] - places["first_move"])),
            n_arcs=len(chart.arcs),
            n_places=len(chart.places),
            n_old=len(chart.cuts) + 1,
            n_steps=n_steps,
        )


@lru_cache(maxsize=64)
def _layout(n: _Sizes) -> tuple[Table, int]:
    """Where each kind of row begins in the kernel's table, and how many rows there are."""
    n_buckets = n.n_old + 1 + n.n_steps
    sizes = {
        "rate": n.n_intensities * n.n_windows,
        "ratio": n.n_ratios,
        "trail": n.n_moving * n.n_steps,
        "area": n.n_intensities,
        "mixed": n.n_moves,
        "out": 1,
        "taken": n.n_arcs,
        "wave": (WAVES + 1) * n.n_places,
        "begun": n.n_places,
        "mass": n.n_places * n_buckets,
    }
    ends = np.cumsum(list(sizes.values()))
    starts = dict(zip(sizes, ends - list(sizes.values()), strict=True))
    counts = {
        "n_old": n.n_old,
        "n_buckets": n_buckets,
        "n_windows": n.n_windows,
        "n_steps": n.n_steps,
    }
    at = {**starts, **counts}
    dtype = [(name, np.int64) for name in at]
    return np.array([tuple(at.values())], dtype=dtype), int(ends[-1])


def _put_in_place(
    place: int, age: float, era: int, chart: Chart, table: Singles, at: np.void
) -> tuple[Ints, tuple[Floats, Floats, Floats, Ints, Ints]]:
    """Put the one patient in place; return the rows in use, and the buckets: one is live.

    Nobody who is in an absorbing state, place -1, is anywhere.
    """
    used, own = np.zeros(len(table), dtype=np.int64), at["n_old"]
    low, high, middle = np.zeros((3, at["n_buckets"]))
    eras, live = np.zeros((2, at["n_buckets"]), dtype=np.int64)
    low[own], high[own], middle[own], eras[own], live[0] = -age, -age, -age, era, own
    eras[:own] = np.arange(own)
    if place >= 0:
        home = chart.place_table[place]
        ageless = home["indexed_by"] == BY_NOTHING or age >= home["old_age"]
        bucket = home["has_eras"] * era if ageless else own
        row = at["mass"] + place * at["n_buckets"] + bucket
        used[row], table[row] = 1, 1.0
    return used, (low, high, middle, eras, live)


def _moves_under(
    scenario: Scenario, graph: StateGraph, chart: Chart, landmark: float, nodes: Floats
) -> Table:
    """Close the starts that a scenario speaks of, and open them on its days."""
    moves = chart.move_table.copy()
    if not scenario.assumptions:
        return moves
    per_place = chart.place_table["end_move"] - chart.place_table["first_move"]
    source = np.repeat(chart.place_table["state"], per_place)
    names = [t.name for t in graph.treatments]
    for assumption in scenario.assumptions:
        starts = moves["treatment"] == names.index(assumption.treatment)
        moves["is_open"][starts] = 0
        if assumption.day is not None:
            possible = [s.source for s in graph.treatment(assumption.treatment).starts]
            states = assumption.states or possible
            able = np.isin(source, [graph.states.index(s) for s in states])
            node = int(np.argmin(np.abs(nodes - (assumption.day - landmark))))
            moves["forced_step"][starts & able] = node
    return moves


def over_patients[T](count: int, work: Callable[[int], T]) -> Iterator[T]:
    """Results of `work(i)` in order, several at a time; memory holds those of a few only."""
    if count == 1 or (workers := usable_cores()) == 1:
        yield from map(work, range(count))
        return
    ahead: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for i in range(count):
            ahead.append(pool.submit(work, i))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
