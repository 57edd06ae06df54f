"""What subgroups borrow from each other: raw against pooled levels, and treatment effects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from twinbayes.arrays import Floats
from twinbayes.cohort.quality.suppression import part_words
from twinbayes.names import COVARIATE, SUBGROUP, TRANSITION, WHOLE
from twinbayes.report.figures.look import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    StateLook,
    capital,
    interval_words,
    styled,
    words,
)
from twinbayes.report.figures.picture import Picture

ALL: Final = WHOLE  # the row of all in a table of subgroups
_RATIOS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_LOGS: Final = ("raw", "raw_lower", "raw_upper", "pooled", "pooled_lower", "pooled_upper")
_MOST_COVARIATES: Final = 15  # in a picture
_WIDEST: Final = 30  # characters of a line above a panel
_ONE_LINE: Final = 100  # characters of a line above a whole picture
_REACH: Final = 8.0  # hazard ratios beyond this leave the picture through an arrow


@styled
def shrinkage(levels: pd.DataFrame, look: StateLook, *, probability: float, kind: str) -> Picture:
    """Draw raw against pooled subgroup levels, one panel a transition.

    Parameters
    ----------
    levels
        The published table of `checks.shrinkage`: one row a transition and subgroup, with ``n``
        patients as they may be shown and log rate ratios ``raw``, ``raw_lower``, ``raw_upper``
        (none where events are few), ``pooled``, ``pooled_lower``, ``pooled_upper``.
    look
        Words for the states.
    probability, kind
        Of the intervals.

    Returns
    -------
    Picture
    """
    ratios = levels.assign(**{c: np.exp(levels[c].astype(np.float64)) for c in _LOGS})
    transitions = list(dict.fromkeys(levels[TRANSITION]))
    # Subgroups whose size is hidden come first, as the smallest ones.
    by_size = pd.to_numeric(levels["n"], errors="coerce").fillna(0.0)
    subgroups = levels.assign(size=by_size).drop_duplicates(SUBGROUP)
    subgroups = subgroups.sort_values("size", kind="stable")
    names = list(subgroups[SUBGROUP])
    labels = [f"{words(str(s))}  {n}" for s, n in zip(names, subgroups["n"], strict=True)]
    columns = min(4, len(transitions))
    rows = -(-len(transitions) // columns)
    titles = [_wrapped(capital(look.way(t))) for t in transitions]
    height = 0.62 + 0.235 * len(names) + _room(titles)
    figure = Figure(figsize=(2.35 * columns + 1.7, rows * height + 0.45), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for k, ax in enumerate(grid.ravel()):
        if k >= len(transitions):
            ax.set_visible(False)
            continue
        mine = ratios[ratios[TRANSITION] == transitions[k]].set_index(SUBGROUP).reindex(names)
        _shrinkage_panel(ax, mine)
        ax.set_title(titles[k], fontsize=9)
        ax.set_yticks(range(len(names)), labels, fontsize=8.5)
        ax.set_ylim(-0.7, len(names) - 0.3)
        if k + columns >= len(transitions):
            ax.set_xlabel("Hazard ratio")
    handles = [
        Line2D([], [], marker="o", color=ORANGE, markerfacecolor="white", linewidth=1.2,
               label="raw: this subgroup alone"),
        Line2D([], [], marker="o", color=BLUE, linewidth=2.2, label="pooled: as in the model"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    moved = _narrower(ratios)
    return Picture(
        figure,
        alt=f"Hazard ratios of {len(names)} subgroups against the average, raw and pooled, for "
        f"{len(transitions)} transitions. {moved}",
        caption=f"Number beside each name: patients. Lines: {interval_words(probability, kind)} "
        "(raw: exact Poisson for observed over expected events, the expected number from the model "
        "without this subgroup's own level; pooled: posterior). An arrow leads beyond the picture; "
        f"subgroups without time at risk, or with few events, have no raw value. {moved}",
    )


@styled
def treatment_forest(
    effects: pd.DataFrame, look: StateLook, *, effect: str, probability: float, kind: str
) -> Picture:
    """Draw the effect of one treatment in every subgroup, and their mean.

    Parameters
    ----------
    effects
        One row a subgroup: ``subgroup``, ``n``, and the hazard ratio as ``median``, ``lower``,
        ``upper``. A row whose subgroup is ``all`` is their mean and is drawn last.
    look
        Words for the states.
    effect
        Label of the effect.
    probability, kind
        Of the intervals.

    Returns
    -------
    Picture
    """
    population = effects[effects[SUBGROUP] == ALL]
    parts = effects[effects[SUBGROUP] != ALL]
    figure = Figure(figsize=(8.2, 1.35 + 0.27 * (len(parts) + 1)), layout="constrained")
    ax = figure.subplots()
    places = np.arange(len(parts), 0, -1, dtype=np.float64)
    _intervals(ax, parts, places, BLUE, "o")
    if not population.empty:
        ax.axvline(
            float(population["median"].iloc[0]), color=GREY, linewidth=0.9, linestyle=(0, (3, 2))
        )
        _intervals(ax, population, np.array([-0.35]), INK, "D")
    ax.axhline(0.35, color="#CCCCCC", linewidth=0.8)
    labels = [
        f"{words(str(s))}  {n}"
        for s, n in zip(parts[SUBGROUP], part_words(parts["n"]), strict=True)
    ]
    ax.set_yticks([*places, -0.35], [*labels, "mean of subgroups"])
    ax.set_ylim(-1.0, len(parts) + 0.7)
    everything = effects[["lower", "upper"]].to_numpy(dtype=np.float64)
    _ratio_axis(ax, float(everything.min()), float(everything.max()))
    ax.set_xlabel("Hazard ratio (below 1: less often under the treatment)")
    ax.set_title(f"{fill(capital(look.effect(effect)), _ONE_LINE)}\n", fontsize=9.5)
    for place, row in zip(
        [*places, -0.35], pd.concat([parts, population]).itertuples(), strict=True
    ):
        ax.text(1.02, place, _ratio_words(row), transform=ax.get_yaxis_transform(), va="center",
                fontsize=9)  # fmt: skip
    ax.text(1.02, len(parts) + 0.95, f"median ({probability:.0%} interval)", fontsize=8.5,
            color=GREY, transform=ax.get_yaxis_transform(), va="bottom")  # fmt: skip
    names = {ALL: "mean of subgroups"}
    said = "; ".join(
        f"{names.get(str(r.subgroup), words(str(r.subgroup)))} {_ratio_words(r)}"
        for r in effects.itertuples()
    )
    return Picture(
        figure,
        alt=f"Hazard ratios of {look.effect(effect)}, by subgroup: {said}.",
        caption=f"Points: posterior medians; lines: {interval_words(probability, kind)}. Number "
        "beside each name: patients. Dashed: the mean over subgroups, in which each counts alike "
        "whatever its size. Subgroups share strength, so small ones lie near it.",
    )


@styled
def covariate_forest(
    table: pd.DataFrame, look: StateLook, *, probability: float, kind: str
) -> Picture:
    """Draw the hazard ratio of each covariate, one panel a transition.

    Parameters
    ----------
    table
        One row a transition and covariate, as of `covariate_effects`.
    look
        Words for the states.
    probability, kind
        Of the intervals.

    Returns
    -------
    Picture
    """
    reach = table["median"].astype(float).map(math.log).abs().groupby(table[COVARIATE]).max()
    kept = set(reach.sort_values(ascending=False, kind="stable").index[:_MOST_COVARIATES])
    names = [n for n in dict.fromkeys(table[COVARIATE]) if n in kept]
    drawn = table[table[COVARIATE].isin(names)]
    transitions = list(dict.fromkeys(drawn[TRANSITION]))
    columns = min(3, len(transitions))
    rows = -(-len(transitions) // columns)
    titles = [_wrapped(capital(look.way(t))) for t in transitions]
    height = 0.72 + 0.24 * len(names) + _room(titles)
    figure = Figure(figsize=(2.35 * columns + 1.6, rows * height + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    low, high = 1 / _REACH, _REACH
    low = max(low, float(drawn["lower"].min()))
    high = min(high, float(drawn["upper"].max()))
    for k, ax in enumerate(grid.ravel()):
        if k >= len(transitions):
            ax.set_visible(False)
            continue
        mine = drawn[drawn[TRANSITION] == transitions[k]].set_index(COVARIATE).reindex(names)
        ends = {name: mine[name].clip(1 / _REACH, _REACH) for name in ("lower", "upper")}
        _intervals(ax, mine.assign(**ends), np.arange(len(names), 0.0, -1.0), BLUE, "o", size=5)
        ax.set_title(titles[k], fontsize=9)
        ax.set_yticks(range(len(names), 0, -1), [words(str(n)) for n in names], fontsize=8.5)
        ax.set_ylim(0.4, len(names) + 0.6)
        _ratio_axis(ax, low, high)
        ax.tick_params(axis="y", length=0)
        if k + columns >= len(transitions):
            ax.set_xlabel("Hazard ratio")
    left_out = len(reach) - len(names)
    more = f" The other {left_out} covariates are nearer to 1." if left_out else ""
    return Picture(
        figure,
        alt=f"Hazard ratios of {len(names)} covariates on {len(transitions)} transitions.{more}",
        caption=f"Points: posterior medians; lines: {interval_words(probability, kind)}, cut at "
        f"{_REACH:g} and 1/{_REACH:g}. Numeric covariates: per standard deviation, or between "
        f"quartiles where the effect is a curve; the table says which.{more}",
    )


def _ratio_words(row: Any) -> str:
    return f"{row.median:.2f} ({row.lower:.2f} to {row.upper:.2f})"


def _shrinkage_panel(ax: Axes, mine: pd.DataFrame) -> None:
    places = np.arange(len(mine), dtype=np.float64)
    low, high = 1 / _REACH, _REACH
    raw = mine[["raw", "raw_lower", "raw_upper"]].to_numpy(dtype=np.float64)
    for y, (middle, left, right) in zip(places + 0.17, raw, strict=True):
        if not np.isfinite(right):
            continue
        ends = [max(left, low), min(right, high)]
        ax.plot(ends, [y, y], color=ORANGE, linewidth=1.2)
        for end, beyond, sign in zip(ends, (left < low, right > high), "<>", strict=True):
            if beyond:
                ax.plot([end], [y], marker=sign, markersize=4, color=ORANGE)
        if low <= middle <= high:
            ax.plot([middle], [y], marker="o", markersize=4.5, color=ORANGE, mfc="white")
    names = {"pooled": "median", "pooled_lower": "lower", "pooled_upper": "upper"}
    _intervals(ax, mine.rename(columns=names), places - 0.17, BLUE, "o", size=4.5)
    _ratio_axis(ax, low, high)
    ax.tick_params(axis="y", length=0)


def _intervals(
    ax: Axes, table: pd.DataFrame, places: Floats, colour: str, marker: str, size: float = 6
) -> None:
    ax.hlines(places, table["lower"], table["upper"], color=colour, linewidth=2.2)
    ax.plot(table["median"], places, linestyle="none", marker=marker, markersize=size, color=colour)


def _ratio_axis(ax: Axes, low: float, high: float) -> None:
    ax.set_xscale("log")
    ax.set_xlim(min(low, 0.5) / 1.1, max(high, 2.0) * 1.1)
    shown = [r for r in _RATIOS if ax.get_xlim()[0] <= r <= ax.get_xlim()[1]]
    if len(shown) > 5:
        shown = [r for r in shown if r in (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)]
    ax.xaxis.set_major_locator(FixedLocator(shown))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axvline(1.0, color=GREY, linewidth=0.9, zorder=0)
    ax.grid(axis="x")


def _narrower(levels: pd.DataFrame) -> str:
    """Say how much narrower pooling made the intervals, on the log scale."""
    seen = levels[(levels["raw_lower"] > 0) & np.isfinite(levels["raw_upper"])]
    if seen.empty:
        return "No subgroup has a raw interval to compare with."
    raw = np.log(seen["raw_upper"] / seen["raw_lower"])
    pooled = np.log(seen["pooled_upper"] / seen["pooled_lower"])
    ratio = float((pooled / raw).median())
    return f"The median pooled interval is {ratio:.0%} as wide as the raw one, on the log scale."


def _room(titles: Sequence[str]) -> float:
    """Inches that headings of more than two lines need."""
    return 0.15 * max(0, max(title.count("\n") for title in titles) - 1)


def _wrapped(text: str, width: int = 26) -> str:
    """Break a long title in two at the arrow or at a blank."""
    if len(text) <= width:
        return text
    cut = text.rfind(" ", 0, width)
    arrow = text.find(" → ")
    cut = arrow + 2 if 0 < arrow < width else cut
    parts = [text] if cut <= 0 else [text[:cut], text[cut + 1 :]]
    return "\n".join(fill(part, _WIDEST) for part in parts)
