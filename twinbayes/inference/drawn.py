"""Plots that every fit has; `twinbayes.plots` draws them."""

from __future__ import annotations

from typing import Any

from twinbayes.showing import plotted


class Drawn:
    """What has draws, and can show them."""

    def plot_trace(self, *args: Any, **options: Any) -> Any:
        """Draws of every chain in their order; see `twinbayes.plots.plot_trace`."""
        return plotted("plot_trace", self, *args, **options)

    def plot_rank(self, *args: Any, **options: Any) -> Any:
        """Ranks of draws of every chain among all; see `twinbayes.plots.plot_rank`."""
        return plotted("plot_rank", self, *args, **options)

    def plot_forest(self, *args: Any, **options: Any) -> Any:
        """Means and intervals of variables; see `twinbayes.plots.plot_forest`."""
        return plotted("plot_forest", self, *args, **options)
