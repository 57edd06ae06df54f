"""Covariates that are the value of a later visit: the last, one after a year, the best or worst.

A covariate follows what is measured later, since people stay who they are. It is suspected where it
is nearer to a later value than the value that was measured just before is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from pandas import DataFrame

from twinbayes import names
from twinbayes.arrays import Floats, Ints
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
_STARTS: Final = (30.0, 60.0, 91.0, 182.0)  # days after which the lowest and highest are sought
_AMONG: Final = 0.9  # share of patients of whom a covariate is one of the later values
_LAST: Final = "the last value"
_SINGLE: Final = (
    _LAST,
    *(f"value {k + 1} after the first month" for k in range(_NUMBERS)),
    *(f"the value near day {day:g}" for day in _DAYS),
)


def later_values(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield numeric covariates that equal, or nearly equal, what is measured later."""
    x = numeric(cohort.covariates())
    if cohort.visits is None or x.empty:
        return
    found: dict[str, tuple[float, str]] = {}
    for marker, visits in _by_marker(cohort, line):
        later, before = _candidates(visits)
        if later.empty:
            continue
        near = correlations(x, later)
        for name in map(str, x):
            values = x[name].to_numpy()
            for column in later.columns[near.loc[name].abs().to_numpy() >= _SCREEN]:
                least = _CORRELATION if column in _SINGLE else _EXTREME
                rho = _leaks(values, later[column].to_numpy(), before[column].to_numpy(), least)
                if rho > found.get(name, (0.0, ""))[0]:
                    found[name] = (rho, f"in the order of {column} of {marker}")
            if name not in found and _is_among(values, visits):
                found[name] = (1.0, f"among the later values of {marker}")
    for name, (rho, what) in found.items():
        known = int(x[name].notna().sum())
        yield Finding(
            detector="covariate from the future",
            table=names.PATIENTS if name in cohort.patients else names.GENOMICS,
            column=name,
            what="measured only later",
            why=f"it is {'' if rho > 1 - 1e-9 else 'nearly '}{what}, nearer than what was "
            "measured before",
            remedy="Leave the covariate out, or take the value at the origin; later values are "
            "visits.",
            n_rows=known,
            n_patients=known,
            of_patients=cohort.n_patients,
        )


@dataclass(frozen=True, eq=False)
class _Visits:
    """Visits of one marker in order of patient and day: who, day, value, and the value before."""

    n: int
    who: Ints
    day: Floats
    value: Floats
    before: Floats

    def at(self, rows: Ints) -> tuple[Floats, Floats]:
        """Value and value before at one row a patient at the most; (patient,)."""
        value, before = np.full(self.n, np.nan), np.full(self.n, np.nan)
        value[self.who[rows]], before[self.who[rows]] = self.value[rows], self.before[rows]
        return value, before

    def after(self, day: float) -> Ints:
        """Rows after a day."""
        return np.flatnonzero(self.day > day)


def _by_marker(cohort: CohortTables, line: Timeline) -> Iterator[tuple[str, _Visits]]:
    visits = cohort.tables[names.VISITS]
    day = visits[names.DAY].to_numpy(dtype=float)
    value = visits[names.VISIT_VALUE].to_numpy(dtype=float)
    codes, markers = pd.factorize(visits[names.MARKER])
    for k, marker in enumerate(markers):
        rows = np.flatnonzero((codes == k) & ~np.isnan(value))
        who, own = line.who[names.VISITS][rows], value[rows]
        before = np.append(np.nan, own[:-1])
        before[np.append(True, who[1:] != who[:-1])[: len(who)]] = np.nan
        yield str(marker), _Visits(line.n, who, day[rows], own, before[: len(who)])


def _candidates(visits: _Visits) -> tuple[DataFrame, DataFrame]:
    """Later values of each patient, and what was measured just before each; (patient,) a column."""
    rows = visits.after(_BASELINE)
    who = visits.who[rows]
    patients, first = np.unique(who, return_index=True)
    if len(patients) < _FEWEST_PAIRS:
        return DataFrame(), DataFrame()
    last = np.append(first[1:], len(rows)) - 1
    picked = {_LAST: rows[last]}
    number = np.arange(len(rows)) - np.repeat(first, last - first + 1)
    picked |= {f"value {k + 1} after the first month": rows[number == k] for k in range(_NUMBERS)}
    for day in _DAYS:
        distance = np.abs(np.log(visits.day[rows] / day))
        near = np.flatnonzero(distance < np.log(1.35))
        near = near[np.lexsort((distance[near], who[near]))]
        one = np.append(True, np.diff(who[near]) != 0)[: len(near)]
        picked[f"the value near day {day:g}"] = rows[near[one]]
    both = {name: visits.at(some) for name, some in picked.items()}
    for day in _STARTS:
        both |= _extremes(visits, day)
    later, before = ({name: pair[k] for name, pair in both.items()} for k in (0, 1))
    return DataFrame(later), DataFrame(before)


def _extremes(visits: _Visits, day: float) -> dict[str, tuple[Floats, Floats]]:
    """Lowest and highest value after a day, and the first value of all."""
    rows = visits.after(day)
    rows = rows[np.lexsort((visits.value[rows], visits.who[rows]))]
    starts = np.append(True, np.diff(visits.who[rows]) != 0)[: len(rows)]
    ends = np.append(starts[1:], True)[: len(rows)]
    _, first = np.unique(visits.who, return_index=True)
    origin, _ = visits.at(first)
    several = np.bincount(visits.who[rows], minlength=visits.n) > 1
    return {
        f"the {name} value after day {day:g}": (
            visits.at(rows[edge])[0],
            np.where(several, origin, np.nan),
        )
        for name, edge in (("lowest", starts), ("highest", ends))
    }


def _is_among(x: Floats, visits: _Visits) -> bool:
    """Whether a covariate is one of a patient's later values, far oftener than these repeat."""
    from scipy.special import bdtrc  # slow to import

    rows = visits.after(_BASELINE)
    rows = rows[~np.isnan(x[visits.who[rows]])]
    who, value = visits.who[rows], visits.value[rows]
    equal = np.bincount(who, np.abs(value - x[who]) <= 1e-9 * np.abs(value), visits.n) > 0
    some = np.bincount(who, minlength=visits.n) > 1
    n, hits = int(some.sum()), int((equal & some).sum())
    if n < _FEWEST_PAIRS or hits < _AMONG * n:
        return False
    # How often a patient's last value is one of the earlier ones: people stay who they are.
    last = np.full(visits.n, np.nan)
    last[who] = value  # the last of several stays
    again = np.bincount(who, value == last[who], visits.n) > 1
    natural = (float((again & some).sum()) + 1.0) / (n + 2.0)
    return float(bdtrc(hits - 1, n, natural)) < _CHANCE / 10


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
