"""Covariates that are the value of a later visit: the last, one after a year, the best or worst.

A covariate follows what is measured later, since people stay who they are. It is suspected where it
is nearer to a later value than the value that was measured just before is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.arrays import Floats
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.leaks import numeric
from twinbayes.cohort.quality.detectors.ranks import correlations, rank_correlation
from twinbayes.cohort.quality.detectors.timeline import Timeline
from twinbayes.cohort.tables import CohortTables

_BASELINE: Final = 30.0  # days: what was measured by then may be the baseline
_DAYS: Final = (91.0, 182.0, 365.0, 730.0, 1095.0)
_NUMBERS: Final = 6  # visits after the baseline that are looked at by their number
_SCREEN: Final = 0.9
_CORRELATION: Final = 0.97
_ALONE: Final = 0.985  # where nothing was measured before
_EXTREME: Final = 0.95  # of the lowest and the highest value, whose first day nobody knows
_NEARER: Final = 0.35  # times the distance of the value before
_CHANCE: Final = 1e-5  # that so many patients are nearer
_FEWEST_PAIRS: Final = 12
_EXTREMES: Final = ("the lowest value", "the highest value")


def later_values(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield numeric covariates that equal, or nearly equal, what is measured later."""
    x = numeric(cohort.covariates())
    if cohort.visits is None or x.empty:
        return
    found: dict[str, tuple[float, str]] = {}
    for marker, rows in _by_marker(cohort, line):
        later, before = _candidates(rows, line.n)
        if later.empty:
            continue
        near = correlations(x, later)
        for name in x:
            for column in later.columns[near.loc[str(name)].abs().to_numpy() >= _SCREEN]:
                values = x[name].to_numpy()
                least = _EXTREME if column in _EXTREMES else _CORRELATION
                rho = _leaks(values, later[column].to_numpy(), before[column].to_numpy(), least)
                if rho > found.get(str(name), (0.0, ""))[0]:
                    found[str(name)] = (rho, f"{column} of {marker}")
    for name, (rho, what) in found.items():
        table = names.PATIENTS if name in cohort.patients else names.GENOMICS
        known = int(x[name].notna().sum())
        yield Finding(
            detector="covariate from the future",
            table=table,
            column=name,
            what="measured only later",
            why=f"it is {'' if rho > 1 - 1e-9 else 'nearly '}in the order of {what}, nearer than "
            "what was measured before",
            remedy="Leave the covariate out, or take the value at the origin; later values are "
            "visits.",
            n_rows=known,
            n_patients=known,
            of_patients=cohort.n_patients,
        )


def _by_marker(cohort: CohortTables, line: Timeline) -> Iterator[tuple[str, DataFrame]]:
    """Each marker's visits: who, day, value; in order of patient and day."""
    visits = cohort.tables[names.VISITS]
    frame = DataFrame(
        {
            "who": line.who[names.VISITS],
            "day": visits[names.DAY].to_numpy(dtype=float),
            "value": visits[names.VISIT_VALUE].to_numpy(dtype=float),
        }
    )
    for marker, rows in frame.groupby(visits[names.MARKER].to_numpy(), sort=False):
        yield str(marker), rows.dropna()


def _candidates(rows: DataFrame, n: int) -> tuple[DataFrame, DataFrame]:
    """Later values of each patient, and what was measured just before each; (patient,) a column."""
    rows = rows.assign(before=rows.groupby("who")["value"].shift())
    after = rows[rows["day"] > _BASELINE]
    if after["who"].nunique() < _FEWEST_PAIRS:
        return DataFrame(), DataFrame()
    index = np.arange(n)
    later: dict[str, Series] = {}
    before: dict[str, Series] = {}

    def add(name: str, some: DataFrame) -> None:
        one = some.set_index("who").reindex(index)
        later[name], before[name] = one["value"], one["before"]

    by = after.groupby("who")
    add("the last value", after[~after["who"].duplicated(keep="last")])
    number = by.cumcount()
    for k in range(_NUMBERS):
        add(f"value {k + 1} after the first month", after[number == k])
    for day in _DAYS:
        distance = (np.log(after["day"]) - np.log(day)).abs()
        near = after.assign(distance=distance)[distance < np.log(1.35)]
        near = near.sort_values(["who", "distance"], kind="stable")
        add(f"the value near day {day:g}", near[~near["who"].duplicated()])
    first = rows[~rows["who"].duplicated()].set_index("who")["value"].reindex(index)
    several = by.size().reindex(index) > 1
    for name, one in zip(_EXTREMES, (by["value"].min(), by["value"].max()), strict=True):
        later[name], before[name] = one.reindex(index), first.where(several)
    return pd.DataFrame(later), pd.DataFrame(before)


def _leaks(x: Floats, value: Floats, before: Floats, least: float) -> float:
    """Rank correlation with a later value, 0 unless nearer to it than the value before is."""
    rho, n = rank_correlation(x, value)
    rho = abs(rho)
    if n < _FEWEST_PAIRS or rho < least:
        return 0.0
    known = ~(np.isnan(x) | np.isnan(value) | np.isnan(before))
    if known.sum() < _FEWEST_PAIRS:
        return rho if rho >= _ALONE else 0.0
    own, _ = rank_correlation(x[known], value[known])
    natural, _ = rank_correlation(before[known], value[known])
    is_nearer = 1 - abs(own) < _NEARER * (1 - abs(natural))
    return rho if is_nearer and _one_by_one(x[known], value[known], before[known]) else 0.0


def _one_by_one(x: Floats, value: Floats, before: Floats) -> bool:
    """Whether a covariate is nearer in rank in so many patients that it is not by chance."""
    from scipy.special import bdtrc  # slow to import

    ranks = DataFrame({"x": x, "value": value, "before": before}).rank()
    own = (ranks["x"] - ranks["value"]).abs().to_numpy()
    if np.corrcoef(x, value)[0, 1] < 0:
        own = (len(x) + 1 - ranks["x"] - ranks["value"]).abs().to_numpy()
    natural = (ranks["before"] - ranks["value"]).abs().to_numpy()
    nearer, differ = int((own < natural).sum()), int((own != natural).sum())
    return bool(nearer) and float(bdtrc(nearer - 1, differ, 0.5)) < _CHANCE
