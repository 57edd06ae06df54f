"""Events to be expected of one patient, over time."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Final

import xarray as xr
from matplotlib.figure import Figure

from twinbayes.names import DAYS_PER_YEAR, TIME
from twinbayes.report.figures.look import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    StateLook,
    capital,
    interval_words,
    styled,
)
from twinbayes.report.figures.picture import Picture

_WIDEST: Final = 40  # characters of a line of the legend
_COLOURS: Final = (BLUE, ORANGE, GREEN)


@styled
def expected_counts(
    counts: Mapping[str, xr.Dataset], look: StateLook, interval: float, kind: str
) -> Picture:
    """Draw the expected number of each event since the landmark, with its interval.

    Parameters
    ----------
    counts
        By the name of the event, or of the state that is entered: ``mean``, ``lower`` and ``upper``
        over `time`, days since the landmark.
    look
        Words for the states.
    interval, kind
        Probability and kind of the intervals.
    """
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    ax = figure.subplots()
    last = {}
    for k, (name, one) in enumerate(counts.items()):
        years, colour = one[TIME].to_numpy() / DAYS_PER_YEAR, _COLOURS[k % len(_COLOURS)]
        ax.fill_between(years, one["lower"], one["upper"], color=colour, alpha=0.2, lw=0)
        ax.plot(
            years, one["mean"], color=colour, lw=1.4, label=fill(capital(look.noun(name)), _WIDEST)
        )
        last[look.noun(name)] = float(one["mean"][-1])
    ax.set_xlabel("Time from now (years)")
    ax.set_ylabel("Expected number")
    ax.set_xlim(left=0.0)
    ax.set_ylim(bottom=0.0)
    ax.tick_params(colors=INK)
    figure.legend(loc="outside upper left", ncols=2)
    told = "; ".join(f"{name} {value:.1f}" for name, value in last.items())
    return Picture(
        figure,
        alt=f"Expected number of events over time. At the end: {told}.",
        caption=(
            "How many are to be expected since now, as a mean over all that may happen. Band: "
            f"{interval_words(interval, kind)} of that mean; the number of one person scatters "
            "around it by chance besides."
        ),
    )
