"""Treatment effects by subgroup as a forest, with the support of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from twinbayes.cohort.quality.suppression import HIDDEN, SUPPRESSED, size_words
from twinbayes.effects.published import count_words
from twinbayes.names import DAYS_PER_YEAR, SUBGROUP, TIME, WHOLE
from twinbayes.report.figures.look import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    beyond_words,
    duration_words,
    interval_words,
    sentence,
    styled,
    words,
)
from twinbayes.report.figures.picture import Picture

# flag -> (colour, marker, fill)
_FLAGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "supported": (BLUE, "o", BLUE),
    "too few events": (ORANGE, "^", "white"),
    "prior-driven": (BLUE, "o", "white"),
    "no comparable patients": (VERMILION, "X", VERMILION),
    "not checked": (GREY, "s", "white"),
}
_OVERALL: Final = WHOLE
_COLUMNS: Final = (1.04, 1.22, 1.40, 1.56)  # of the numbers beside, in widths of the axes


@dataclass(frozen=True)
class EffectRow:
    """One line of a forest: a subgroup, or all patients.

    Attributes
    ----------
    name, n, treated, events
        Who, how many in the target, and of those who could be treated in the fitted cohort how
        many were, and how many reached the endpoint; small counts are hidden.
    flag
        Support; of all patients, in how many subgroups it is which.
    numbers
        Effect with lower and upper end, in the unit of the axis.
    """

    name: str
    n: str
    treated: str
    events: str
    flag: str
    numbers: tuple[float, float, float]

    def text(self, form: str) -> str:
        """Write the effect with its interval, or that there is none."""
        if not np.isfinite(self.numbers).all():
            return "not defined"
        said = [format(x, form).replace("-", "−") for x in self.numbers]
        return f"{said[0]} ({said[1]} to {said[2]})"


def effect_rows(effect: xr.Dataset, time: int = -1) -> list[EffectRow]:
    """Return the lines of a forest at one time: subgroups, then all patients.

    Parameters
    ----------
    effect
        As `treatment_effect` returns it.
    time
        Position along the time dim.
    """
    summary, scale = str(effect.attrs["summary"]), effect_unit(effect)[1]
    at = effect.isel({TIME: time})

    def numbers(prefix: str, one: xr.Dataset) -> tuple[float, float, float]:
        m, low, high = (
            float(one[f"{prefix}_{summary}{s}"]) * scale for s in ("", "_lower", "_upper")
        )
        return m, low, high

    rows, counts = [], count_words(effect)
    for k, group in enumerate(at[SUBGROUP].to_numpy()):
        one = at.sel({SUBGROUP: group})
        said = {name: texts[k] for name, texts in counts.items()}
        rows.append(
            EffectRow(
                str(group),
                said["n_patients"],
                _treated(one, said),
                _events(one, said),
                str(one["support"].item()),
                numbers("subgroup", one),
            )
        )
    n = effect.attrs.get("patients", float(at["n_patients"].sum()))
    total = n if isinstance(n, str) else size_words(float(n))  # text where it is small
    flag = str(effect.attrs["support"])
    return [*rows, EffectRow(_OVERALL, total, "", "", flag, numbers("overall", at))]


def effect_unit(effect: xr.Dataset) -> tuple[str, float, str]:
    """Return unit, factor from the dataset's own unit, and number format of an effect."""
    summary = str(effect.attrs["summary"])
    if summary.endswith("ratio"):
        return "", 1.0, ".2f"
    if summary in ("rmst_difference", "quality_adjusted_time_difference"):
        return "months", 12 / DAYS_PER_YEAR, "+.1f"
    return "percentage points", 100.0, "+.1f"


@styled
def effect_forest(effect: xr.Dataset, *, time: int = -1) -> Picture:
    """Draw a treatment effect in every subgroup and overall, with its support.

    Parameters
    ----------
    effect
        As `treatment_effect` returns it.
    time
        Position along the time dim; default: the last.

    Returns
    -------
    Picture
    """
    rows = effect_rows(effect, time)
    unit, _, form = effect_unit(effect)
    is_ratio = str(effect.attrs["summary"]).endswith("ratio")
    when = duration_words(float(effect[TIME][time]))
    figure = Figure(figsize=(8.6, 1.5 + 0.29 * len(rows)))
    figure.subplots_adjust(left=0.24, right=0.6, top=1 - 0.75 / (1.5 + 0.29 * len(rows)))
    ax = figure.subplots()
    places = [*range(len(rows), 1, -1), 0.4]
    for place, row in zip(places, rows, strict=True):
        _line(ax, place, row)
        shown = (row.n, row.treated, row.events, row.text(form))
        for x, text in zip(_COLUMNS, shown, strict=True):
            ax.text(x, place, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8.5)
    heads = ("patients", "treated", "events", f"effect{f', {unit}' if unit else ''}")
    for x, text in zip(_COLUMNS, heads, strict=True):
        ax.text(x, len(rows) + 0.9, text, transform=ax.get_yaxis_transform(), fontsize=8.5,
                color=GREY)  # fmt: skip
    ax.set_yticks(places, [words(row.name) for row in rows])
    ax.set_ylim(-0.2, len(rows) + 0.6)
    ax.axvline(1.0 if is_ratio else 0.0, color=GREY, linewidth=0.9, zorder=0)
    ax.axhline(1.2, color="#CCCCCC", linewidth=0.8)
    if is_ratio:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(f"{sentence(effect.attrs['summary'])} at {when}{f' ({unit})' if unit else ''}")
    figure.legend(handles=_legend(rows), loc="upper left", ncols=4, fontsize=8.5)
    said = "; ".join(f"{words(r.name)} {r.text(form)}, {r.flag}" for r in rows)
    interval = interval_words(effect.attrs["interval_probability"], effect.attrs["interval_kind"])
    a, b = (words(str(effect.attrs[f"scenario_{x}"])) for x in "ab")
    return Picture(
        figure,
        alt=f"{sentence(effect.attrs['summary'])} at {when}, {a} against {b}, by subgroup: {said}.",
        caption=beyond_words(effect, float(effect[TIME][time]))
        + f"{sentence(a)} against {b}. Lines: {interval}. Patients: those whose effect it "
        "is. Treated: share of the comparable patients of the fit who were. Events: how many of "
        "these reached the endpoint. Hollow: the data hardly narrowed the prior. Triangle: too few "
        "events to tell the treatments apart there. Cross: nobody in "
        "that subgroup can be compared, so the effect is borrowed altogether.",
        marks=tuple(
            mark
            for mark, on in (
                ("NOT FOR USE", effect.attrs["verdict"] != "usable"),
                ("SIMULATED DATA", bool(effect.attrs["simulated_data"])),
            )
            if on
        ),
    )


def _line(ax: Axes, place: float, row: EffectRow) -> None:
    if row.name == _OVERALL:
        colour, marker, fill = INK, "D", INK if row.flag == "supported" else "white"
    else:
        colour, marker, fill = _FLAGS[row.flag]
    middle, low, high = row.numbers
    if not np.isfinite([middle, low, high]).all():
        return
    ax.hlines([place], low, high, color=colour, linewidth=2.0)
    ax.plot([middle], [place], marker=marker, color=colour, markerfacecolor=fill, markersize=6.5)


def _legend(rows: list[EffectRow]) -> list[Line2D]:
    flags = [flag for flag in _FLAGS if any(r.flag == flag for r in rows)]
    return [
        Line2D([], [], linestyle="none", marker=m, color=c, markerfacecolor=fill, label=flag)
        for flag, (c, m, fill) in ((f, _FLAGS[f]) for f in flags)
    ]


def _treated(one: xr.Dataset, said: Mapping[str, str]) -> str:
    """Share treated, unless it would tell how few were, or were not."""
    if "n_treated" not in one:
        return ""
    sides = [said[name] for name in ("n_treated", "n_untreated")]
    if not {SUPPRESSED, HIDDEN}.isdisjoint(sides):
        return "few"
    share = float(one["share_treated"])
    return f"{share:.0%}" if np.isfinite(share) else ""


def _events(one: xr.Dataset, said: Mapping[str, str]) -> str:
    """Events of both sides, unless one side's would follow from the other's."""
    if "events_treated" not in one:
        return ""
    sides = [said[name] for name in ("events_treated", "events_untreated")]
    if not {SUPPRESSED, HIDDEN}.isdisjoint(sides):
        return HIDDEN
    return size_words(float(one["events_treated"]) + float(one["events_untreated"]))
