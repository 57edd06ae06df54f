"""Covariates that tell the future: whether an event came, or when.

A covariate is known at the origin. One that is the same as having had an event or a treatment later
(immortal time), having had it by some day, or having a value known for that reason alone, is not;
nor is one that ranks patients as the time to an event does. Honest prognostic factors, however
strong, leave chance its part. Treatments that begin with the origin are innocent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from twinbayes import names
from twinbayes.arrays import Floats
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.ranks import correlations, rank_correlation
from twinbayes.cohort.quality.detectors.timeline import Timeline, ages_of
from twinbayes.cohort.tables import CohortTables
from twinbayes.names import DAYS_PER_YEAR

_AGREEMENT: Final = 0.93  # Cohen's kappa
_CHANCE: Final = 1e-4  # of one agreement by chance in all comparisons
_LEVELS: Final = 12
_AT_ORIGIN: Final = 14.0  # days: a treatment that begins by then was assigned at the origin
_SHARE_AT_ORIGIN: Final = 0.9
_MISSING: Final = 0.05  # and as many known: what is missing can tell something
_CORRELATION: Final = 0.97  # of ranks
_CORRELATION_WITH_AGE: Final = 0.93  # of what is left when the age, which is rounded, is taken off
_SCREEN: Final = 0.07  # less: ranks among all are not those among the pairs
_FEWEST_PAIRS: Final = 12
_FEWEST_VALUES: Final = 8  # distinct ones
_REMEDY: Final = (
    "Leave the covariate out unless it was known at the origin; what became known later is a "
    "treatment, an event or a visit."
)


class _Binary(NamedTuple):
    """One way to read a covariate as yes or no; NaN where it is not known."""

    name: str
    value: Floats


def future_events(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield covariates that are the same as having had an event or a treatment by some day."""
    views = list(_binary(cohort.covariates()))
    futures = _futures(line)
    if not views or not futures:
        return
    best: dict[str, tuple[float, str, str]] = {}
    comparisons = len(views) * len(futures)
    for kind, day in futures.items():
        order = np.argsort(np.where(np.isnan(day), np.inf, day), kind="stable")
        is_treatment = kind.startswith("start of ")
        for view in views:
            found = _agreement(view.value, day, order, is_treatment, comparisons)
            if found is None:
                continue
            kappa, until = found
            said = _said(kind, until, day)
            if kappa > best.get(view.name, (0.0,))[0] + 1e-9:
                best[view.name] = (kappa, said, kind)
    for name, (kappa, said, _) in best.items():
        same = "the same as" if kappa > 1 - 1e-9 else "nearly the same as"
        yield _finding(cohort, name, "known only later", f"it is {same} {said}")


def future_times(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield numeric covariates that rank patients as the time to something does."""
    numbers = numeric(cohort.covariates())
    if numbers.empty:
        return
    # Who entered late has less time to come: what falls with the last day may be a calendar year.
    times = {"the last day of the record": line.last, "the number of visits": line.visit_days}
    rising = set(times)
    times |= {f"the day of {kind}": day for kind, day in line.kinds.items()}
    table = DataFrame({k: v for k, v in times.items() if np.isfinite(v).sum() >= _FEWEST_PAIRS})
    if table.empty:
        return
    ages = ages_of(cohort)
    aged = numbers.drop(columns="age_years", errors="ignore").sub(ages, axis=0)
    for what, x, least in (
        ("", numbers, _CORRELATION),
        (" added to the age", aged if ages.any() else aged[[]], _CORRELATION_WITH_AGE),
    ):
        near = correlations(x, table)
        for name in x:
            for time in table.columns[near.loc[str(name)].abs().to_numpy() >= least - _SCREEN]:
                rho, n = rank_correlation(x[name].to_numpy(), table[time].to_numpy())
                if n < _FEWEST_PAIRS or abs(rho) < least or (rho < 0 and time in rising):
                    continue
                why = f"it ranks patients as {time}{what} does"
                yield _finding(cohort, str(name), "derived from the follow-up", why)
                break


def numeric(covariates: DataFrame) -> DataFrame:
    """Return the covariates that are numbers of many values, by number of the patient."""
    keep = [
        name
        for name, column in covariates.items()
        if pd.api.types.is_numeric_dtype(column.dtype) and column.nunique() >= _FEWEST_VALUES
    ]
    return covariates[keep].astype(float).reset_index(drop=True)


def _finding(cohort: CohortTables, name: str, what: str, why: str) -> Finding:
    table = names.PATIENTS if name in cohort.patients else names.GENOMICS
    known = int(cohort.tables[table][name].notna().sum())
    return Finding(
        detector="covariate from the future",
        table=table,
        column=name,
        what=what,
        why=why,
        remedy=_REMEDY,
        n_rows=known,
        n_patients=known,
        of_patients=cohort.n_patients,
    )


def _said(kind: str, until: float, day: Floats) -> str:
    """Name what a covariate is the same as."""
    ever = until >= np.nanmax(day)
    return f"having had {kind}" + ("" if ever else f" within {until / DAYS_PER_YEAR:.2g} years")


def _binary(covariates: DataFrame) -> Iterator[_Binary]:
    """Every way to read covariates as yes or no: levels, presence, and whether they are known."""
    for key, column in covariates.items():
        name = str(key)
        known = column.notna().to_numpy(dtype=bool)
        if _MISSING <= known.mean() <= 1 - _MISSING:
            yield _Binary(name, known.astype(float))
        for value in _splits(column):
            yield _Binary(name, np.where(known, value, np.nan))


def _splits(column: Series) -> Iterator[Floats]:
    distinct = column.dropna().unique()
    if len(distinct) < 2:
        return
    if not pd.api.types.is_numeric_dtype(column.dtype):
        levels = distinct[: 1 if len(distinct) == 2 else _LEVELS]
        for level in levels:
            yield (column == level).to_numpy(dtype=float)
        return
    values = column.to_numpy(dtype=float)
    lowest = np.nanmin(values)
    steps = np.sort(distinct.astype(float))[:-1] if len(distinct) <= _LEVELS else [lowest]
    for step in steps:
        yield (values > step).astype(float)


def _futures(line: Timeline) -> dict[str, Floats]:
    """Days of what may come: each event and treatment, any treatment, and an event or death."""
    futures = line.kinds
    starts = list(line.treatments.values())
    if len(starts) > 1:
        futures["start of any treatment"] = np.fmin.reduce(np.stack(starts))
    for name, day in line.events.items():
        futures[f"{name} or death"] = np.fmin(day, line.deaths)
    return {k: day for k, day in futures.items() if np.isfinite(day).any()}


def _agreement(
    value: Floats, day: Floats, order: np.ndarray, is_treatment: bool, comparisons: int
) -> tuple[float, float] | None:
    """Kappa of a yes or no with "by day c", at the best c, and c; None if that may be chance."""
    known = ~np.isnan(value)
    n, yes = int(known.sum()), float(value[known].sum())
    if not 0 < yes < n:
        return None
    in_order = order[known[order]]
    when, said = day[in_order], value[in_order]
    happened = np.isfinite(when)
    if not happened.any():
        return None
    when, said_then = when[happened], np.cumsum(said[happened])
    ends = np.flatnonzero(np.append(np.diff(when) > 0, True))
    by_then, both = ends + 1.0, said_then[ends]
    expected = (by_then * yes + (n - by_then) * (n - yes)) / n**2
    observed = (n - by_then - yes + 2 * both) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(expected < 1, (observed - expected) / (1 - expected), 0.0)
        # the reverse: 0 for those who had it
        against = np.where(expected > 0, (expected - observed) / expected, 0.0)
    early = _AT_ORIGIN if is_treatment else 1.0
    at_origin = np.searchsorted(when, early, side="right") / by_then
    allowed = at_origin < _SHARE_AT_ORIGIN
    score = np.where(allowed, np.maximum(kappa, against), 0.0)
    k = int(score.argmax())
    if score[k] < _AGREEMENT or _log_ways(n, yes) < np.log(comparisons / _CHANCE):
        return None
    return float(score[k]), float(when[ends[k]])


def _log_ways(n: int, yes: float) -> float:
    """Log of the number of ways to choose so many of n: of what chance would have to hit."""
    from scipy.special import gammaln  # slow to import

    return float(gammaln(n + 1) - gammaln(yes + 1) - gammaln(n - yes + 1))
