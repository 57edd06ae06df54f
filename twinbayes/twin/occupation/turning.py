"""Where one patient may be, and how curves have turned on the way there.

Curves turn when an event happens or a treatment starts. The graph of places is unfolded by which
of the turns to come have been taken: a *group* is a state with a set of turns. In each, the kernel
keeps mean and covariance of what depends on the days of the turns; see `turn_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import TwinError
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.intensities import Transition
from twinbayes.twin.occupation.kernel import occupy_turning
from twinbayes.twin.occupation.paths import Journey, TurnRows
from twinbayes.twin.occupation.places import Chart, Table
from twinbayes.twin.occupation.turn_rows import moments
from twinbayes.twin.population.ratios import Singles

_BLOCK = 512  # draws per call of the kernel: its table then stays close to the processor

type Group = tuple[int, frozenset[str]]


@dataclass(frozen=True)
class Turn:
    """A turn of a curve that lasts: a bend, or the approach of another level.

    Attributes
    ----------
    what
        The event or the treatment with which it begins.
    marker
        Position of the curve's marker.
    rate
        Of the approach, a day; 0 for a bend.
    coefficient
        (draw,) change of slope a day, or of the level that is approached.
    """

    what: str
    marker: int
    rate: float
    coefficient: Floats


@dataclass(frozen=True)
class TurningChart:
    """A chart unfolded by the turns taken.

    Attributes
    ----------
    chart
        Its places are in the order of the chart that it comes from, then final states in which
        patients live on.
    home
        The patient's place.
    groups
        State, and turns taken.
    group
        (place,) its group.
    kinds
        Turns that begin together, by the `turn` of a move.
    """

    chart: Chart
    home: int
    groups: tuple[Group, ...]
    group: Ints
    kinds: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Sojourns:
    """Who is in each group at each slot, and how curves have turned there.

    Attributes
    ----------
    groups
        State, and turns taken.
    after_starts
        (node,) slot of the node after the starts of a scenario; itself where nothing starts. The
        slot before them is the node.
    table
        (slot, group, block, draw), blocks as in the rows of the kernel.
    totals, pairs
        Marker and rate of each total; positions of two totals.
    """

    groups: tuple[Group, ...]
    after_starts: Ints
    table: Singles
    totals: tuple[tuple[int, float], ...]
    pairs: tuple[tuple[int, int], ...]

    def mass(self, slot: int) -> Singles:
        """(group, draw) probability of being there."""
        return self.table[slot, :, 0]

    def moments(self, slot: int, marker: int) -> tuple[Singles, Singles]:
        """(group, draw) mean and standard deviation of the sum of a marker's totals."""
        n_totals = len(self.totals)
        own = [1 + f for f, (of, _) in enumerate(self.totals) if of == marker]
        both = [
            (1 + n_totals + j, 1 + (f != g))
            for j, (f, g) in enumerate(self.pairs)
            if self.totals[f][0] == marker
        ]
        mean, spread = np.zeros((2, len(self.groups), self.table.shape[-1]), dtype=np.float32)
        if own:
            moments(self.table[slot], np.array(own), np.array(both), mean, spread)
        return mean, spread


def turning_chart(
    graph: StateGraph, chart: Chart, home: int, pending: Sequence[str], marker: str
) -> TurningChart | None:
    """Unfold a chart from the patient's place on; None where no curve can turn any more.

    Parameters
    ----------
    home
        Place of the patient.
    pending
        Events and treatments with which curves turn, and which have not been yet.
    marker
        Whose curves, for errors.

    Raises
    ------
    TwinError
        A curve turns with one of several events that the model takes for one.
    """
    key = home, tuple(pending)
    if key not in chart.unfolded:
        chart.unfolded[key] = _found(graph, chart, home, pending, marker)
    found: TurningChart | None = chart.unfolded[key]
    return found


def _found(
    graph: StateGraph, chart: Chart, home: int, pending: Sequence[str], marker: str
) -> TurningChart | None:
    begun = [_begun(graph, k, pending) for k in range(len(graph.intensities))]
    start = (home, frozenset[str]())
    found, places, kinds = [start], {start}, {frozenset[str]()}
    moves: dict[tuple[int, frozenset[str]], list[tuple[int, tuple[int, frozenset[str]]]]] = {}
    for place in found:  # grows on the way
        moves[place] = []
        if place[0] < 0:
            continue
        row = chart.place_table[place[0]]
        for m in range(row["first_move"], row["end_move"]):
            move = chart.move_table[m]
            target, whats = int(move["target"]), place[1]
            if target >= 0 or -1 - target not in chart.fatal:
                new = begun[move["intensity"]] - whats
                _require_told_apart(graph, int(move["intensity"]), new, marker)
                kinds.add(new)
                whats = whats | new
            to = (target, whats)
            moves[place].append((m, to))
            if to not in places and (target >= 0 or -1 - target not in chart.fatal):
                places.add(to)
                found.append(to)
    if kinds == {frozenset()}:
        return None
    return _unfolded(chart, start, places, moves, tuple(sorted(kinds - {frozenset()}, key=sorted)))


def _begun(graph: StateGraph, intensity: int, pending: Sequence[str]) -> frozenset[str]:
    """Turns that begin with the events of a transition, or the treatment that starts."""
    move = graph.intensities[intensity]
    names = move.events if isinstance(move, Transition) else (move.treatment,)
    return frozenset(names) & frozenset(pending)


def _require_told_apart(
    graph: StateGraph, intensity: int, new: frozenset[str], marker: str
) -> None:
    move = graph.intensities[intensity]
    if new and isinstance(move, Transition) and len(move.events) > 1:
        raise TwinError(
            f"The curve of {marker} turns since {', '.join(map(repr, sorted(new)))}, which "
            f"{move.label!r} takes together with other events ({move.event}): forecasts cannot "
            "tell which of them comes. Give each event a transition of its own, and refit."
        )


def _unfolded(
    chart: Chart,
    start: tuple[int, frozenset[str]],
    places: set[tuple[int, frozenset[str]]],
    moves: dict[tuple[int, frozenset[str]], list[tuple[int, tuple[int, frozenset[str]]]]],
    kinds: tuple[frozenset[str], ...],
) -> TurningChart:
    """Lay the places found out as tables, in the order that the kernel needs."""
    order = sorted(places, key=lambda p: (p[0] < 0, abs(p[0]), sorted(p[1])))
    position = {place: k for k, place in enumerate(order)}
    place_table = np.zeros(len(order), dtype=chart.place_table.dtype)
    rows: list[Table] = []
    for k, place in enumerate(order):
        if place[0] < 0:  # nobody leaves
            place_table["state"][k] = -1 - place[0]
        else:
            place_table[k] = chart.place_table[place[0]]
        place_table["first_move"][k] = len(rows)
        for m, to in moves[place]:
            move = chart.move_table[m : m + 1].copy()
            move["target"] = position.get(to, to[0])
            new = to[1] - place[1]
            move["turn"] = kinds.index(new) if new else -1
            move["repeats"] &= to == place  # what turns a curve does not leave all as it was
            rows.append(move)
        place_table["end_move"][k] = len(rows)
        first = place_table["first_move"][k]
        place_table["has_repeats"][k] = any(move["repeats"][0] for move in rows[first:])
    groups = tuple(
        dict.fromkeys((int(r["state"]), p[1]) for p, r in zip(order, place_table, strict=True))
    )
    return TurningChart(
        chart=replace(
            chart,
            places=tuple(("", ()) if p[0] < 0 else chart.places[p[0]] for p in order),
            place_table=place_table,
            move_table=np.concatenate(rows),
        ),
        home=position[start],
        groups=groups,
        group=np.array(
            [groups.index((int(r["state"]), p[1])) for p, r in zip(order, place_table, strict=True)]
        ),
        kinds=kinds,
    )


def sojourns(journey: Journey, turning: TurningChart, turns: Sequence[Turn]) -> Sojourns:
    """Run one patient through the unfolded chart, block of draws by block of draws."""
    chart, nodes, n_draws = turning.chart, journey.nodes, journey.population.n_draws
    totals = tuple(dict.fromkeys((t.marker, t.rate) for t in turns))
    pairs = tuple(
        (f, g) for f in range(len(totals)) for g in range(f + 1) if totals[f][0] == totals[g][0]
    )
    coefficient = np.concatenate([np.zeros((0, n_draws)), *(t.coefficient[None] for t in turns)])
    extra = TurnRows(coefficient, len(totals), len(pairs))
    moves = journey.moves(chart)
    lasting = np.array([any(t.what in kind for t in turns) for kind in turning.kinds])
    moves["turn"] = np.where(lasting[moves["turn"]], moves["turn"], -1)  # steps have no totals
    after = np.full(len(nodes), -1)
    forced = np.unique(moves["forced_step"])
    forced = forced[(forced >= 0) & (forced < len(nodes) - 1)]
    after[forced] = len(nodes) + np.arange(len(forced))
    model = (
        chart.place_table,
        moves,
        chart.arcs,
        journey.population.edges,
        np.zeros(0, dtype=np.int64),
        (
            np.array(
                [[t.what in kind for t in turns] for kind in turning.kinds], dtype=np.int64
            ).reshape(len(turning.kinds), len(turns)),
            np.array([totals.index((t.marker, t.rate)) for t in turns], dtype=np.int64),
            np.array([t.rate for t in turns], dtype=np.float64),
            np.array(pairs, dtype=np.int64).reshape(-1, 2),
            journey.present.day + nodes,
            turning.group,
        ),
    )
    n_slots = len(nodes) + len(forced)
    out = np.empty((n_slots, len(turning.groups), extra.n_blocks, n_draws), dtype=np.float32)
    for first in range(0, n_draws, _BLOCK):
        draws = slice(first, min(first + _BLOCK, n_draws))
        rows = journey.rows(chart, turning.home, draws, extra)
        shape = (n_slots, len(turning.groups), *rows[0].shape[1:])
        found = np.zeros(shape, dtype=np.float32)
        occupy_turning(nodes, journey.eras, journey.present.day, model, rows, after, found)
        out[..., draws] = found
    return Sojourns(
        turning.groups, np.where(after >= 0, after, np.arange(len(nodes))), out, totals, pairs
    )
