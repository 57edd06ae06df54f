"""Two ways of treating one patient: survival, its difference, and 100 people like them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twinbayes.names import PATIENT, STATE, TIME
from twinbayes.report.figures.look import (
    BLUE,
    GREY,
    INK,
    PURPLE,
    Clock,
    StateLook,
    beyond_words,
    duration_words,
    interval_words,
    percent_axis,
    styled,
    time_axis,
)
from twinbayes.report.figures.picture import Picture

# Colours of the two scenarios: none of the colours of states is used for a scenario.
COLOUR_A: Final = BLUE
COLOUR_B: Final = PURPLE
_PEOPLE: Final = 100
_KEY: Final = 40  # characters of a state's name below the people


@styled
def contrast(
    difference: xr.Dataset, *, name_a: str, name_b: str, patient: int = 0, horizon: float
) -> Picture:
    """Draw survival under two scenarios, and their difference with its interval over time.

    Parameters
    ----------
    difference
        As `Twin.contrast` returns it.
    name_a, name_b
        What the scenarios are, in words.
    patient
        Position along the patient dim.
    horizon
        Day since the landmark at which the difference is written out.

    Returns
    -------
    Picture
    """
    one = difference.isel({PATIENT: patient})
    days = one[TIME].to_numpy().astype(np.float64)
    clock = Clock.covering(float(days[-1]))
    figure = Figure(figsize=(9.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    draw_survivals(left, one, name_a, name_b)
    left.set_title("Survival under each")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    draw_difference(right, one, name_a, name_b)
    at = one.sel({TIME: horizon}, method="nearest")
    numbers = [float(at[f"survival_difference{s}"]) for s in ("", "_lower", "_upper")]
    _mark(right, float(clock(at[TIME].item())), numbers)
    interval = interval_words(
        difference.attrs["interval_probability"], difference.attrs["interval_kind"]
    )
    when = duration_words(float(at[TIME].item()))
    return Picture(
        figure,
        alt=f"Left: survival under {name_a} and under {name_b}. Right: difference in survival "
        f"({name_a} minus {name_b}); at {when} {_points(numbers[0])} percentage points, "
        f"from {_points(numbers[1])} to {_points(numbers[2])}.",
        caption=beyond_words(difference, float(days[-1]))
        + f"Lines: posterior means. Bands: {interval}. The difference is formed draw by "
        "draw, so its interval is not the gap between the two bands on the left.",
    )


def draw_survivals(ax: Axes, one: xr.Dataset, name_a: str, name_b: str) -> None:
    """Draw survival of one patient under either scenario, with bands."""
    days = one[TIME].to_numpy().astype(np.float64)
    clock = Clock.covering(float(days[-1]))
    for name, key, colour, style in (
        (name_a, "survival_a", COLOUR_A, "-"),
        (name_b, "survival_b", COLOUR_B, (0, (5, 1.5))),
    ):
        _band(ax, clock, one, key, colour)
        ax.plot(
            clock(days), one[key], color=colour, linewidth=2, linestyle=style, label=fill(name, 34)
        )
    percent_axis(ax, "Probability of being alive")
    time_axis(ax, clock, float(days[-1]), "Time from now")
    ax.grid(axis="y")


def draw_difference(ax: Axes, one: xr.Dataset, name_a: str, name_b: str) -> None:
    """Draw the difference in survival of one patient, with its band."""
    days = one[TIME].to_numpy().astype(np.float64)
    clock = Clock.covering(float(days[-1]))
    _band(ax, clock, one, "survival_difference", INK)
    ax.plot(clock(days), one["survival_difference"], color=INK, linewidth=2)
    ax.axhline(0, color=GREY, linewidth=1)
    _difference_axis(ax, one, name_a, name_b)
    time_axis(ax, clock, float(days[-1]), "Time from now")
    ax.grid(axis="y")


@styled
def icon_array(
    probabilities: Mapping[str, xr.DataArray],
    look: StateLook,
    *,
    horizon: float,
    living: Sequence[int | None] | None = None,
) -> Picture:
    """Draw 100 people like this patient under each scenario, coloured by state at a horizon.

    Parameters
    ----------
    probabilities
        Scenario in words → mean probability (state) at the horizon.
    look
        Colours and order of the states.
    horizon
        Days from now.
    living
        How many of the hundred live under each, where that is told elsewhere too; default: each
        survival rounded.

    Returns
    -------
    Picture
    """
    people = {
        name: people_in_states({s: float(p.sel({STATE: s})) for s in look.stacked}, look, n)
        for (name, p), n in zip(
            probabilities.items(), living or [None] * len(probabilities), strict=True
        )
    }
    shown = [s for s in look.stacked if any(counts[s] for counts in people.values())]
    figure = Figure(figsize=(3.7 * len(people), 4.8 + 0.24 * len(shown)))
    axes = figure.subplots(1, len(people), squeeze=False)[0]
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.99, wspace=0.06)
    said = []
    for ax, (name, counts) in zip(axes, people.items(), strict=True):
        _people(ax, [s for s in look.stacked for _ in range(counts[s])], look)
        alive = sum(counts[s] for s in look.alive)
        ax.text(-0.4, 10.95, fill(name, 36), fontsize=10.5, fontweight="bold", va="bottom")
        ax.text(-0.4, 10.45, f"{alive} of {_PEOPLE} alive", fontsize=10.5, va="center")
        _key(ax, counts, shown, look)
        parts = [f"{n} {look.place(s)}" for s, n in counts.items() if n > 0]
        said.append(f"under {name}: {', '.join(parts)}")
    when = duration_words(horizon)
    return Picture(
        figure,
        alt=f"{_PEOPLE} people like this one after {when}; {'; '.join(said)}.",
        caption=f"{_PEOPLE} people like this one, {when} from now, each coloured by the state they "
        "would be in. Counts are posterior means; the table has intervals of their differences.",
    )


def people_in_states(
    probability: Mapping[str, float], look: StateLook, living: int | None = None
) -> dict[str, int]:
    """Return people out of a hundred in each state, who add up; by default to rounded survival."""
    counts: dict[str, int] = {}
    if living is None:
        living = round(_PEOPLE * sum(probability[s] for s in look.alive))
    for states, n in ((look.alive, living), (look.dead, _PEOPLE - living)):
        shares = np.array([probability[s] for s in states])
        counts |= dict(zip(states, natural_frequencies(shares, n), strict=True))
    return counts


def natural_frequencies(shares: np.ndarray, total: int = _PEOPLE) -> list[int]:
    """Round shares to whole people so that they add up (largest remainders)."""
    if total == 0:
        return [0] * len(shares)
    exact = np.asarray(shares, dtype=np.float64) / max(float(np.sum(shares)), 1e-12) * total
    counts = np.floor(exact).astype(int)
    short = total - int(counts.sum())
    # Stable order: equal remainders go to the state that comes first.
    counts[np.argsort(-(exact - counts), kind="stable")[:short]] += 1
    return [int(n) for n in counts]


def _band(ax: Axes, clock: Clock, one: xr.Dataset, key: str, colour: str) -> None:
    ax.fill_between(
        clock(one[TIME]), one[f"{key}_lower"], one[f"{key}_upper"], color=colour, alpha=0.16,
        linewidth=0,
    )  # fmt: skip


def _difference_axis(ax: Axes, one: xr.Dataset, name_a: str, name_b: str) -> None:
    ends = [float(np.abs(one[f"survival_difference{s}"]).max()) for s in ("_lower", "_upper")]
    reach = max(0.05, 1.3 * max(ends))  # room for the words above and below
    ax.set_ylim(-reach, reach)
    ax.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _points(value)))
    ax.set_ylabel("Difference in survival (percentage points)")
    ax.set_title("Difference")
    for y, va, name in ((0.98, "top", name_a), (0.02, "bottom", name_b)):
        text = fill(f"{'↑' if va == 'top' else '↓'} higher under {name}", 52)
        ax.text(0.02, y, text, transform=ax.transAxes, va=va, fontsize=8.5, color=GREY)


def _mark(ax: Axes, x: float, numbers: list[float]) -> None:
    middle, lower, upper = numbers
    ax.errorbar(
        [x], [middle], yerr=[[middle - lower], [upper - middle]], color=INK, marker="o",
        markersize=5, capsize=3, linewidth=1.4, zorder=5, clip_on=False,
    )  # fmt: skip
    ax.annotate(
        f"{_points(middle)}  ({_points(lower)} to {_points(upper)})", (x, middle),
        xytext=(-7, 9), textcoords="offset points", ha="right", va="bottom", fontsize=9, color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5}, zorder=6,
    )  # fmt: skip


def _points(value: float) -> str:
    rounded = round(value * 100)
    return "0" if rounded == 0 else f"{rounded:+d}".replace("-", "−")


def _people(ax: Axes, states: list[str], look: StateLook) -> None:
    one = _person()
    places = [np.array([k % 10, 9 - k // 10], dtype=np.float64) for k in range(len(states))]
    outline = np.asarray(one.vertices)
    paths = [Path(outline + place, one.codes) for place in places]
    colours = [look.colour(state) for state in states]
    # One collection: two hundred patches of their own take a second.
    ax.add_collection(PathCollection(paths, facecolors=colours, linewidths=0), autolim=False)
    ax.set_xlim(-0.6, 9.6)
    ax.axis("off")


def _person() -> Path:
    """A head above a body with round corners, about the origin."""
    style = "round,pad=0.10,rounding_size=0.16"
    body = FancyBboxPatch((-0.16, -0.34), 0.32, 0.26, boxstyle=style)
    return Path.make_compound_path(Path.circle((0.0, 0.24), 0.16), body.get_path())


def _key(ax: Axes, counts: Mapping[str, int], shown: Sequence[str], look: StateLook) -> None:
    """List the states below the people, in the order in which they are coloured."""
    for k, state in enumerate(shown):
        y = -1.1 - 0.62 * k
        ax.plot([-0.2], [y], marker="s", markersize=7, color=look.colour(state))
        ax.text(0.95, y, str(counts[state]), ha="right", va="center_baseline", fontsize=9.5)
        name = look.name(state)
        size = 9.5 * min(1.0, _KEY / len(name))  # so that it ends before the next panel
        ax.text(1.2, y, name, va="center_baseline", fontsize=size)
    ax.set_ylim(-1.1 - 0.62 * len(shown), 12.2)
    ax.set_aspect("equal")
