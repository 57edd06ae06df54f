"""State occupation paths of patients, one at a time, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints, Reals
from twinbayes.errors import TwinError
from twinbayes.inference.samplers.threads import usable_cores
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.history import Present
from twinbayes.names import CLOCK_ENTRY
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

_NO_TURNS: Final = (
    np.zeros((0, 0), dtype=np.int64),
    np.zeros(0, dtype=np.int64),
    np.zeros(0),
    np.zeros((0, 2), dtype=np.int64),
    np.zeros(0),
    np.zeros(0, dtype=np.int64),
)
_ALL_BUT: Final = 0.98  # of the draws have steps short enough
_WIDEST: Final = 8.0  # ratio of such a hazard to that of the middle draw
_MOST_NODES: Final = 20_000
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
    repeats
        (node, column, draw), expected number since the landmark of each of the transitions
        `repeated`.
    repeated
        Transitions from a state to the same one: events that recur.
    """

    nodes: Floats
    occupation: Singles
    entries: Singles
    entered: tuple[int, ...]
    repeats: Singles
    repeated: tuple[int, ...]


def circles(graph: StateGraph) -> tuple[int, ...]:
    """Transitions with which a patient goes round in a circle of states, or has an event anew.

    Without events that leave everything as it was: they are counted exactly, whatever the step.
    """
    clocks = {s: {t.clock for t in graph.leaving(s)} for s in graph.transient}
    return tuple(
        k
        for k, move in enumerate(graph.transitions)
        if (move.source != move.target or CLOCK_ENTRY in clocks[move.source])
        and graph.recurs(move.label)
    )


def longest_step(
    graph: StateGraph, moves: Sequence[int], population: Population, ratios: PatientRatios
) -> float:
    """Days within which a patient goes round few times: the kernel follows three moves a step.

    A quarter of the mean time to the quickest of the `circles`, where its baseline hazard is
    highest and under whatever may act on it, in all but a fiftieth of the draws; or in those that
    are not further above the middle than a posterior is, where draws are of a wide prior.
    """
    quickest = 0.0
    for k in moves:
        hazard = population.rate[k].max(axis=0) * ratios.hazard[k]
        label = graph.transitions[k].label
        for row, effect in enumerate(graph.effects):
            if effect.transition == label:
                hazard = hazard * np.maximum(ratios.effect[row], 1.0)
        first = len(graph.effects)
        eras = [first + j for j, era in enumerate(graph.entry_eras) if era.intensity == label]
        if eras:
            hazard = hazard * np.maximum(ratios.effect[eras].max(axis=0), 1.0)
        middle, high = np.quantile(hazard, (0.5, _ALL_BUT))
        quickest = max(quickest, min(float(high), _WIDEST * float(middle)))
    return 0.25 / quickest if quickest > 0.0 else np.inf


def time_nodes(until: float, cuts: Sequence[float] = (), longest: float = np.inf) -> Floats:
    """Nodes from 0 to `until`, the same for everybody, plus those of `cuts` that lie inside.

    No step is longer than `longest` days.

    Raises
    ------
    TwinError
        That would take too many.
    """
    if until / longest > _MOST_NODES:
        raise TwinError(
            f"Some event comes back after {4.0 * longest:.2g} days on average under some draws of "
            f"the fit: a forecast of {until:g} days cannot follow that. Ask for a shorter horizon; "
            "or give the event the origin clock, on which its number is exact at any pace."
        )
    edges = [0.0]
    for end, step in _STEPS:
        stop = min(end, until)
        if stop > edges[-1]:
            count = int(np.ceil((stop - edges[-1]) / min(step, longest) - 1e-9))
            edges += list(np.linspace(edges[-1], stop, count + 1)[1:])
    inside = [c for c in cuts if 0.0 <= c < until]
    return np.unique(np.concatenate([edges, inside]))


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


@dataclass(frozen=True)
class Journey:
    """What one patient may meet from the landmark on, every draw.

    Attributes
    ----------
    graph, chart
        Of the model.
    population, ratios
        The patient's hazards.
    present, scenario
        Where the patient stands, and what is done from then on.
    nodes
        Days since the landmark; the time grid.
    """

    graph: StateGraph
    chart: Chart
    population: Population
    ratios: PatientRatios
    present: Present
    scenario: Scenario
    nodes: Floats

    @cached_property
    def home(self) -> tuple[int, float]:
        """Place of the patient and the age kept there; place -1 in an absorbing state."""
        return place_of(self.graph, self.chart, self.present)

    @cached_property
    def eras(self) -> Ints:
        """(step,) era of those who enter a state in each step."""
        middle = self.present.day + 0.5 * (self.nodes[:-1] + self.nodes[1:])
        return np.searchsorted(self.chart.cuts, middle)

    def moves(self, chart: Chart) -> Table:
        """Moves of a chart under the scenario, and which trail of the curves each follows."""
        moves = _moves_under(self.scenario, self.graph, chart, self.present.day, self.nodes)
        moving = list(self.population.moving)
        moves["follows"] = [moving.index(e) if e in moving else -1 for e in moves["intensity"]]
        return moves

    @cached_property
    def _rates(self) -> tuple[Reals, Reals, Reals]:
        """Rows of rates, ratios and trails."""
        n_draws = self.population.n_draws
        trail = np.concatenate([np.zeros((0, n_draws)), *self.population.moving.values()])
        acting = acting_ratios(self.ratios, self.chart)
        return self.population.rate.reshape(-1, n_draws), acting, trail

    def rows(
        self, chart: Chart, place: int, draws: slice, turns: TurnRows
    ) -> tuple[Singles, Table, Ints, tuple[Floats, Floats, Floats, Ints, Ints]]:
        """Table, layout, used and buckets of the kernel for some draws, the patient in place."""
        n, era = draws.stop - draws.start, int(np.searchsorted(self.chart.cuts, self.present.entry))
        layout, n_rows = _layout(chart, self.population, len(self.nodes) - 1, turns)
        table = np.zeros((n_rows, turns.n_blocks, n), dtype=np.float32)
        for name, values in zip(("rate", "ratio", "trail"), self._rates, strict=True):
            first = int(layout[name][0])
            table[first : first + len(values), 0] = values[:, draws]
        first = layout["coefficient"][0]
        table[first : first + len(turns.coefficient), 0] = turns.coefficient[:, draws]
        used, buckets = _put_in_place(place, self.home[1], era, chart, table[:, 0], layout[0])
        return table, layout, used, buckets


@dataclass(frozen=True)
class TurnRows:
    """What the table has beside the mass where curves turn; see `turn_rows`.

    Attributes
    ----------
    coefficient
        (coefficient, draw).
    n_totals, n_pairs
        Of which each row has a block.
    counts
        Whether the moves are counted, which takes time.
    """

    coefficient: Floats
    n_totals: int = 0
    n_pairs: int = 0
    counts: bool = False

    @property
    def n_blocks(self) -> int:
        """Blocks of draws in a row."""
        return 1 + self.n_totals + self.n_pairs


def follow(journey: Journey) -> Path:
    """Run one patient through the kernel, block of draws by block of draws."""
    graph, chart, nodes = journey.graph, journey.chart, journey.nodes
    n_draws = journey.population.n_draws
    state = graph.states.index(journey.present.state)
    occupation = np.empty((len(nodes), len(graph.states), n_draws), dtype=np.float32)
    entered = tuple(k for k, s in enumerate(graph.states) if k and s not in chart.absorbing)
    repeated = tuple(k for k, _ in chart.recurrent)
    column = np.array([entered.index(s) if s in entered else -1 for _, s in chart.arcs])
    column[list(repeated)] = len(entered) + np.arange(len(repeated))
    counts = np.empty((len(nodes), len(entered) + len(repeated), n_draws), dtype=np.float32)
    edges, moves = journey.population.edges, journey.moves(chart)
    model = (chart.place_table, moves, chart.arcs, edges, column, _NO_TURNS)
    for first in range(0, n_draws, _BLOCK):
        draws = slice(first, min(first + _BLOCK, n_draws))
        rows = journey.rows(
            chart, journey.home[0], draws, TurnRows(np.zeros((0, n_draws)), counts=True)
        )
        day = journey.present.day
        occupy(nodes, journey.eras, day, state, model, rows, first, occupation, counts)
    entries, repeats = np.split(counts, [len(entered)], axis=1)
    return Path(nodes, occupation, entries, entered, repeats, repeated)


def _layout(
    chart: Chart, population: Population, n_steps: int, turns: TurnRows
) -> tuple[Table, int]:
    """Where each kind of row begins in the kernel's table, and how many rows there are."""
    n_intensities, n_windows, _ = population.rate.shape
    places, n_places, n_old = chart.place_table, len(chart.places), len(chart.cuts) + 1
    n_buckets = n_old + 1 + n_steps
    sizes = {
        "rate": n_intensities * n_windows,
        "ratio": len(chart.ratio_intensity),
        "trail": len(population.moving) * n_steps,
        "area": n_intensities,
        "mixed": int(np.max(places["end_move"] - places["first_move"])),
        "out": 1,
        "taken": len(chart.arcs),
        "wave": (WAVES + 1) * n_places,
        "begun": n_places,
        "stays": 2,
        "added": turns.n_totals,
        "coefficient": len(turns.coefficient),
        "mass": n_places * n_buckets,
    }
    ends = np.cumsum(list(sizes.values()))
    starts = dict(zip(sizes, ends - list(sizes.values()), strict=True))
    counts = {"n_old": n_old, "n_buckets": n_buckets, "n_windows": n_windows, "n_steps": n_steps}
    counts |= {"n_totals": turns.n_totals, "counts": turns.counts}
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
