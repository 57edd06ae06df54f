"""Where patients are over time: stacked state occupation, and what the priors alone expect."""

from __future__ import annotations

from textwrap import fill
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from twinbayes.arrays import Floats
from twinbayes.names import PATIENT, SAMPLE, STATE, STATE_PROBABILITY, SURVIVAL, TIME
from twinbayes.report.figures.look import (
    INK,
    Clock,
    StateLook,
    beyond_words,
    capital,
    duration_words,
    interval_words,
    panels,
    percent_axis,
    spread_labels,
    styled,
    time_axis,
)
from twinbayes.report.figures.picture import Picture

_LABEL_GAP: Final = 0.062
_SMALLEST_LABEL: Final = 0.004
_TITLE: Final = 30  # characters of a line above a panel
_BESIDE: Final = 36  # beside the picture


@styled
def occupation(
    forecast: xr.Dataset, look: StateLook, *, patient: int = 0, title: str = ""
) -> Picture:
    """Draw one patient's state-occupation probabilities, stacked, with the survival ribbon.

    Parameters
    ----------
    forecast
        As `Twin.forecast` returns it.
    look
        Colours and order of the states.
    patient
        Position along the patient dim.
    title
        Heading; by default none.

    Returns
    -------
    Picture
    """
    one = forecast.isel({PATIENT: patient})
    days = one[TIME].to_numpy().astype(np.float64)
    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    ax = figure.subplots()
    draw_occupation(ax, one, look)
    if title:
        ax.set_title(title)
    interval = interval_words(
        forecast.attrs["interval_probability"], forecast.attrs["interval_kind"]
    )
    return Picture(
        figure,
        alt=_alt(one, look, float(days[-1])),
        caption=beyond_words(forecast, float(days[-1]))
        + "Coloured areas: posterior mean probability of each state. Black line: survival, "
        f"the edge between living and dead; dashed ribbon: its {interval}.",
    )


def draw_occupation(ax: Axes, one: xr.Dataset, look: StateLook) -> None:
    """Draw stacked probabilities of states, and survival with its ribbon, of one patient."""
    days = one[TIME].to_numpy().astype(np.float64)
    clock = Clock.covering(float(days[-1]))
    _stack(ax, clock(days), one[STATE_PROBABILITY], look)
    lower, upper = one["survival_lower"].to_numpy(), one["survival_upper"].to_numpy()
    ax.fill_between(clock(days), lower, upper, color="white", alpha=0.3, linewidth=0)
    for edge in (lower, upper):
        ax.plot(
            clock(days), edge, color=INK, linewidth=1.0, linestyle=(0, (4, 2)),
            path_effects=[withStroke(linewidth=2.2, foreground="white", alpha=0.6)],
        )  # fmt: skip
    ax.plot(clock(days), one[SURVIVAL].to_numpy(), color=INK, linewidth=2.2)
    percent_axis(ax, "Probability of being in each state")
    time_axis(ax, clock, float(days[-1]), "Time from now")
    _labels_at_the_end(ax, one[STATE_PROBABILITY].isel({TIME: -1}), look)


@styled
def prior_predictive(draws: xr.DataArray, look: StateLook) -> Picture:
    """Draw what the priors alone expect of the state occupation of an average patient.

    Parameters
    ----------
    draws
        State-occupation probabilities (sample, time, state), one draw of the priors a sample.
    look
        Colours and order of the states.

    Returns
    -------
    Picture
    """
    days = draws[TIME].to_numpy().astype(np.float64)
    clock = Clock.covering(float(days[-1]))
    figure, axes = panels(len(look.states), 3, width=3.0, height=2.15, sharex=True, sharey=True)
    for ax, state in zip(axes, look.states, strict=True):
        values = draws.sel({STATE: state}).transpose(SAMPLE, TIME).to_numpy()
        low, quarter, middle, three, high = np.quantile(
            values, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0
        )
        colour = look.colour(state)
        ax.fill_between(clock(days), low, high, color=colour, alpha=0.25, linewidth=0)
        ax.fill_between(clock(days), quarter, three, color=colour, alpha=0.45, linewidth=0)
        ax.plot(clock(days), middle, color=INK, linewidth=1.4)
        ax.set_title(fill(capital(look.name(state)), _TITLE))
        percent_axis(ax, "")
        time_axis(ax, clock, float(days[-1]), "Time since origin")
    for ax in axes[:-3]:
        ax.set_xlabel("")
    figure.supylabel("Probability of the state", fontsize=9.5)
    n = draws.sizes[SAMPLE]
    return Picture(
        figure,
        alt=f"Prior predictive bands of the probability of {len(look.states)} states over "
        f"{duration_words(float(days[-1]))}, one panel a state.",
        caption=f"What the priors expect before any data are seen ({n} draws). Line: median; "
        "darker band: 50% equal-tailed interval; paler band: 90% equal-tailed interval.",
    )


def _stack(ax: Axes, x: Floats, probability: xr.DataArray, look: StateLook) -> None:
    values = [probability.sel({STATE: s}).to_numpy() for s in look.stacked]
    ax.stackplot(
        x, values, colors=[look.colour(s) for s in look.stacked], edgecolor="white", linewidth=0.6
    )


def _labels_at_the_end(ax: Axes, at_end: xr.DataArray, look: StateLook) -> None:
    """Name each area beside its right edge, where the eye already is."""
    shares = np.array([float(at_end.sel({STATE: s})) for s in look.stacked])
    middles = np.cumsum(shares) - shares / 2
    shown = [k for k, share in enumerate(shares) if share >= _SMALLEST_LABEL]
    said = {k: fill(f"{look.name(look.stacked[k])}  {shares[k]:.0%}", _BESIDE) for k in shown}
    lines = max((text.count("\n") + 1 for text in said.values()), default=1)
    places = spread_labels([float(middles[k]) for k in shown], _LABEL_GAP * lines, 0.02, 0.98)
    for k, place in zip(shown, places, strict=True):
        state = look.stacked[k]
        ax.annotate(
            said[k],
            xy=(1.0, float(middles[k])), xycoords="axes fraction",
            xytext=(1.045, place), textcoords="axes fraction",
            va="center", fontsize=9, color=INK,
            arrowprops={"arrowstyle": "-", "color": look.colour(state), "linewidth": 1.4,
                        "shrinkA": 2, "shrinkB": 0},
            annotation_clip=False,
        )  # fmt: skip
        ax.plot(
            [1.012], [float(middles[k])], transform=ax.transAxes, marker="s", markersize=5,
            color=look.colour(state), clip_on=False,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )  # fmt: skip


def _alt(one: xr.Dataset, look: StateLook, last_day: float) -> str:
    at_end = one[STATE_PROBABILITY].isel({TIME: -1})
    parts = [f"{float(at_end.sel({STATE: s})):.0%} {look.place(s)}" for s in look.stacked]
    return (
        f"Stacked areas of state probabilities over {duration_words(last_day)}. At the end: "
        f"{', '.join(parts)}; survival {float(one[SURVIVAL].isel({TIME: -1})):.0%}."
    )
