"""Crude estimates of hazards and of what acts on them: events against those to be expected.

To be expected if every patient had the mean hazard of the window. They decide how coefficients are
sampled (`centring`), and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.model.events.plan import EventPlan
from twinbayes.model.pooling.centring import Told, ToldTogether

_TYPICAL: Final = 0.7  # standard deviation of log hazard ratios, for rough estimates alone
_STEPS: Final = 8  # of Newton's method
_LARGEST: Final = 30.0  # log hazard ratio of a patient, whatever the outlier


class CrudeEstimates(Protocol):
    """What decides how hazards are sampled; `Crude` has it from patients."""

    @property
    def events(self) -> tuple[Floats, ...]:
        """Number of events of each intensity in each window of its baseline, (window,) each."""

    @property
    def days(self) -> tuple[Floats, ...]:
        """Days at risk of each intensity in each window, (window,) each."""

    def told(self, columns: Ints) -> ToldTogether:
        """What the data tell of some columns of the design; rows are the intensities."""

    def by_effect(self, n_effects: int) -> Told:
        """Estimate (effect, subgroup) log hazard ratios of treatments."""


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

    @cached_property
    def _joint(self) -> tuple[Floats, Floats]:
        """Log hazard ratios of all columns of the design, one Poisson regression an intensity.

        Returns
        -------
        mode, precision
            (intensity, column) and (intensity, column, column) of the posterior under independent
            normal priors of standard deviation `_TYPICAL`.
        """
        n, width = len(self.plan.edges), self.plan.design.values.shape[1]
        mode, precision = np.zeros((n, width)), np.zeros((n, width, width))
        ridge = np.eye(width) / _TYPICAL**2
        for k in range(n):
            mine = self.plan.rows.intensity == k
            x = self.plan.design.values[self.plan.rows.patient[mine]]
            expected, events = self.expected[mine], self.plan.rows.is_event[mine]
            for _ in range(_STEPS):
                # the baseline is free: hazards are those that give as many events as there were
                hazard = expected * np.exp(np.clip(x @ mode[k], -_LARGEST, _LARGEST))
                total = hazard.sum()
                if total > 0.0:
                    hazard *= events.sum() / total
                    centred = x - hazard @ x / max(hazard.sum(), 1e-300)
                else:
                    centred = x
                precision[k] = (centred.T * hazard) @ centred + ridge
                score = (events - hazard) @ centred - mode[k] / _TYPICAL**2
                step = np.linalg.solve(precision[k], score)
                mode[k] += step * min(1.0, 1.0 / max(np.abs(step).max(initial=0.0), 1e-300))
        return mode, precision

    def told(self, columns: Ints) -> ToldTogether:
        """What the data tell of some columns of the design, whatever the others do.

        Rows are the intensities.
        """
        mode, precision = self._joint
        block = np.ix_(columns, columns)
        marginal = np.array([np.linalg.inv(np.linalg.inv(p)[block]) for p in precision])
        score = (marginal @ mode[:, columns, None])[:, :, 0]
        return ToldTogether(marginal - np.eye(len(columns)) / _TYPICAL**2, score)

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

    def _days(self, intensity: int) -> Floats:
        """(row, window) days at risk of the rows of one intensity."""
        rows, edges = self.plan.rows, self.plan.edges[intensity]
        mine = rows.intensity == intensity
        start, stop = rows.start[mine, None], rows.stop[mine, None]
        days: Floats = np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1])
        return np.maximum(days, 0.0)
