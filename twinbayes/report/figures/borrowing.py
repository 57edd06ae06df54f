"""Where answers come from: stacked shares, and estimates beside what the data say alone."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from twinbayes.checks.borrowing.shares import OTHERS, OWN, OWN_SUBGROUP, PRIOR
from twinbayes.names import SUBGROUP
from twinbayes.report.figures.look import BLUE, GREY, INK, ORANGE, styled, words
from twinbayes.report.figures.picture import Picture

_WIDEST = 48  # characters of a line beside a bar
_COLOURS = {OWN: INK, OWN_SUBGROUP: BLUE, OTHERS: ORANGE, PRIOR: "#BBBBBB"}


@styled
def shares(
    table: pd.DataFrame, *, of_what: str, by: str = SUBGROUP, say: Callable[[str], str] = words
) -> Picture:
    """Draw the shares of several answers, one bar each.

    Parameters
    ----------
    table
        One row an answer: what it is of, and the shares that a check of borrowing gives.
    of_what
        What the answers are, in words.
    by
        Column that says what each is of.
    say
        From a value of that column to words.

    Returns
    -------
    Picture
    """
    kinds = [k for k in _COLOURS if k in table.columns]
    names = [fill(say(str(s)), _WIDEST) for s in table[by]]
    lines = max((name.count("\n") + 1 for name in names), default=1)
    height = 0.3 * max(1.0, lines / 2)
    figure = Figure(figsize=(7.6, 1.2 + height * len(table)), layout="constrained")
    ax = figure.subplots()
    places = np.arange(len(table), 0, -1, dtype=np.float64)
    above, below = np.zeros(len(table)), np.zeros(len(table))
    for kind in kinds:
        share = table[kind].to_numpy(dtype=np.float64)
        start = np.where(share >= 0, above, below)
        ax.barh(places, share, left=start, height=0.7, color=_COLOURS[kind], label=kind)
        above, below = above + np.maximum(share, 0), below + np.minimum(share, 0)
    ax.set_yticks(places, names)
    ax.axvline(0.0, color=GREY, linewidth=0.9)
    ax.axvline(1.0, color=GREY, linewidth=0.9, linestyle=(0, (3, 2)))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    ax.set_xlabel("Share of the answer")
    figure.legend(loc="outside upper left", ncols=len(kinds), frameon=False)
    said = "; ".join(
        f"{say(str(row[by]))}: " + ", ".join(f"{k} {row[k]:.0%}" for k in kinds)
        for _, row in table.iterrows()
    )
    return Picture(
        figure,
        alt=f"Where {of_what} come from. {said}.",
        caption=f"Shares in the posterior mean of {of_what}, which sum to 100 %. A negative share "
        "is a source that pushes the answer away from itself.",
    )


@styled
def estimates(table: pd.DataFrame, *, label: str, interval: str, new: tuple[float, ...]) -> Picture:
    """Draw the estimate of every subgroup beside what its data say alone.

    Parameters
    ----------
    table
        One row a subgroup (index): ``observed``, ``mean``, ``lower``, ``upper``.
    label
        Of the axis.
    interval
        The interval, in words.
    new
        Mean and interval of a subgroup that the data do not have; empty if nothing is said of it.

    Returns
    -------
    Picture
    """
    figure = Figure(figsize=(7.6, 1.3 + 0.3 * (len(table) + bool(new))), layout="constrained")
    ax = figure.subplots()
    places = np.arange(len(table), 0, -1, dtype=np.float64)
    ax.hlines(places, table["lower"], table["upper"], color=BLUE, linewidth=2.2)
    ax.plot(table["mean"], places, "o", color=BLUE, label="with what was borrowed")
    ax.plot(
        table["observed"], places, "o", color=ORANGE, markerfacecolor="white", label="its own data"
    )
    ticks, labels = [float(p) for p in places], [words(str(s)) for s in table.index]
    if new:
        ax.hlines([0.0], new[1], new[2], color=INK, linewidth=2.2)
        ax.plot(new[:1], [0.0], "D", color=INK)
        ticks, labels = [*ticks, 0.0], [*labels, "a new subgroup"]
    ax.set_yticks(ticks, labels)
    ax.set_xlabel(label)
    ax.grid(axis="x")
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    said = "; ".join(
        f"{words(str(name))} {row['mean']:.3g} ({row['lower']:.3g} to {row['upper']:.3g})"
        for name, row in table.iterrows()
    )
    return Picture(
        figure,
        alt=f"{label} of {len(table)} subgroups: {said}.",
        caption=f"Blue: posterior means and {interval} intervals. Open circles: what its "
        "own data say.",
    )
