"""Predicted against observed: state occupation over time, and scores over horizons."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from twinbayes.checks.suppression import without_hidden_states
from twinbayes.cohort.quality.suppression import part_words
from twinbayes.names import STATE, SUBGROUP, TIME, WHOLE
from twinbayes.report.figures.look import (
    BLUE,
    GREY,
    INK,
    Clock,
    StateLook,
    capital,
    duration_words,
    panels,
    percent_axis,
    styled,
    time_axis,
    words,
)
from twinbayes.report.figures.picture import Picture

_SCORES: Final = {
    "auc": "Time-dependent AUC",
    "brier": "Brier score",
    "scaled_brier": "Scaled Brier score",
}
_MARKERS: Final = ("o", "s", "D", "^", "v")
_WIDE: Final = 30  # characters of a line above a panel, or beside it
_NARROW: Final = 24  # above a narrow one
_NOTHING: Final = {"auc": 0.5, "scaled_brier": 0.0}


@styled
def calibration_overall(
    table: pd.DataFrame, look: StateLook, *, level: float, judged: Sequence[float] = ()
) -> Picture:
    """Draw mean predicted state occupation over the Aalen–Johansen estimate, a panel a state.

    Parameters
    ----------
    table
        The table of `checks.state_occupation_calibration` on many times.
    look
        Order of the states.
    level
        Probability of the Aalen–Johansen band.
    judged
        Those of the times at which the difference is held to a bar.

    Returns
    -------
    Picture
    """
    whole = without_hidden_states(table[table[SUBGROUP] == WHOLE])
    last = float(whole[TIME].max())
    clock = Clock.covering(last)
    figure, axes = panels(len(look.states), 3, width=3.0, height=2.2, sharex=True, sharey=True)
    for k, (ax, state) in enumerate(zip(axes, look.states, strict=True)):
        _against(ax, clock, whole[whole[STATE] == state])
        ax.set_title(fill(capital(look.name(state)), _WIDE))
        percent_axis(ax, "Probability" if k % 3 == 0 else "")
        time_axis(ax, clock, last, "Time since origin")
        if k < len(axes) - 3:
            ax.set_xlabel("")
    figure.legend(handles=_handles(), loc="outside upper left", ncols=3)
    gap = _gap_words(whole, judged, look)
    return Picture(
        figure,
        alt=f"Predicted and observed probability of {len(look.states)} states over time, all "
        f"patients. {gap}",
        caption=f"{_band_words(level)} {gap}",
    )


@styled
def calibration_by_subgroup(
    table: pd.DataFrame, look: StateLook, *, level: float, smallest: int
) -> Picture:
    """Draw the same for each subgroup: a row a subgroup, a column a state.

    Parameters
    ----------
    table, look, level
        As `calibration_overall`.
    smallest
        Subgroups with fewer patients are left out: their band says nothing.

    Returns
    -------
    Picture
    """
    parts = without_hidden_states(table)
    parts = parts[(parts[SUBGROUP] != WHOLE) & (parts["n"] >= smallest)]
    everybody = table[table[SUBGROUP] != WHOLE].drop_duplicates(SUBGROUP)
    said = dict(zip(everybody[SUBGROUP], part_words(everybody["n"]), strict=True))
    sizes = parts.drop_duplicates(SUBGROUP).sort_values("n", ascending=False, kind="stable")
    last = float(table[TIME].max())
    clock = Clock.covering(last)
    rows, columns = len(sizes), len(look.states)
    figure = Figure(figsize=(1.55 * columns + 0.4, 1.2 * rows + 0.75), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for r, group in enumerate(sizes[SUBGROUP]):
        for c, state in enumerate(look.states):
            ax = axes[r, c]
            mine = parts[(parts[SUBGROUP] == group) & (parts[STATE] == state)]
            _against(ax, clock, mine)
            percent_axis(ax, "")
            time_axis(ax, clock, last, "")
            ax.set_yticks([0, 0.5, 1])
            ax.set_xlabel(clock.unit if r == rows - 1 else "")
            if r == 0:
                ax.set_title(_narrow(capital(look.name(state))), fontsize=8.5)
        axes[r, 0].set_ylabel(f"{_two_lines(words(str(group)), 18)}\n{said[group]}", fontsize=8)
    figure.legend(handles=_handles(), loc="outside upper left", ncols=3)
    inside = parts["inside"].dropna().astype(bool)
    return Picture(
        figure,
        alt=f"Predicted and observed probability of each state in {rows} subgroups of {smallest} "
        f"patients or more; {inside.mean():.0%} of predictions lie inside the band.",
        caption=f"Number below each name: patients. {_band_words(level)} {inside.mean():.0%} of "
        f"the predictions drawn lie inside the band; subgroups under {smallest} patients are not "
        "shown.",
    )


@styled
def scores_over_horizons(table: pd.DataFrame, look: StateLook, *, level: float) -> Picture:
    """Draw each score of each target over the horizons, with intervals.

    Parameters
    ----------
    table
        The table of `checks.prediction_scores`.
    look
        Colours of the states; other targets are drawn in black.
    level
        Probability of the intervals.

    Returns
    -------
    Picture
    """
    table = without_hidden_states(table)
    kinds = [k for k in _SCORES if k in set(table["score"])]
    targets = [t for t in dict.fromkeys(table["target"]) if _known(table, t)]
    horizons = sorted(set(table["horizon"]))
    figure = Figure(figsize=(3.2 * len(kinds), 1.15 + 0.46 * len(targets)), layout="constrained")
    axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for ax, kind in zip(axes, kinds, strict=True):
        scored = table[table["score"] == kind].set_index(["target", "horizon"])
        for place, target in enumerate(reversed(targets)):
            colour = look.colour(target) if target in look.states else INK
            for k, horizon in enumerate(horizons):
                row = scored.loc[(target, horizon)]
                y = place + 0.25 - 0.5 * k / max(len(horizons) - 1, 1)
                ax.hlines(y, row["lower"], row["upper"], color=colour, linewidth=1.8)
                ax.plot(row["value"], y, color=colour, marker=_MARKERS[k % len(_MARKERS)],
                        markersize=5)  # fmt: skip
        if kind in _NOTHING:
            ax.axvline(_NOTHING[kind], color=GREY, linewidth=0.9, linestyle=(0, (3, 2)))
        named = [fill(look.name(str(t)), _WIDE) for t in reversed(targets)]
        ax.set_yticks(range(len(targets)), named)
        ax.tick_params(axis="y", length=0)
        ax.set_title(_SCORES[kind])
        ax.set_xlabel("better →" if kind != "brier" else "← better")
        ax.grid(axis="x")
    handles = [
        Line2D([], [], color=INK, marker=_MARKERS[k % len(_MARKERS)], markersize=5,
               label=f"at {duration_words(horizon)}")
        for k, horizon in enumerate(horizons)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return Picture(
        figure,
        alt=f"Scores of {len(targets)} targets at {len(horizons)} horizons, with intervals.",
        caption=f"Lines: {level:.0%} intervals from influence functions. Dashed: no skill "
        "(AUC 0.5, scaled Brier 0).",
    )


def _gap_words(whole: pd.DataFrame, judged: Sequence[float], look: StateLook) -> str:
    """Say the largest difference along the curves, and that at the times that are judged."""
    known = whole.dropna(subset=["difference"])
    if known.empty:
        return "Nobody was followed so long, or few had an event: what was observed is not drawn."
    worst = known.iloc[int(np.argmax(known["difference"].abs()))]
    said = (
        f"Largest difference along the curves: {100 * abs(worst['difference']):.1f} percentage "
        f"points, on day {worst[TIME]:.0f} ({look.name(str(worst[STATE]))})"
    )
    held = known[known[TIME].isin(list(judged))]
    if not held.empty:
        n = held[TIME].nunique()
        at = "the one time" if n == 1 else f"the {n} times"
        said += f"; at {at} judged below, {100 * held['difference'].abs().max():.1f}"
    return f"{said}."


def _against(ax: Axes, clock: Clock, mine: pd.DataFrame) -> None:
    x = clock(mine[TIME])
    ax.fill_between(x, mine["lower"], mine["upper"], color=GREY, alpha=0.28, linewidth=0)
    ax.plot(x, mine["observed"], color=INK, linewidth=0.9)
    ax.plot(x, mine["predicted"], color=BLUE, linewidth=1.8)


def _handles() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=BLUE, linewidth=1.8, label="predicted"),
        Line2D([], [], color=INK, linewidth=0.9, label="observed"),
        Patch(color=GREY, alpha=0.28, linewidth=0, label="band of the observed"),
    ]


def _band_words(level: float) -> str:
    return (
        "Predicted: posterior mean, averaged over patients. Observed: Aalen–Johansen, with its "
        f"pointwise {level:.0%} confidence band."
    )


def _known(table: pd.DataFrame, target: object) -> bool:
    return bool(table.loc[table["target"] == target, "value"].notna().any())


def _narrow(text: str) -> str:
    """Break a heading of a narrow panel."""
    return "\n".join(fill(line, _NARROW) for line in _two_lines(text).split("\n"))


def _two_lines(text: str, width: int = 14) -> str:
    if len(text) <= width:
        return text
    cut = text.rfind(" ", 0, width + 1)
    return text if cut <= 0 else f"{text[:cut]}\n{text[cut + 1 :]}"
