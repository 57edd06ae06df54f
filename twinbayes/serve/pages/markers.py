"""Markers of one patient, measured and expected, and time lived by its quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from markupsafe import Markup

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.names import (
    CENSORED,
    DAY,
    DAYS_PER_YEAR,
    MARKER,
    MARKER_CURVE,
    PATIENT,
    QUALITY_ADJUSTED_TIME,
    RMST,
    SURVIVAL,
    TIME,
    VISIT_VALUE,
)
from twinbayes.serve.drawing import Ahead, Axes, Measured, marker_panel
from twinbayes.serve.explorer import INTERVAL, Explorer, Outlook
from twinbayes.serve.language import Language
from twinbayes.serve.pages.numbers import alive
from twinbayes.serve.pages.page import Asked

FEWEST_ALIVE: Final = 0.1  # mean survival under which no curve is shown
SIGNS: Final[Mapping[str, str]] = {"none": "", "left": "≤ ", "right": "≥ "}
"""What stands before a value that is a limit."""
_HALF: Final = 0.5
_LOG_RANGE: Final = 100.0  # values that span more are drawn on a log axis


@dataclass(frozen=True)
class Panel:
    """One marker: its picture, and the same in words and numbers.

    Attributes
    ----------
    title, unit
        Of the marker.
    notes
        Sentences under the picture.
    rows
        (after, expected value, its interval, alive) at the present day and the horizons; values
        are "" where so few would be alive that none is shown.
    """

    title: str
    unit: str
    picture: Markup
    notes: tuple[str, ...]
    rows: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class _Course:
    """A forecast of one marker, in years from now, as far as it is shown."""

    years: Floats
    mean: Floats
    lower: Floats
    upper: Floats
    half_at: float | None  # from when on fewer than half are alive
    ends_at: float | None  # from when on too few are alive


def panels(asked: Asked, outlook: Outlook) -> list[Panel]:
    """A panel for each marker of the model; none of a model without curves."""
    if MARKER_CURVE not in outlook.forecast:
        return []
    names = [str(m) for m in outlook.forecast[MARKER].to_numpy()]
    return [_panel(asked, outlook, name) for name in names]


def expected_now(asked: Asked, outlook: Outlook) -> list[tuple[str, str]]:
    """Each marker of the model, and what is expected of it on the present day, with its interval.

    None of a model without curves.
    """
    if MARKER_CURVE not in outlook.forecast:
        return []
    t, found = asked.language, []
    for marker in (str(m) for m in outlook.forecast[MARKER].to_numpy()):
        unit = unit_of(t, outlook.twin.cohort, marker)
        _, value, between, _ = _rows(t, outlook, marker, _course(outlook.forecast, marker))[0]
        told = f"{value} {unit}".strip()
        found.append((t.name(marker), f"{told} ({between})" if value else t("markers.too_few")))
    return found


def _panel(asked: Asked, outlook: Outlook, marker: str) -> Panel:
    t, explorer = asked.language, asked.explorer
    seen = _measured(outlook, marker)
    course = _course(outlook.forecast, marker)
    unit = unit_of(t, outlook.twin.cohort, marker)
    ends = _ends(explorer, marker)
    title = f"{_capital(t.name(marker))} ({unit})" if unit else _capital(t.name(marker))
    rows = tuple(_rows(t, outlook, marker, course))
    picture = marker_panel(
        seen,
        Ahead(course.years, course.mean, course.lower, course.upper, course.half_at),
        _axes(t, seen, course, ends, title),
        _alt(t, _capital(t.name(marker)), unit, seen, rows),
    )
    return Panel(
        title,
        unit,
        picture,
        tuple(_notes(asked, outlook, marker, seen, course, ends)),
        rows,
    )


def _measured(outlook: Outlook, marker: str) -> Measured:
    """What was measured up to the landmark, in years from it."""
    visits, landmark = outlook.twin.cohort.visits, outlook.twin.present[0].day
    if visits is None:
        return Measured(np.empty(0), np.empty(0), ())
    some = visits[(visits[MARKER] == marker) & (visits[DAY] <= landmark)].sort_values(DAY)
    years = (some[DAY].to_numpy(dtype=float) - landmark) / DAYS_PER_YEAR
    kinds = some[CENSORED].fillna("none") if CENSORED in some else ["none"] * len(some)
    return Measured(years, some[VISIT_VALUE].to_numpy(dtype=float), tuple(map(str, kinds)))


def _course(forecast: xr.Dataset, marker: str) -> _Course:
    """The expected curve as long as enough would be alive."""
    one = forecast.isel({PATIENT: 0})
    years, survival = one[TIME].to_numpy() / DAYS_PER_YEAR, one[SURVIVAL].to_numpy()
    mine = one.sel({MARKER: marker})
    mean, lower, upper = (mine[f"{MARKER_CURVE}{s}"].to_numpy() for s in ("", "_lower", "_upper"))
    few = np.flatnonzero((survival < FEWEST_ALIVE) | ~np.isfinite(mean + lower + upper))
    n = int(few[0]) if few.size else len(years)
    half = np.flatnonzero(survival[:n] < _HALF)
    return _Course(
        years[:n],
        mean[:n],
        lower[:n],
        upper[:n],
        float(years[half[0]]) if half.size else None,
        float(years[n]) if n < len(years) else None,
    )


def _axes(
    t: Language,
    seen: Measured,
    course: _Course,
    ends: tuple[float | None, float | None],
    title: str,
) -> Axes:
    """The scale between its ends where it has two, else what the values need."""
    values = np.concatenate([seen.values, course.lower, course.upper])
    first = min([0.0, *seen.years])
    last = max([1.0 / 12.0, *course.years])
    floor, ceiling = ends
    if floor is not None and ceiling is not None:
        low, high, logged = float(floor), float(ceiling), False
    elif values.size == 0:
        low, high, logged = 0.0, 1.0, False
    else:
        low, high = float(values.min()), float(values.max())
        logged = low > 0.0 and high / low > _LOG_RANGE
        margin = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
        if not logged:
            low = low - margin if low < 0.0 or low > margin else 0.0
            high += margin
    return Axes((first, last), (low, high), logged, t("patient.axis"), title, t.number)


def _rows(
    t: Language, outlook: Outlook, marker: str, course: _Course
) -> list[tuple[str, str, str, str]]:
    found = []
    mine = outlook.forecast.isel({PATIENT: 0}).sel({MARKER: marker})
    shown_until = course.years[-1] * DAYS_PER_YEAR if len(course.years) else -1.0
    for day in (0.0, *outlook.horizons):
        label = t.years(day / DAYS_PER_YEAR) if day else t("markers.now")
        living = t("patient.of_hundred", n=alive(outlook.forecast, day).n)
        at = mine.sel({TIME: day}, method="nearest")
        if float(at[TIME]) > shown_until:
            found.append((label, "", "", living))
            continue
        mean, low, high = (float(at[f"{MARKER_CURVE}{s}"]) for s in ("", "_lower", "_upper"))
        told, first, last = (t.number(v, _digits(v)) for v in (mean, low, high))
        found.append((label, told, t("patient.between", low=first, high=last), living))
    return found


def _alt(
    t: Language,
    name: str,
    unit: str,
    seen: Measured,
    rows: tuple[tuple[str, str, str, str], ...],
) -> str:
    """The picture in a sentence: what was measured, and where the curve leads."""
    said = [t("markers.alt_none", marker=name)]
    if len(seen.values):
        last = t.number(float(seen.values[-1]), _digits(float(seen.values[-1])))
        said = [
            t("markers.alt_seen", marker=name, n=len(seen.values), last=f"{last} {unit}".strip())
        ]
    shown = [row for row in rows if row[1]]
    if shown:
        said.append(t("markers.alt_now", value=f"{shown[0][1]} {unit}".strip()))
    if len(shown) > 1:
        said.append(
            t("markers.alt_then", at=shown[-1][0], value=f"{shown[-1][1]} {unit}".strip(),
              between=shown[-1][2])
        )  # fmt: skip
    return " ".join(said)


def _notes(
    asked: Asked,
    outlook: Outlook,
    marker: str,
    seen: Measured,
    course: _Course,
    ends: tuple[float | None, float | None],
) -> list[str]:
    t = asked.language
    notes = [t("markers.legend", percent=t.percent(INTERVAL))]
    if not len(seen.values):
        notes.append(t("markers.none_measured"))
    if "left" in seen.kinds or "right" in seen.kinds:
        notes.append(t("markers.limit"))
    if course.half_at is not None:
        notes.append(t("markers.half", span=_span(t, course.half_at)))
    if course.ends_at is not None:
        key = "markers.cut" if course.ends_at else "markers.nothing"
        notes.append(t(key, span=_span(t, course.ends_at)))
    notes += _range_words(t, _range(outlook.twin.cohort, marker, ends))
    quality = asked.explorer.quality
    if quality is not None and quality.marker == marker:
        worst, best = quality.scale or ends
        if worst is not None and best is not None:
            notes.append(t("markers.direction", worst=_plain(t, worst), best=_plain(t, best)))
    return notes


def _range(
    cohort: Cohort, marker: str, ends: tuple[float | None, float | None]
) -> tuple[float | None, float | None]:
    """Ends of the marker's scale: those of the model, else those of the cohort's variables."""
    row = _variable(cohort, marker)
    low, high = (
        end if end is not None else (None if pd.isna(row.get(name)) else float(row[name]))
        for end, name in zip(ends, ("min", "max"), strict=True)
    )
    return low, high


def _range_words(t: Language, ends: tuple[float | None, float | None]) -> list[str]:
    low, high = (None if end is None else _plain(t, end) for end in ends)
    if low is not None and high is not None:
        return [t("markers.range", low=low, high=high)]
    if low is not None:
        return [t("markers.at_least", low=low)]
    return [] if high is None else [t("markers.at_most", high=high)]


def quality_words(asked: Asked, outlook: Outlook) -> list[str]:
    """Time lived within the horizon, plain and by its quality, and what a day counts."""
    t, found, counts = asked.language, outlook.quality, asked.explorer.quality
    if found is None or counts is None:
        return []
    one = found.isel({PATIENT: 0})
    values: dict[str, str] = {}
    for short, name in (("alive", RMST), ("good", QUALITY_ADJUSTED_TIME)):
        for end in ("", "_lower", "_upper"):
            months = 12.0 * float(one[f"{name}{end}"]) / DAYS_PER_YEAR
            values[short + end] = t.number(months, 1)
    horizon = t.number(12.0 * float(found[TIME].to_numpy()[-1]) / DAYS_PER_YEAR, 1)
    said = [t("quality.months", horizon=horizon, percent=t.percent(INTERVAL), **values)]
    if counts.marker is not None:
        worst, best = counts.scale or _ends(asked.explorer, counts.marker)
        said.append(
            t("quality.marker", marker=t.name(counts.marker), worst=_plain(t, worst or 0.0),
              best=_plain(t, best or 0.0))
        )  # fmt: skip
    if counts.utilities is not None:
        weights = ", ".join(
            f"{asked.state(state)} {t.number(w[0] if isinstance(w, tuple) else w, 2)}"
            for state, w in counts.utilities.items()
        )
        said.append(t("quality.states", weights=weights))
    return [*said, t("quality.dead")]


def _ends(explorer: Explorer, marker: str) -> tuple[float | None, float | None]:
    """Floor and ceiling of a marker of the model, None of an end that it does not have."""
    curves = explorer.fit.learnt.curves
    family = None if curves is None else curves.get(marker).family
    return getattr(family, "floor", None), getattr(family, "ceiling", None)


def unit_of(t: Language, cohort: Cohort, variable: str) -> str:
    """The unit of a variable as people write it; "" of a pure number."""
    unit = _variable(cohort, variable).get("unit")
    return "" if unit is None or pd.isna(unit) else t.unit(str(unit))


def _variable(cohort: Cohort, name: str) -> Mapping[str, Any]:
    rows = cohort.variables[cohort.variables["name"] == name]
    return {} if rows.empty else {str(k): v for k, v in rows.iloc[0].items()}


def _digits(value: float) -> int:
    """Digits behind the decimal mark, so that two of a small value are told."""
    size = abs(value) or 1.0
    return 0 if size >= 100.0 else int(min(6, max(1, 1 - np.floor(np.log10(size)))))


def _plain(t: Language, value: float) -> str:
    return t.number(float(value), 6)


def _span(t: Language, years: float) -> str:
    """A time from now, in months within the first two years."""
    if years >= 2.0:
        return t.years(round(years, 1))
    months = max(1, round(12.0 * years))
    return t("markers.month" if months == 1 else "markers.months", n=months)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
