"""Axes that are given or made, and what stands beside what is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from twinbayes.errors import OptionError
from twinbayes.report.figures.look import VERMILION


def axes_of(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """Return the axes that were given, or those of a new figure.

    Raises
    ------
    OptionError
        What was given is no Axes.
    """
    if ax is None:
        return plt.subplots(figsize=(width, height), layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise OptionError(
            f"ax must be Matplotlib axes, such as of plt.subplots(), not a {type(ax).__name__}."
        )
    return ax


def mark(ax: Axes, words: Sequence[str]) -> None:
    """Write above the axes what no picture may be without."""
    if words:
        ax.text(
            1.0, 1.02, "  ·  ".join(words), transform=ax.transAxes, ha="right", va="bottom",
            fontsize=8, fontweight="bold", color=VERMILION,
        )  # fmt: skip


def note(ax: Axes, text: str) -> None:
    """Write above the axes, at the left, what intervals and lines are."""
    ax.set_title(text, loc="left", fontsize=8.5, fontweight="normal")
