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
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Floats
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.timeline import Timeline
from twinbayes.cohort.quality.measured import measured
from twinbayes.cohort.tables import CohortTables

# Factors between units in use: g/dL and g/L, mg and g, a fraction and a percentage.
_FACTORS: Final = (10.0, 100.0, 1000.0)
_TOLERANCE: Final = 1.5
_FEWEST: Final = 5  # patients with values
# Centres may differ so much, as a standard deviation of logs, for what patients they have.
_HONEST: Final = 0.4
_CHANCE: Final = 2e-3  # of one false alarm in all comparisons of a cohort


@dataclass(frozen=True)
class _Shift:
    """How far a centre's values are from the others': a difference of logs, and how sure it is."""

    place: str
    size: int
    log_ratio: float
    deviations: float

    @property
    def factor(self) -> float | None:
        """The factor of units that the ratio is near, or None."""
        for factor in _FACTORS:
            for exact in (np.log(factor), -np.log(factor)):
                if abs(self.log_ratio - exact) < np.log(_TOLERANCE):
                    return float(np.exp(exact))
        return None


def centre_units(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield variables of single centres that look as if measured in another unit."""
    variables = [
        (one.table, one.name, one.values, rows)
        for one in measured(cohort)
        if (one.values.dropna() >= 0).all()
        and len(rows := _by_patient(cohort, line, one.table, one.values)) >= 2 * _FEWEST
    ]
    comparisons = 2 * max(1, len(variables)) * len(cohort.centres)
    from scipy.special import ndtri  # slow to import

    bar = float(-ndtri(_CHANCE / comparisons / 2))
    for table, name, values, rows in variables:
        left = rows
        n_centres = rows[names.CENTRE].nunique()
        while (shift := _largest(left, bar)) is not None:
            factor = shift.factor
            assert factor is not None  # of those alone
            here = cohort.patients[names.CENTRE].to_numpy(dtype=object)[line.who[table]]
            own = np.flatnonzero((here == shift.place) & cohort_index(cohort, table, values))
            versus = "the others" if n_centres > 2 else "the only other centre"
            yield Finding(
                detector="unit of a centre",
                table=table,
                column=name,
                centre=shift.place,
                what="values in another unit" if n_centres > 2 else "values in two units",
                why=f"they are {np.exp(shift.log_ratio):.3g} times those of {versus}, near "
                f"{factor:g}",
                remedy="Check the unit"
                + ("." if n_centres > 2 else " of both centres: nothing says which is right."),
                n_rows=len(own),
                n_patients=shift.size,
                of_patients=int((cohort.patients[names.CENTRE] == shift.place).sum()),
                rows={table: own},
            )
            left = left[left[names.CENTRE] != shift.place]
            if n_centres <= 2:
                break


def cohort_index(cohort: CohortTables, table: str, values: pd.Series) -> np.ndarray:
    """Which rows of a table have one of these values."""
    found = np.zeros(len(cohort.tables[table]), dtype=bool)
    found[values.dropna().index.to_numpy()] = True
    return found


def _by_patient(
    cohort: CohortTables, line: Timeline, table: str, values: pd.Series
) -> DataFrame:
    """First and last positive log value of each patient, with centre, less the subgroup's mean."""
    kept = values[values > 0]
    who = line.who[table][kept.index.to_numpy()]
    logs = pd.Series(np.log(kept.to_numpy(dtype=float)))
    by = logs.groupby(who)  # rows are in order of the patient and the day
    frame = DataFrame({"first": by.first(), "last": by.last()})
    patients = cohort.patients.iloc[frame.index.to_numpy()]
    frame[names.CENTRE] = patients[names.CENTRE].to_numpy(dtype=object)
    frame[names.SUBGROUP] = patients[names.SUBGROUP].to_numpy(dtype=object)
    return frame


def _largest(rows: DataFrame, bar: float) -> _Shift | None:
    """The centre that is farthest from the others, if that is beyond chance and near a factor."""
    found: list[_Shift] = []
    sizes = rows[names.CENTRE].value_counts()
    if len(sizes) < 2:
        return None
    for place in sizes.index[sizes >= _FEWEST]:
        there = (rows[names.CENTRE] == place).to_numpy()
        if (~there).sum() < _FEWEST:
            continue
        shifts = [_shift(rows[column].to_numpy(), rows[names.SUBGROUP], there) for column in ("first", "last")]
        mean, deviations = min(shifts, key=lambda s: abs(s[1]))
        if shifts[0][0] * shifts[1][0] > 0 and abs(deviations) > bar:
            found.append(_Shift(str(place), int(there.sum()), mean, deviations))
    # Of two centres the smaller is named; of more, who is farthest away.
    found.sort(key=lambda s: (s.size if len(sizes) == 2 else -abs(s.log_ratio)))
    return next((shift for shift in found if shift.factor is not None), None)


def _shift(logs: Floats, subgroup: pd.Series, there: np.ndarray) -> tuple[float, float]:
    """Mean difference of logs, and that in standard deviations of chance and honest differences."""
    others = pd.Series(logs[~there])
    means = others.groupby(subgroup.to_numpy()[~there]).mean()
    expected = subgroup.map(means).fillna(others.mean()).to_numpy(dtype=float)
    residual = logs - expected
    spread = max(float(residual[~there].std(ddof=1)), 0.1)
    n, m = int(there.sum()), int((~there).sum())
    difference = float(residual[there].mean())
    error = np.sqrt(spread**2 * (1 / n + 1 / m) + _HONEST**2)
    return difference, difference / error
