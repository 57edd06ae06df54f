"""Markers over time: what was measured, and what the model would have measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from twinbayes.checks import PredictedVisits, visual_predictive
from twinbayes.report.look import BLUE, INK, ORANGE, sentence, styled
from twinbayes.report.picture import Picture

_LOG_RANGE: Final = 100.0  # markers that span more are drawn on a log axis


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
            ax.set_yscale("log")
        ax.set_title(sentence(visits[k].marker))
        ax.set_xlabel("Years since origin")
        ax.tick_params(colors=INK)
    handles = [
        Line2D([], [], marker="o", ls="--", color=ORANGE, label="measured"),
        Line2D([], [], color=BLUE, label="predicted"),
        Patch(color=BLUE, alpha=0.22, label="its 90 % interval"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    names = ", ".join(v.marker.replace("_", " ") for v in visits)
    return Picture(
        figure,
        alt=f"Quantiles over time of {names}: measured against predicted.",
        caption=(
            "The 10 %, 50 % and 90 % quantiles of what was measured (dashed) and of what the model "
            "would have measured at the same visits. Values beyond a detection limit stand at it."
        ),
    )
