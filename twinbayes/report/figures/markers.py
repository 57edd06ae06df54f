"""Markers over time: what was measured, and what the model would have measured."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from twinbayes.arrays import Floats
from twinbayes.checks import PredictedVisits, visual_predictive
from twinbayes.names import (
    CENSORED,
    DAY,
    DAYS_PER_YEAR,
    MARKER,
    MARKER_CURVE,
    PATIENT,
    TIME,
    VISIT_VALUE,
)
from twinbayes.report.figures.look import BLUE, INK, ORANGE, log_axis, sentence, styled
from twinbayes.report.figures.picture import Picture

_LOG_RANGE: Final = 100.0  # markers that span more are drawn on a log axis
_LOG_SPAN: Final = float(np.log(_LOG_RANGE))
_HALF: Final = 0.5
_FEWEST_ALIVE: Final = 0.1


@styled
def markers_over_time(visits: Sequence[PredictedVisits]) -> Picture:
    """Draw the 10 %, 50 % and 90 % quantiles of each marker, one panel a marker."""
    columns = min(3, len(visits))
    rows = -(-len(visits) // columns)
    figure = Figure(figsize=(3.4 * columns + 0.6, 2.7 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for k, ax in enumerate(grid.ravel()):
        if k >= len(visits):
            ax.set_visible(False)
            continue
        table = visual_predictive(visits[k])
        for _, one in table.groupby("quantile"):
            ax.fill_between(one["years"], one["lower"], one["upper"], color=BLUE, alpha=0.22, lw=0)
            ax.plot(one["years"], one["predicted"], color=BLUE, lw=1.2)
            ax.plot(one["years"], one["observed"], "o--", color=ORANGE, ms=4, lw=0.9)
        low, high = table["lower"].min(), table["upper"].max()
        if low > 0 and high / low > _LOG_RANGE:
            log_axis(ax)
        ax.set_title(sentence(visits[k].marker))
        ax.set_xlabel("Years since origin")
        ax.tick_params(colors=INK)
    handles = [
        Line2D([], [], marker="o", ls="--", color=ORANGE, label="measured"),
        Line2D([], [], color=BLUE, label="predicted"),
        Patch(color=BLUE, alpha=0.22, label="its 90 % interval"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    names = ", ".join(v.marker.replace("_", " ") for v in visits)
    return Picture(
        figure,
        alt=f"Quantiles over time of {names}: measured against predicted.",
        caption=(
            "The 10 %, 50 % and 90 % quantiles of what was measured (dashed) and of what the model "
            "would have measured at the same visits. Values beyond a detection limit stand at it."
        ),
    )


@styled
def patient_markers(
    forecast: xr.Dataset,
    visits: pd.DataFrame,
    landmark: float,
    *,
    alive: Floats | None = None,
    variables: pd.DataFrame | None = None,
) -> Picture:
    """Draw one patient's measurements so far, and what is expected of the next, a panel a marker.

    Parameters
    ----------
    forecast
        Of one patient, with ``marker_curve`` and ``marker_value``; ``time`` in days since the
        landmark.
    visits
        The visits table of that patient up to the landmark.
    landmark
        Day since origin.
    alive
        Probability of being alive at each time. Where it is below 0.5 the line is dashed, and below
        0.1 nothing is drawn: hardly anybody would be measured there. By default all are alive.
    variables
        The variables table: units, possible values, and descriptions, which say what is better.
    """
    one = forecast.isel({PATIENT: 0})
    names = [str(m) for m in one[MARKER].to_numpy()]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.7 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    days = one[TIME].to_numpy()
    sure = np.ones(len(days)) if alive is None else np.asarray(alive, dtype=np.float64)
    drawn = np.flatnonzero(np.cumprod(sure >= _FEWEST_ALIVE) > 0)
    one, sure = one.isel({TIME: drawn}), sure[drawn]
    years = (landmark + days[drawn]) / DAYS_PER_YEAR
    about = {} if variables is None else variables.set_index("name").to_dict("index")
    for k, ax in enumerate(grid.ravel()):
        if k >= len(names):
            ax.set_visible(False)
            continue
        mine, seen = one.sel({MARKER: names[k]}), visits[visits["marker"] == names[k]]
        low, high = mine["marker_value_lower"].to_numpy(), mine["marker_value_upper"].to_numpy()
        ax.fill_between(years, low, high, color=BLUE, alpha=0.15, lw=0)
        curve = mine["marker_curve_lower"].to_numpy(), mine["marker_curve_upper"].to_numpy()
        ax.fill_between(years, *curve, color=BLUE, alpha=0.3, lw=0)
        line = mine[MARKER_CURVE].to_numpy()
        ax.plot(years, np.where(sure >= _HALF, line, np.nan), color=BLUE, lw=1.3)
        ax.plot(years, np.where(sure < _HALF, line, np.nan), color=BLUE, lw=1.3, ls="--")
        for kind, sign in (("none", "o"), ("left", "v"), ("right", "^")):
            some = seen[seen[CENSORED].fillna("none") == kind]
            day = some[DAY].to_numpy(dtype=float) / DAYS_PER_YEAR
            ax.plot(day, some[VISIT_VALUE].to_numpy(dtype=float), sign, color=ORANGE, ms=4.5)
        ax.axvline(landmark / DAYS_PER_YEAR, color=INK, lw=0.8, ls=":")
        everything = np.concatenate([low, high, seen[VISIT_VALUE].to_numpy(dtype=float)])
        if everything.size and everything.min() > 0 and np.ptp(np.log(everything)) > _LOG_SPAN:
            log_axis(ax)
        _within(ax, about.get(names[k], {}))
        ax.set_title(sentence(names[k]))
        ax.set_xlabel("Years since origin")
    figure.legend(handles=_keys(), loc="outside lower left", ncols=3, fontsize=8)
    percent = float(forecast.attrs["interval_probability"])
    return Picture(
        figure,
        alt="Measurements of one patient so far, and their forecast: "
        + ", ".join(n.replace("_", " ") for n in names)
        + ".",
        caption=(
            f"Intervals are {percent:.0%} and {forecast.attrs['interval_kind']}. Dotted: the "
            "day of the forecast, which holds while no further event or treatment turns the curve. "
            f"{_alive_words(sure, len(days))}{' '.join(_meanings(names, about))}"
        ).strip(),
    )


def _keys() -> list[Artist]:
    return [
        Line2D([], [], marker="o", ls="", color=ORANGE, label="measured"),
        Line2D([], [], marker="v", ls="", color=ORANGE, label="below the limit"),
        Line2D([], [], color=BLUE, label="expected"),
        Patch(color=BLUE, alpha=0.4, label="its interval"),
        Patch(color=BLUE, alpha=0.15, label="interval of a measurement"),
    ]


def _within(ax: Axes, about: Mapping[Hashable, object]) -> None:
    """Give an axis its unit, and keep it within the values that are possible."""
    unit = about.get("unit")
    if isinstance(unit, str) and unit not in ("", "1"):
        ax.set_ylabel(unit)
    low, high = ax.get_ylim()
    least, most = (_number(about.get(name)) for name in ("min", "max"))
    ax.set_ylim(max(low, least) if least < high else low, min(high, most) if most > low else high)


def _number(value: object) -> float:
    """A limit, or NaN, which no comparison takes for one."""
    return float(value) if isinstance(value, int | float) else float("nan")


def _alive_words(alive: Floats, n_times: int) -> str:
    """Say where the line is dashed, and where it ends."""
    said = ""
    if (alive < _HALF).any():
        said += "Dashed: fewer than half of such people would be alive. "
    if len(alive) < n_times:
        said += "The curve ends where fewer than 10 of 100 would be alive. "
    return said


def _meanings(
    names: Sequence[str], about: Mapping[Hashable, Mapping[Hashable, object]]
) -> list[str]:
    """Possible values of each marker, and what its description says, such as which end is best."""
    said = []
    for name in names:
        least, most = (_number(about.get(name, {}).get(end)) for end in ("min", "max"))
        span = f" possible values {least:g} to {most:g}." if least < most else ""
        words = about.get(name, {}).get("description")
        text = f" {words}." if isinstance(words, str) and words else ""
        if span or text:
            said.append(f"{sentence(name)}:{span}{text}")
    return said
