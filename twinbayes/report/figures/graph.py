"""The states of a model and the ways between them, with how often each was seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from twinbayes.report.figures.look import (
    BLUE,
    GREY,
    INK,
    StateLook,
    look_of_model,
    styled,
    words,
)
from twinbayes.report.figures.picture import Picture

if TYPE_CHECKING:
    from twinbayes.model import ModelSpec

_WIDE: Final = 1.5
_HIGH: Final = 0.5
_STEP_X: Final = 2.5
_STEP_Y: Final = 1.15
_LABEL_AT: Final = 0.44
_IN_TWO_LINES: Final = 20  # characters of a line in a box
_IN_SMALL: Final = 24  # of one in small letters

_NO_STARTS: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})

type Point = tuple[float, float]


def state_graph(
    look: StateLook,
    moves: Mapping[tuple[str, str], str],
    starts: Mapping[tuple[str, str], str] = _NO_STARTS,
) -> Picture:
    """Draw states as boxes and transitions as arrows, with how often each was seen.

    Parameters
    ----------
    look
        The states.
    moves
        (source, target) → number of patients seen to move, as it may be shown.
    starts
        (state, treatment) → number of patients seen to start it there, as it may be shown.

    Returns
    -------
    Picture
    """
    said = ", ".join(f"{look.name(a)} to {look.name(b)} {n}" for (a, b), n in moves.items())
    begun = ", ".join(f"{words(b)} in {look.noun(a)} {n}" for (a, b), n in starts.items())
    below = {key: f"start of {words(key[1])}: {n}" for key, n in starts.items()}
    return Picture(
        _drawn(look, moves, below),
        alt=f"States and transitions with the number of patients seen to move: {said}."
        + (f" Starts of treatments: {begun}." if begun else ""),
        caption="States of the model. Number beside each arrow: patients seen to go that way. "
        + ("Below a state: treatments that start in it, and in how many. " if begun else "")
        + "Grey: deaths.",
    )


def described_graph(spec: ModelSpec) -> Picture:
    """Draw the states of a disease, each transition with the event that records it."""
    graph, look = spec.graph, look_of_model(spec)
    moves = {(t.source, t.target): " or ".join(map(words, t.events)) for t in graph.transitions}
    said = ", ".join(
        f"{look.name(a)} to {look.name(b)} by {event}" for (a, b), event in moves.items()
    )
    below = {(s.source, s.treatment): f"start of {words(s.treatment)}" for s in graph.starts}
    begun = ", ".join(f"{text} in {look.noun(state)}" for (state, _), text in below.items())
    return Picture(
        _drawn(look, moves, below),
        alt=f"{spec.title}. States and transitions: {said}." + (f" {begun}." if begun else ""),
        caption=f"{spec.title}. Beside each arrow: the event by which it is gone. Grey: deaths.",
    )


@styled
def _drawn(
    look: StateLook, moves: Mapping[tuple[str, str], str], starts: Mapping[tuple[str, str], str]
) -> Figure:
    places = _places(look, list(moves))
    xs, ys = zip(*places.values(), strict=True)
    figure = Figure(
        figsize=(0.7 * (max(xs) - min(xs)) + 2.2, 0.74 * (max(ys) - min(ys)) + 1.0),
        layout="constrained",
    )
    ax = figure.subplots()
    boxes = {s: _box(ax, x, y, look.name(s), look.colour(s)) for s, (x, y) in places.items()}
    for (source, target), n in moves.items():
        _arrow(ax, boxes[source], boxes[target], (places[source], places[target]), n)
    under = dict.fromkeys(places, 0)
    for (state, _), text in starts.items():
        x, y = places[state]
        under[state] += 1
        ax.text(x, y - _HIGH / 2 - 0.16 * under[state], text, ha="center", va="center",
                fontsize=7.5, color=BLUE, zorder=6,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    lowest = min(places[s][1] - 0.16 * n for s, n in under.items())
    ax.set_xlim(min(xs) - _WIDE / 2 - 0.1, max(xs) + _WIDE / 2 + 0.1)
    ax.set_ylim(lowest - _HIGH / 2 - 0.1, max(ys) + _HIGH / 2 + 0.1)
    ax.axis("off")
    return figure


def _places(look: StateLook, moves: Sequence[tuple[str, str]]) -> dict[str, Point]:
    """Columns by the longest way from the first state; a ring where arrows would skip a column."""
    depth = dict.fromkeys(look.states, 0)
    for _ in look.states:  # a graph with a cycle stops growing here
        for source, target in moves:
            if depth[source] + 1 < len(look.states):
                depth[target] = max(depth[target], depth[source] + 1)
    if any(depth[target] - depth[source] != 1 for source, target in moves):
        return _ring(look)
    places = {}
    for column in sorted(set(depth.values())):
        members = [s for s in look.stacked if depth[s] == column]
        # A lone state of the living lies on the upper row, a lone death on the lower one.
        top = (len(members) - 1) * _STEP_Y / 2
        if len(members) == 1 and column > 0:
            top = _STEP_Y / 2 if members[0] in look.alive else -_STEP_Y / 2
        for k, state in enumerate(members):
            places[state] = (column * _STEP_X, top - k * _STEP_Y)
    return places


def _ring(look: StateLook) -> dict[str, Point]:
    """States on an ellipse, the first on the left: no arrow then crosses a box."""
    n = len(look.states)
    angles = [math.pi * (1 - 2 * k / n) for k in range(n)]
    wide, high = 0.62 * n, 0.34 * n
    return {
        s: (wide * math.cos(a), high * math.sin(a))
        for s, a in zip(look.states, angles, strict=True)
    }


def _box(ax: Axes, x: float, y: float, text: str, colour: str) -> FancyBboxPatch:
    box = FancyBboxPatch(
        (x - _WIDE / 2, y - _HIGH / 2), _WIDE, _HIGH,
        boxstyle="round,pad=0.02,rounding_size=0.1", facecolor=colour, linewidth=0, zorder=3,
    )  # fmt: skip
    ax.add_patch(box)
    r, g, b = to_rgb(colour)
    dark = 0.299 * r + 0.587 * g + 0.114 * b < 0.55
    if len(text) > 15 and " " in text:
        cut = text.rfind(" ", 0, 16)
        text = f"{text[:cut]}\n{text[cut + 1 :]}" if cut > 0 else text
    size = 8.5
    if max(map(len, text.split("\n"))) > _IN_TWO_LINES:
        text, size = fill(text.replace("\n", " "), _IN_SMALL), 6.5
    ax.text(x, y, text, ha="center", va="center", fontsize=size, linespacing=1.1, zorder=4,
            color="white" if dark else INK)  # fmt: skip
    return box


def _arrow(
    ax: Axes,
    source: FancyBboxPatch,
    target: FancyBboxPatch,
    ends: tuple[Point, Point],
    label: str,
) -> None:
    ax.add_patch(
        FancyArrowPatch(
            *ends, patchA=source, patchB=target, arrowstyle="-|>", mutation_scale=11, color=GREY,
            linewidth=1.1, shrinkA=1, shrinkB=1, zorder=2,
        )
    )  # fmt: skip
    (x0, y0), (x1, y1) = ends
    ax.text(x0 + _LABEL_AT * (x1 - x0), y0 + _LABEL_AT * (y1 - y0), label, ha="center",
            va="center", fontsize=8, color=INK, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2})  # fmt: skip
