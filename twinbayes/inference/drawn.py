"""What fits have that is built on them: plots, and moves to other places; found by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twinbayes.cohort import Cohort
from twinbayes.names import TRANSPORT_OF_FIT
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


class Movable:
    """What has learnt from some places, and may be moved to another."""

    def transport(self, cohort: Cohort, **options: Any) -> Any:
        """Return this fit moved to a new centre, trial or era, whose level is learnt from records.

        Parameters
        ----------
        cohort
            Patients of the new place, none of whom the fit has seen.
        options
            `learns`, `prior`, `order` and `seed`: see `twinbayes.monitoring.transport_fit`.

        Returns
        -------
        SharedFit
            A fit without patients, with a verdict of its own; the new place is what
            ``new_patient`` describes people of.

        Raises
        ------
        OptionError, FitError, ModelError
            As `twinbayes.monitoring.transport_fit`.
        """
        return import_module(TRANSPORT_OF_FIT).transport_fit(self, cohort, **options)
