"""Curves over the paths that a patient may take: each turns where its own path turns.

For each draw, what is asked of a curve m at time t is its expectation over the paths of that draw,

    E[ f(m(t)) | in state s at t ]

Paths that have taken the same turns are a group. In a group a curve is a sum of what is known, and
of totals that depend on the days of the turns, of which mean and variance are exact; f is averaged
over the two points with that mean and variance. Where f is linear this is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints, Reals
from twinbayes.errors import TwinError
from twinbayes.model.curves.association import EFFECTS
from twinbayes.model.curves.turns import APPROACH, BEND, Since
from twinbayes.names import DAYS_PER_YEAR
from twinbayes.twin.curves.patient import PatientCurves, along_curves
from twinbayes.twin.occupation.paths import Journey, Path, follow
from twinbayes.twin.occupation.turning import Sojourns, Turn, sojourns, turning_chart

_OF_GROUPS: Final = 1  # random numbers of a marker: which group a measured path is in


@dataclass(frozen=True)
class CurvesOnPaths:
    """Curves of one patient, the paths they are on, and what may turn them.

    Attributes
    ----------
    curves
        As they go on without a further turn.
    path
        State occupation under the scenario of the journey.
    journey
        What may come.
    """

    curves: PatientCurves
    path: Path
    journey: Journey

    def by_group(self, *markers: str) -> CurvesByGroup | None:
        """Curves of some markers as they turn on the way; None where none can turn any more.

        Raises
        ------
        TwinError
            A curve turns with one of several events that the model takes for one.
        """
        home, _ = self.journey.home
        to_come = [self.curves.turns_to_come(m) for m in markers]
        whats = tuple(dict.fromkeys(turn.what for some in to_come for turn, _ in some))
        if home < 0 or not whats:
            return None
        graph, chart = self.journey.graph, self.journey.chart
        turning = turning_chart(graph, chart, home, whats, " and ".join(map(repr, markers)))
        if turning is None:
            return None
        turns = [
            Turn(turn.what, k, _rate(turn), own / DAYS_PER_YEAR if turn.turn == BEND else own)
            for k, some in enumerate(to_come)
            for turn, own in some
            if turn.turn in (BEND, APPROACH)
        ]
        return CurvesByGroup(self, markers, sojourns(self.journey, turning, turns))


def travel(journey: Journey, curves: PatientCurves | None) -> tuple[Path, CurvesOnPaths | None]:
    """State occupation of one patient, and the curves along it.

    Raises
    ------
    TwinError
        A hazard follows a curve that may turn on the way.
    """
    if curves is None:
        return follow(journey), None
    if curves.spec.associations:
        _require_followable(curves, journey)
        days = journey.present.day + journey.nodes
        own = along_curves(journey.population, curves, journey.graph, days)
        journey = replace(journey, population=own)
    path = follow(journey)
    return path, CurvesOnPaths(curves, path, journey)


def _require_followable(curves: PatientCurves, journey: Journey) -> None:
    """Refuse hazards that follow a curve which may turn on the way.

    Raises
    ------
    TwinError
        Such a hazard would depend on the day of an event to come, which occupation does not keep.
    """
    home, _ = journey.home
    never = {a.treatment for a in journey.scenario.assumptions if a.day is None}
    for association in curves.spec.associations:
        marker = association.marker
        whats = {turn.what for turn, _ in curves.turns_to_come(marker)} - never
        if association.form == EFFECTS or home < 0 or not whats:
            continue
        if turning_chart(journey.graph, journey.chart, home, sorted(whats), repr(marker)):
            raise TwinError(
                f"The hazard of {', '.join(association.transitions)} follows the curve of "
                f"{marker!r}, which turns since {', '.join(map(repr, sorted(whats)))}: a forecast "
                "cannot follow a hazard that depends on the day of an event to come. Refit with "
                "the association alone or the turn alone; the effect of a treatment on a hazard "
                "can stand in the graph."
            )


def _rate(turn: Since) -> float:
    """Of an approach, a day; 0 for a bend."""
    return np.log(2.0) / (turn.half_time * DAYS_PER_YEAR) if turn.turn == APPROACH else 0.0


@dataclass(frozen=True)
class AlongSteps:
    """Reals (step, draw) at both ends of each step of a time grid, linear in between."""

    begin: Floats
    end: Floats


@dataclass(frozen=True)
class OfTheLiving:
    """A curve in those who are alive.

    Attributes
    ----------
    nodes
        Days since the landmark.
    mean
        Over paths, as `PatientCurves.to_average` has it.
    level, slope
        What the turns of one path, drawn anew at each end of a step, add to the curve: a level, and
        a slope a day.
    generator
        Of random numbers.
    """

    nodes: Floats
    mean: AlongSteps
    level: AlongSteps
    slope: AlongSteps
    generator: np.random.Generator

    def departures(self, times: Floats) -> Floats:
        """(time, draw) what the turns of one path add, days since the landmark."""
        step = np.clip(np.searchsorted(self.nodes, times, side="right") - 1, 0, len(self.nodes) - 2)
        share = np.clip((times - self.nodes[step]) / np.diff(self.nodes)[step], 0.0, 1.0)
        at_end = self.generator.random((len(times), self.level.end.shape[1])) < share[:, None]
        level = np.where(at_end, self.level.end[step], self.level.begin[step])
        slope = np.where(at_end, self.slope.end[step], self.slope.begin[step])
        return level + slope * times[:, None]


@dataclass(frozen=True)
class AtSlot:
    """A curve at one time, on its transformed scale.

    Attributes
    ----------
    without
        (draw,) the curve without a further turn.
    mean, spread
        (group, draw) mean and standard deviation over the paths of each group.
    total
        (group, draw) mean of the totals that `mean` has been lowered by.
    """

    without: Reals
    mean: Reals
    spread: Reals
    total: Reals

    def expect(self, of: Callable[[Reals], Reals]) -> Reals:
        """(group, draw) expectation of a function of the curve."""
        if not self.spread.any():
            return of(self.mean)
        return 0.5 * (of(self.mean + self.spread) + of(self.mean - self.spread))


@dataclass(frozen=True)
class CurvesByGroup:
    """Curves of one patient in each group of paths; see `Sojourns`."""

    on_paths: CurvesOnPaths
    markers: tuple[str, ...]
    sojourns: Sojourns

    @cached_property
    def _days(self) -> Floats:
        """(slot,) days since the landmark."""
        nodes = self.on_paths.journey.nodes
        after = np.flatnonzero(self.sojourns.after_starts != np.arange(len(nodes)))
        return np.concatenate([nodes, nodes[after]])

    @cached_property
    def _of_state(self) -> Mapping[int, Ints]:
        """The groups of each living state."""
        groups = self.sojourns.groups
        return {
            s: np.array([g for g, (t, _) in enumerate(groups) if t == s])
            for s in dict.fromkeys(s for s, _ in groups)
        }

    def given_state(self, marker: str, of: Callable[[Reals], Reals]) -> dict[int, AlongSteps]:
        """Expectation, in each living state, of a function of the curve.

        Parameters
        ----------
        of
            Takes values of the curve, (group, draw), on its transformed scale.
        """
        found = {s: np.zeros((len(self._days), self._n_draws)) for s in self._of_state}
        for slot, at in enumerate(self._slots(marker)):
            weighted = at.expect(of)
            weighted *= self._shares(slot)
            for s, some in self._of_state.items():
                for g in some:
                    found[s][slot] += weighted[g]
        return {s: self._along_steps(values) for s, values in found.items()}

    def of_the_living(self, marker: str) -> OfTheLiving:
        """Mean curve of those alive, and departures of single paths.

        A draw that leaves nobody alive has the curve without a turn.
        """
        curves, n = self.on_paths.curves, self._n_draws
        generator, every = curves.generator(marker, _OF_GROUPS), np.arange(n)
        mean, level, slope = np.zeros((3, len(self._days), n))
        known_level, known_slope = self._known[marker]
        for slot, at in enumerate(self._slots(marker)):
            value = at.expect(lambda curve: curves.to_average(marker, curve))
            weight = self._of_groups(slot)
            alive = weight.sum(axis=0)
            some = alive > 0.0
            weight /= np.where(some, alive, 1.0)
            mean[slot] = np.where(some, (weight * value).sum(axis=0), at.without)
            g = np.minimum(
                (np.cumsum(weight, axis=0) < generator.random(n)).sum(axis=0), len(weight) - 1
            )
            away = generator.standard_normal(n) * at.spread[g, every] - at.total[g, every]
            level[slot] = np.where(some, known_level[g, every] + away, 0.0)
            slope[slot] = np.where(some, known_slope[g, every] / DAYS_PER_YEAR, 0.0)
        return OfTheLiving(
            self.on_paths.path.nodes,
            self._along_steps(mean),
            self._along_steps(level),
            self._along_steps(slope),
            generator,
        )

    def _slots(self, marker: str) -> Iterator[AtSlot]:
        """The curve at every slot."""
        level, slope = self._known[marker]
        position, landmark = self.markers.index(marker), self.on_paths.journey.present.day
        without = self.on_paths.curves.marker(marker, landmark + self._days).astype(np.float32)
        for slot, (day, own) in enumerate(zip(self._days, without, strict=True)):
            total, spread = self.sojourns.moments(slot, position)
            mean = own + level + slope * np.float32(day / DAYS_PER_YEAR) - total
            yield AtSlot(own, mean, spread, total)

    def _shares(self, slot: int) -> Reals:
        """(group, draw) share of each group in those who are in its state."""
        mass = self.sojourns.mass(slot)
        out = np.empty_like(mass)
        for some in self._of_state.values():
            total = mass[some[0]].copy()
            for g in some[1:]:
                total += mass[g]
            nobody = total <= 1e-30
            total[nobody] = 1.0
            for g in some:
                np.divide(mass[g], total, out=out[g])
                out[g][nobody] = 1.0 / len(some)
        return out

    def _of_groups(self, slot: int) -> Reals:
        """(group, draw) probability of being in each group; of states, it is that of the path."""
        out, nodes = self._shares(slot), self.on_paths.path.nodes
        now = self.on_paths.path.occupation[np.searchsorted(nodes, self._days[slot])]
        for s, some in self._of_state.items():
            out[some] *= now[s]
        return out

    @property
    def _n_draws(self) -> int:
        return int(self.sojourns.table.shape[-1])

    @cached_property
    def _known(self) -> dict[str, tuple[Reals, Reals]]:
        """Level and slope a year, (group, draw), that each group adds to the curve of a marker."""
        groups, out = self.sojourns.groups, {}
        for marker in self.markers:
            level, slope = np.zeros((2, len(groups), self._n_draws), dtype=np.float32)
            for turn, own in self.on_paths.curves.turns_to_come(marker):
                taken = [g for g, (_, turns) in enumerate(groups) if turn.what in turns]
                (slope if turn.turn == BEND else level)[taken] += own.astype(np.float32)
            out[marker] = level, slope
        return out

    def _along_steps(self, values: Floats) -> AlongSteps:
        """Reals (slot, ...) at the ends of the steps."""
        after: Ints = self.sojourns.after_starts
        return AlongSteps(values[after[:-1]], values[1 : len(after)])
