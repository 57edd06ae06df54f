"""Crude estimates of hazards and of what acts on them: events against those to be expected.

To be expected if every patient had the mean hazard of the window. They decide how coefficients are
sampled (`centring`), and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model.events.plan import EventPlan
from twinbayes.model.pooling.centring import Told


@dataclass(frozen=True)
class Crude:
    """Crude estimates from one plan."""

    plan: EventPlan

    @cached_property
    def events(self) -> tuple[Floats, ...]:
        """Number of events of each intensity in each window of its baseline, (window,) each."""
        rows = self.plan.rows
        return tuple(
            np.histogram(rows.stop[rows.is_event & (rows.intensity == k)], edges)[0].astype(float)
            for k, edges in enumerate(self.plan.edges)
        )

    @cached_property
    def days(self) -> tuple[Floats, ...]:
        """Days at risk of each intensity in each window, (window,) each."""
        found = [self._days(k) for k in range(len(self.plan.edges))]
        return tuple(days.sum(axis=0) for days in found)

    @cached_property
    def expected(self) -> Floats:
        """Number of events to be expected in each row at risk."""
        out = np.zeros(len(self.plan.rows.start))
        for k, (events, days) in enumerate(zip(self.events, self.days, strict=True)):
            rate = np.divide(events, days, out=np.zeros_like(days), where=days > 0.0)
            out[self.plan.rows.intensity == k] = self._days(k) @ rate
        return out

    def by_level(self, level: Ints, n_levels: int) -> Told:
        """Estimate (intensity, level) log hazard ratios; `level` is that of each patient."""
        rows = self.plan.rows
        counts = np.zeros((2, len(self.plan.edges), n_levels))
        known = level[rows.patient] >= 0
        at = (rows.intensity[known], level[rows.patient[known]])
        np.add.at(counts[0], at, rows.is_event[known])
        np.add.at(counts[1], at, self.expected[known])
        return Told.by_counts(*counts)

    def by_effect(self, n_effects: int) -> Told:
        """Estimate (effect, subgroup) log hazard ratios of treatments."""
        rows, subgroup = self.plan.rows, self.plan.design.subgroup
        counts = np.zeros((2, n_effects, len(self.plan.encoding.subgroups)))
        for row, effects in enumerate(rows.effects):
            level = subgroup[rows.patient[row]]
            for effect in effects:
                if effect < n_effects and level >= 0:
                    counts[0, effect, level] += rows.is_event[row]
                    counts[1, effect, level] += self.expected[row]
        return Told.by_counts(*counts)

    def along(self, axes: Floats) -> Told:
        """Estimate (axis, intensity) log hazard ratios, by one step from none of them."""
        rows = self.plan.rows
        value = self.plan.design.values[:, : len(axes)] @ axes
        score, information = np.zeros((2, axes.shape[1], len(self.plan.edges)))
        for k in range(len(self.plan.edges)):
            mine = rows.intensity == k
            x, expected = value[rows.patient[mine]], self.expected[mine]
            total = expected.sum()
            if total > 0.0:
                x = x - expected @ x / total
                score[:, k] = (rows.is_event[mine] - expected) @ x
                information[:, k] = expected @ np.square(x)
        estimate = np.divide(score, information, out=np.zeros_like(score), where=information > 0)
        return Told(estimate, information)

    def _days(self, intensity: int) -> Floats:
        """(row, window) days at risk of the rows of one intensity."""
        rows, edges = self.plan.rows, self.plan.edges[intensity]
        mine = rows.intensity == intensity
        start, stop = rows.start[mine, None], rows.stop[mine, None]
        days: Floats = np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1])
        return np.maximum(days, 0.0)
