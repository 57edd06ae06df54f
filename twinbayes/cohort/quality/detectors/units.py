"""Centres that measure in another unit: a power of ten apart from all others, whoever is treated.

A centre is compared with the others patient by patient, at the first and at the last value of each,
within subgroups. An honest centre may differ too, by its patients and by chance: a factor must be
far beyond both. Where there are two centres alone, both are named, since nothing says which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from twinbayes import names
from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.timeline import Timeline
from twinbayes.cohort.quality.measured import Measured, measured
from twinbayes.cohort.tables import CohortTables

# Factors between units in use: g/dL and g/L, mg and g, a fraction and a percentage.
_FACTORS: Final = (10.0, 100.0, 1000.0)
_TOLERANCE: Final = 1.5
_BOTH: Final = 0.6  # of the bar that first and last values pass on average, each passes so much
_OUTSIDE: Final = 0.4  # share of a centre's values that are where those of others hardly are
_FEWEST: Final = 5  # patients with values
# Centres may differ so much, as a standard deviation of logs, for what patients they have.
_HONEST: Final = 0.4
_CHANCE: Final = 2e-3  # of one false alarm in all comparisons of a cohort


@dataclass(frozen=True)
class _Shift:
    """How far a centre's values are from the others': number, patients, log ratio and its error."""

    place: int
    size: int
    log_ratio: float
    error: float

    @property
    def factor(self) -> float | None:
        """The factor of units that the ratio is near, or None."""
        exact = np.log(_FACTORS) * np.sign(self.log_ratio)
        distance = np.abs(self.log_ratio - exact)
        if distance.min() > np.log(_TOLERANCE) + 2.0 * self.error:
            return None
        return float(np.exp(exact[distance.argmin()]))


def centre_units(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield variables of single centres that look as if measured in another unit."""
    from scipy.special import ndtri  # slow to import

    variables = [one for one in measured(cohort) if (one.values.dropna() >= 0).all()]
    comparisons = 2 * max(1, len(variables)) * len(cohort.centres)
    bar = float(-ndtri(_CHANCE / comparisons / 2))
    for one in variables:
        rows = _by_patient(cohort, line, one.table, one.values)
        while (shift := _largest(rows, bar)) is not None:
            yield _finding(cohort, one, shift, len(np.unique(rows.centre)) > 2)
            rows = rows.without(shift.place)


def _finding(cohort: CohortTables, one: Measured, shift: _Shift, is_sure: bool) -> Finding:
    place = str(np.sort(cohort.patients[names.CENTRE].unique())[shift.place])
    known = one.values.notna() & (one.centre == place)
    versus = "the others" if is_sure else "the only other centre"
    both = "" if is_sure else " of both centres: nothing says which is right"
    return Finding(
        detector="unit of a centre",
        table=one.table,
        column=one.name,
        centre=place,
        what="values in another unit" if is_sure else "values in two units",
        why=f"they are {np.exp(shift.log_ratio):.3g} times those of {versus}, near "
        f"{shift.factor:g}",
        remedy=f"Check the unit{both}.",
        n_rows=int(known.sum()),
        n_patients=shift.size,
        of_patients=int((cohort.patients[names.CENTRE] == place).sum()),
        rows={one.table: one.values.index[known].to_numpy(dtype=np.int64)},
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Log values of patients: (patient, 2) the first and the last, and where they belong."""

    logs: Floats
    centre: Ints
    subgroup: Ints

    def without(self, place: int) -> _Rows:
        """All but one centre."""
        kept = self.centre != place
        return _Rows(self.logs[kept], self.centre[kept], self.subgroup[kept])


def _by_patient(cohort: CohortTables, line: Timeline, table: str, values: pd.Series) -> _Rows:
    """First and last positive value of each patient."""
    kept = values[values > 0]
    who = line.who[table][kept.index.to_numpy()]  # in order of the patient, then the day
    logs = np.log(kept.to_numpy(dtype=float))
    patients, first = np.unique(who, return_index=True)
    last = np.append(first[1:], len(who))[: len(first)] - 1
    centre, subgroup = (
        pd.factorize(cohort.patients[place], sort=True)[0][patients].astype(np.int64)
        for place in (names.CENTRE, names.SUBGROUP)
    )
    return _Rows(np.column_stack([logs[first], logs[last]]), centre, subgroup)


def _largest(rows: _Rows, bar: float) -> _Shift | None:
    """The centre that is farthest from the others, if that is beyond chance and near a factor."""
    sizes = np.bincount(rows.centre)
    n_centres, found = int((sizes > 0).sum()), []
    for place in np.flatnonzero(sizes >= _FEWEST):
        there = rows.centre == place
        if (~there).sum() < _FEWEST:
            continue
        differences, errors = _shifts(rows, there)
        beyond = np.abs(differences) / np.hypot(errors, _HONEST)
        is_far = beyond.mean() > bar and beyond.min() > _BOTH * bar
        if np.prod(differences) > 0 and is_far and _outside(rows.logs, there) > _OUTSIDE:
            found.append(
                _Shift(int(place), int(sizes[place]), float(differences.mean()), float(errors[0]))
            )
    # Of two centres the smaller is named; of more, who is farthest away.
    found.sort(key=lambda s: s.size if n_centres == 2 else -abs(s.log_ratio))
    return next((shift for shift in found if shift.factor is not None), None)


def _outside(logs: Floats, there: Bools) -> float:
    """Share of values at the ends of the other side's, where only a tenth of these are.

    The lesser of two: of the centre's at the ends of the others', and of the others' at the ends of
    the centre's. Who takes over patients with low values has those that some of the others have.
    """
    shares = []
    for here in (there, ~there):
        low, high = np.quantile(logs[~here], (0.05, 0.95), axis=0)
        shares.append(float(((logs[here] < low) | (logs[here] > high)).mean()))
    return min(shares)


def _shifts(rows: _Rows, there: Bools) -> tuple[Floats, Floats]:
    """Mean differences of logs, and their standard errors: (2,) of the first and the last values.

    Each value is less the mean of the others in its subgroup.
    """
    own, others = rows.subgroup[there], rows.subgroup[~there]
    size = int(rows.subgroup.max()) + 1
    known = np.bincount(others, minlength=size)
    differences, errors = np.zeros(2), np.zeros(2)
    for k, logs in enumerate(rows.logs.T):
        sums = np.bincount(others, weights=logs[~there], minlength=size)
        means = np.where(known > 0, sums / np.maximum(known, 1), logs[~there].mean())
        spread = max(float((logs[~there] - means[others]).std()), 0.1)
        differences[k] = (logs[there] - means[own]).mean()
        errors[k] = spread * np.sqrt(1 / len(own) + 1 / len(others))
    return differences, errors
