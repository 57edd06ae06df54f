"""Plots of cohorts, fits, twins and contrasts, on axes of Matplotlib or by arviz-plots."""

from twinbayes.plots.answers import plot_contrast, plot_forecast
from twinbayes.plots.draws import plot_forest, plot_hazards, plot_rank, plot_trace
from twinbayes.plots.observed import plot_cohort

__all__ = [
    "plot_cohort",
    "plot_contrast",
    "plot_forecast",
    "plot_forest",
    "plot_hazards",
    "plot_rank",
    "plot_trace",
]
