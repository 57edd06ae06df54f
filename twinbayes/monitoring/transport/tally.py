"""Events of a new place in cells, and what each draw of a fit expects there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from twinbayes.arrays import Floats, Ints
from twinbayes.cohort import Cohort
from twinbayes.inference import Fit, SharedFit
from twinbayes.inference.thinning import evenly_spaced
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.packed import EventData
from twinbayes.names import POSTERIOR

_MOST: Final = 4_000_000  # numbers in hand at once


@dataclass(frozen=True)
class Tally:
    """Events of each cell, and what draws expect; nothing of a patient.

    Attributes
    ----------
    observed
        (block, transition, part, group) events.
    expected
        (draw, block, transition, part, group) cumulative hazards at risk.

    Blocks are of patients in their order, parts are stretches of time, groups are of patients by
    their risk.
    """

    observed: Floats
    expected: Floats

    @property
    def whole(self) -> Tally:
        """All blocks together, as one."""
        return Tally(
            self.observed.sum(axis=0, keepdims=True), self.expected.sum(axis=1, keepdims=True)
        )

    def first(self, blocks: int) -> Tally:
        """The first blocks alone."""
        return Tally(self.observed[:blocks], self.expected[:, :blocks]).whole


@dataclass(frozen=True)
class Exposure:
    """Patients of a new place laid out under the columns of a fit: who was at risk, and when.

    Attributes
    ----------
    data
        Rows at risk.
    values, variances
        (patient, column) covariates, subgroups and centres; conditional variances.
    draws
        Of the fit.
    steered
        (column,) whether a calibration slope multiplies the column's effects: covariates and
        subgroups.
    """

    data: EventData
    values: Floats
    variances: Floats
    draws: EventDraws
    steered: np.ndarray

    @classmethod
    def of(cls, fit: Fit | SharedFit, cohort: Cohort) -> Exposure:
        """Lay a cohort out; every patient's subgroup is one that the fit knows.

        Raises
        ------
        ModelError
            The cohort does not fit the model.
        """
        spec, learnt = fit.spec, fit.learnt
        plan = spec.events.plan_like(cohort.dated(), learnt.encoding, learnt.edges, {})
        draws = EventDraws.from_posterior(fit.datatree[POSTERIOR].to_dataset(), learnt.encoding)
        n = draws.coef.shape[1]
        steered = np.arange(n) < draws.n_covariates + len(learnt.encoding.subgroups)
        return cls(plan.data, plan.design.values, plan.design.variances, draws, steered)

    def thinned(self, most: int) -> Exposure:
        """The same under so many evenly spaced draws at most."""
        n = self.draws.n_draws
        return self if n <= most else replace(self, draws=self.draws.take(evenly_spaced(n, most)))

    @property
    def n_intensities(self) -> int:
        """Transitions and starts of treatments."""
        return len(self.data.row_start) - 1

    def rows(self, e: int) -> slice:
        """Rows of an intensity."""
        return slice(int(self.data.row_start[e]), int(self.data.row_start[e + 1]))

    def log_ratios(self, e: int, slope: float = 1.0, draws: slice = slice(None)) -> Floats:
        """(draw, row) log hazard ratios of the rows of an intensity."""
        mine, data = self.rows(e), self.data
        who = data.patient[mine]
        coef = self.draws.coef[draws, :, e] * np.where(self.steered, slope, 1.0)
        of_patient = coef @ self.values.T + 0.5 * coef**2 @ self.variances.T
        out = of_patient.T[who]
        first, last = np.searchsorted(data.acting_row, (mine.start, mine.stop))
        acting, row = data.acting[first:last], data.acting_row[first:last]
        of_rows = self.draws.acting[draws][:, acting, data.subgroup[data.patient[row]]]
        np.add.at(out, row - mine.start, of_rows.T)
        return np.ascontiguousarray(out.T)

    def tally(
        self,
        block: Ints,
        part: Sequence[Ints],
        group: Ints,
        *,
        slope: Floats | float = 1.0,
    ) -> Tally:
        """Count and expect, by block, part and group.

        Parameters
        ----------
        block
            (patient,) numbers from 0.
        part
            By intensity, (window,) numbers from 0.
        group
            (patient, intensity) numbers from 0.
        slope
            What log hazard ratios of covariates and subgroups are multiplied by, one number or one
            for each intensity.
        """
        slopes = np.broadcast_to(slope, self.n_intensities)
        sizes = (
            int(block.max(initial=0)) + 1,
            self.n_intensities,
            max(int(p.max(initial=0)) for p in part) + 1,
            int(group.max(initial=0)) + 1,
        )
        observed = np.zeros(sizes)
        expected = np.zeros((self.draws.n_draws, *sizes))
        data = self.data
        windows = np.zeros(data.n_rows, dtype=np.int64)
        windows[data.event_row] = data.event_window
        for e in range(self.n_intensities):
            mine = self.rows(e)
            who = data.patient[mine]
            cell = block[who] * sizes[3] + group[who, e]
            fired = data.event_row[(data.event_row >= mine.start) & (data.event_row < mine.stop)]
            at = data.patient[fired]
            np.add.at(observed, (block[at], e, part[e][windows[fired]], group[at, e]), 1.0)
            expected[:, :, e] = self._expected(e, cell, part[e], sizes, float(slopes[e]))
        return Tally(observed, expected)

    def _expected(
        self, e: int, cell: Ints, part: Ints, sizes: tuple[int, ...], slope: float
    ) -> Floats:
        """(draw, block, part, group) expected events of one intensity."""
        windows = len(part)
        days = self.data.days_at_risk(e)[:windows]
        into = np.zeros((windows, sizes[2]))
        into[np.arange(windows), part] = 1.0
        out = np.zeros((self.draws.n_draws, sizes[0] * sizes[3], sizes[2]))
        step = max(1, _MOST // max(days.shape[1], 1))
        for start in range(0, self.draws.n_draws, step):
            some = slice(start, start + step)
            ratios = np.exp(self.log_ratios(e, slope, some))
            rate = np.exp(self.draws.log_baseline[some, e, :windows])
            for c in np.unique(cell):
                own = cell == c
                out[some, c] = ((ratios[:, own] @ days[:, own].T) * rate) @ into
        by_cell = out.reshape(-1, sizes[0], sizes[3], sizes[2])
        return np.moveaxis(by_cell, 3, 2)


def one_cell(exposure: Exposure) -> tuple[Ints, tuple[Ints, ...], Ints]:
    """Blocks, parts and groups of a tally that counts transitions alone."""
    n, windows = len(exposure.values), exposure.draws.log_baseline.shape[2]
    groups = np.zeros((n, exposure.n_intensities), dtype=np.int64)
    parts = (np.zeros(windows, dtype=np.int64),) * exposure.n_intensities
    return np.zeros(n, dtype=np.int64), parts, groups
