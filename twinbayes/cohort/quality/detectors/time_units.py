"""Follow-up in months or years in place of days: of a centre, of some patients, or of all.

What tells a centre with another unit from one with sicker patients, or from one that has only
begun: everything is shorter there at once, the longest record, events that come soon elsewhere,
and the gaps between visits. A centre whose patients die sooner has long records and the visits of
the others; a centre that has begun lately has early events when the others have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from twinbayes import names
from twinbayes.arrays import Bools, Floats, Ints
from twinbayes.cohort.quality.detectors.finding import Finding
from twinbayes.cohort.quality.detectors.timeline import Timeline
from twinbayes.cohort.tables import CohortTables
from twinbayes.names import DAYS_PER_YEAR

_MONTH: Final = DAYS_PER_YEAR / 12
_UNITS: Final[Mapping[str, float]] = {"months": _MONTH, "years": DAYS_PER_YEAR}
# A centre's records are so much shorter at the least, and so is each kind that speaks against it.
_SHORTER: Final = 6.0
_AS_LONG: Final = 4.0  # a kind that is less than so much shorter speaks for the centre
_SMALLEST_CENTRE: Final = 3
_SICKER: Final = 5.0  # early events may be so much more frequent for no fault of the records
_AGREES: Final = 0.02  # chance of a kind's early events under that
_EVIDENCE: Final = 11.0  # sum of -log of these chances
# Patients: a kind is out of order beyond so many robust standard deviations.
_DEVIATIONS: Final = 4.0
_SKEW: Final = 1.5  # times its upper half, of logs, a kind's lower half may be as wide
_SMALLEST_SPREAD: Final = 0.25  # of a log
_FEWEST_VALUES: Final = 20
_FEWEST_PATIENTS: Final = 3
# Whole cohort: nobody is followed longer than this.
_LONGEST: Final = {"years": 60.0, "months": 480.0}
# Days of a month or of a year, by which people divide.
_LENGTHS: Final = (30.0, 30.4, 30.42, 30.4375, 30.44, 30.5, 365.0, 365.2425, 365.25)
_VISITS: Final = "visits"
_REMEDY: Final = "Compare some records with their source, and convert times to days"


def time_units(cohort: CohortTables, line: Timeline) -> Iterator[Finding]:
    """Yield centres, patients and cohorts whose times are in months or years."""
    if (unit := _of_all(cohort, line)) is not None:
        yield _finding(
            cohort,
            line,
            np.ones(line.n, dtype=bool),
            f"nobody is followed for longer than {_LONGEST[unit.split()[0]]:g} days, and times "
            "have fractions of days, or visits follow one another within days",
            unit,
        )
        return
    centre = cohort.patients[names.CENTRE].to_numpy(dtype=object)
    accused = np.zeros(line.n, dtype=bool)
    for place, unit in _centres(line, centre):
        there = centre == place
        accused |= there
        why = "longest records, early events and visits are all that much shorter than elsewhere"
        yield _finding(cohort, line, there, why, unit, place)
    by_unit = _patients(line, ~accused)
    for unit, some in by_unit.items():
        if some.sum() >= _FEWEST_PATIENTS:
            why = "early events and visits of these patients are all that much shorter"
            yield _finding(cohort, line, some, why, unit)


def _finding(
    cohort: CohortTables, line: Timeline, some: Bools, why: str, unit: str, place: str | None = None
) -> Finding:
    rows = {
        table: np.flatnonzero(some[line.who[table]])
        for table in (names.EVENTS, names.VISITS, names.TREATMENTS)
        if table in line.who
    }
    centre = cohort.patients[names.CENTRE].to_numpy(dtype=object)
    return Finding(
        detector="time unit",
        table=names.EVENTS,
        column=names.DAY,
        centre=place,
        what=f"times in {unit} in place of days",
        why=why,
        remedy=f"{_REMEDY}.",
        n_rows=sum(len(found) for found in rows.values()),
        n_patients=int(some.sum()),
        of_patients=line.n if place is None else int((centre == place).sum()),
        rows=rows,
    )


# --- centres -------------------------------------------------------------------------------


def _centres(line: Timeline, centre: np.ndarray) -> Iterator[tuple[str, str]]:
    """Centres whose records are all shorter than those of the centres with the longest."""
    known = np.isfinite(line.last)
    longest = pd.Series(line.last[known]).groupby(centre[known]).quantile(0.9)
    sizes = pd.Series(centre[known]).value_counts()
    longest = longest[sizes.reindex(longest.index) >= _SMALLEST_CENTRE]
    if len(longest) < 2:
        return
    reference = np.isin(centre, longest.index[longest >= longest.max() / 2])
    bar = float(np.nanquantile(line.last[reference & known], 0.9)) / _SHORTER
    for place in longest.index[longest <= bar]:
        if (unit := _unit_of(line, centre == place, reference)) is not None:
            yield str(place), unit


def _unit_of(line: Timeline, there: Bools, elsewhere: Bools) -> str | None:
    """The unit of a centre's times, or None where something speaks for days."""
    from scipy.special import bdtrc  # slow to import

    n, against, shifts, agreeing, contradicting = int(there.sum()), 0.0, [], 0, 0
    for name, day in {**line.kinds, _VISITS: line.gap}.items():
        own, others = _positive(day[there]), _positive(day[elsewhere])
        if len(own) < 2 or len(others) < 2:
            continue
        middle = float(np.median(own))
        shift = float(np.log(middle / np.median(others)))
        total = len(others) if name == _VISITS else int(elsewhere.sum())
        people = len(own) if name == _VISITS else n
        early = min(1.0, _SICKER * ((others <= middle).sum() + 0.5) / (total + 1))
        chance = float(bdtrc((own <= middle).sum() - 1, people, early)) if early < 1 else 1.0
        if shift <= -np.log(_SHORTER) and chance < _AGREES:
            against -= np.log(max(chance, 1e-12))
            agreeing += 1
            shifts.append(shift)
        elif shift > -np.log(_AS_LONG) and len(own) >= _SMALLEST_CENTRE:
            contradicting += 1
    if agreeing < 2 or against < _EVIDENCE or 3 * contradicting > agreeing:
        return None
    return _nearest(float(np.median(shifts)))


def _positive(days: Floats) -> Floats:
    return days[days > 0]  # NaN is not


def _nearest(shift: float) -> str | None:
    """The unit whose factor a shift of logs is nearest to; None where that is a week or less."""
    if shift > -np.log(10.0):
        return None
    return min(_UNITS, key=lambda unit: float(abs(shift + np.log(_UNITS[unit]))))


# --- single patients -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Signs:
    """What speaks against each patient's days, (patient,)."""

    out: Ints  # kinds far below all others
    within: Ints  # kinds as those of the others
    shift: Floats  # sum of the logs of the kinds that are out, over the median


def _patients(line: Timeline, looked_at: Bools) -> dict[str, Bools]:
    """Patients of whom two kinds of times, or visits apart from all others, are too short."""
    out, within = np.zeros(line.n, dtype=np.int64), np.zeros(line.n, dtype=np.int64)
    shift = np.zeros(line.n)
    kinds = {k: v for k, v in line.kinds.items() if k != names.DEATH}
    for name, day in {**kinds, _VISITS: line.gap}.items():
        known = looked_at & (day > 0)
        if known.sum() < _FEWEST_VALUES:
            continue
        logs = np.log(day[known])
        quarter, middle, above = np.quantile(logs, (0.25, 0.5, 0.75))
        # Wrong times of some patients widen the lower half alone.
        half = min(middle - quarter, _SKEW * (above - middle))
        spread = max(1.4826 * half, _SMALLEST_SPREAD)
        far = known.copy()
        far[known] = logs < middle - max(_DEVIATIONS * spread, np.log(8.0))
        between = known & ~far & (np.log(np.where(known, day, 1.0)) < middle - np.log(_AS_LONG))
        signs = 2 if name == _VISITS and 3 * between.sum() <= far.sum() else 1
        out += signs * far
        within += known & ~far & ~between
        shift[far] += signs * (np.log(day[far]) - middle)
    ends = line.last[looked_at & np.isfinite(line.last)]
    long = float(np.quantile(ends, 0.9)) if len(ends) else 0.0
    suspect = looked_at & (out >= 2) & (within == 0) & (line.last <= long / _SHORTER)
    mean = shift / np.maximum(out, 1)
    units = [_nearest(float(m)) for m in mean]
    return {unit: suspect & np.array([u == unit for u in units]) for unit in _UNITS}


# --- the whole cohort ----------------------------------------------------------------------


def _of_all(cohort: CohortTables, line: Timeline) -> str | None:
    """The unit of all times, where nobody is followed for long and days have fractions."""
    last = line.last[np.isfinite(line.last)]
    if len(last) < _FEWEST_VALUES or not 0 < last.max() <= _LONGEST["months"]:
        return None
    followed = line.last[np.isfinite(line.last) & ~line.dead]
    if len(followed) and (followed >= 0.98 * last.max()).mean() > 0.5:
        return None  # a study that ends on a planned day
    gap = _positive(line.gap)
    first = float(np.median(gap)) if len(gap) >= _FEWEST_VALUES else np.nan
    if _fractions(cohort) < 0.5:
        if not np.isnan(first) and 0 < first <= 4.0 and _thins_out(cohort, line):
            return "months"
        return None
    if np.isnan(first):
        return "years or months" if last.max() <= _LONGEST["years"] else "months"
    if first < 1.0 and last.max() <= _LONGEST["years"]:
        return "years"
    return "months" if first < 7.0 else None


def _fractions(cohort: CohortTables) -> float:
    """Share of days that are not whole: of visits where there are any, else of events."""
    if cohort.visits is not None and len(cohort.visits):
        days = cohort.visits[names.DAY].to_numpy(dtype=float)
    else:
        days = cohort.events[names.DAY].to_numpy(dtype=float)
    days = days[days > 0]
    if not len(days) or not _is_typed(days):
        return 0.0
    return float(np.mean(np.abs(days - np.round(days)) > 1e-6))


def _is_typed(days: Floats) -> bool:
    """Whether fractions are those of months or years; those of clock times have no end."""
    for whole, precision in ((100.0, 1e-6), *((length, 0.03) for length in _LENGTHS)):
        scaled = days * whole
        if np.mean(np.abs(scaled - np.round(scaled)) < precision) > 0.9:
            return True
    return False


def _thins_out(cohort: CohortTables, line: Timeline) -> bool:
    """Whether visits come less often with time, and never on many days one after another."""
    visits = cohort.tables[names.VISITS]
    seen = pd.DataFrame(
        {"who": line.who[names.VISITS], "day": visits[names.DAY].to_numpy(dtype=float)}
    ).drop_duplicates()
    seen = seen.sort_values(["who", "day"])
    gaps = seen.groupby("who")["day"].diff()
    middle = float(np.median(seen["day"]))
    early, late = gaps[seen["day"] <= middle].median(), gaps[seen["day"] > middle].median()
    daily = (gaps == 1.0).astype(float).groupby(seen["who"]).sum().quantile(0.9)
    return bool(late >= 2.0 * early and daily < 7)
