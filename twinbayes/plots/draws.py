"""Plots of posterior draws: those of arviz-plots on chosen entries, and baseline hazards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twinbayes.errors import FitError, OptionError, require_known, require_level
from twinbayes.inference import Fit, Verdict
from twinbayes.model.events.draws import EventDraws
from twinbayes.names import BETA, CHAIN, DAYS_PER_YEAR, DRAW, POSTERIOR, TREATMENT_EFFECT
from twinbayes.plots.axes import axes_of, mark, note
from twinbayes.report.figures.look import (
    BLUE,
    VERMILION,
    Clock,
    log_axis,
    look_of,
    marks_of,
    styled,
    time_axis,
)

_WORST: Final = 4  # entries that are drawn where nobody names any


class Drawn(Protocol):
    """Any fit: draws, and what is thought of them."""

    @property
    def datatree(self) -> xr.DataTree:
        """The draws."""

    @property
    def verdict(self) -> Verdict:
        """The gate's judgement."""


def plot_trace(fit: Drawn, var_names: Sequence[str] | str | None = None, **options: Any) -> Any:
    """Plot draws of every chain in their order.

    Parameters
    ----------
    fit
        A fit.
    var_names
        Variables of the posterior; default: the four entries with the largest R-hat.
    options
        Further arguments of `arviz_plots.plot_trace`.

    Returns
    -------
    arviz_plots.PlotCollection

    Raises
    ------
    OptionError
        A variable that the posterior does not have.

    Examples
    --------
    >>> list(plot_trace(fit, "marker_sd").viz["plot"].data_vars)
    ['marker_sd']
    """
    import arviz_plots as azp  # slow to import

    return _marked(fit, azp.plot_trace(_chosen(fit, var_names), **options))


def plot_rank(fit: Drawn, var_names: Sequence[str] | str | None = None, **options: Any) -> Any:
    """Plot the ranks of draws of every chain among all, with simultaneous bands.

    Parameters
    ----------
    fit, var_names
        As for `plot_trace`.
    options
        Further arguments of `arviz_plots.plot_rank`.

    Returns
    -------
    arviz_plots.PlotCollection

    Raises
    ------
    OptionError
        A variable that the posterior does not have.

    Examples
    --------
    >>> list(plot_rank(fit, "marker_sd").viz["plot"].data_vars)
    ['marker_sd']
    """
    import arviz_plots as azp  # slow to import

    return _marked(fit, azp.plot_rank(_chosen(fit, var_names), **options))


def plot_forest(fit: Drawn, var_names: Sequence[str] | str | None = None, **options: Any) -> Any:
    """Plot means and intervals of posterior variables, one line an entry.

    Parameters
    ----------
    fit
        A fit.
    var_names
        Variables of the posterior; default: effects of treatments, log hazard ratios, or, where
        there are none, those of covariates.
    options
        Further arguments of `arviz_plots.plot_forest`.

    Returns
    -------
    arviz_plots.PlotCollection

    Raises
    ------
    OptionError
        A variable that the posterior does not have.
    FitError
        The fit has no effects to draw, and none are named.

    Examples
    --------
    >>> "forest" in plot_forest(fit).viz["plot"].coords["column"]
    True
    """
    import arviz_plots as azp  # slow to import

    if var_names is None:
        names = [str(name) for name in fit.datatree[POSTERIOR].data_vars]
        var_names = [n for n in names if n.startswith(TREATMENT_EFFECT)] or [
            n for n in names if n == BETA
        ]
        if not var_names:
            raise FitError(
                "The fit has no effects of treatments or covariates. Name variables to draw: "
                f"{', '.join(names)}."
            )
    chosen: dict[str, Any] = {"combined": True, "figure_kwargs": {"figsize": (11, 6)}} | options
    return _marked(fit, azp.plot_forest(_chosen(fit, var_names), **chosen))


@styled
def plot_hazards(
    fit: Fit, transition: str | None = None, *, interval: float = 0.9, ax: Axes | None = None
) -> Axes:
    """Plot the baseline hazard of a transition, window by window.

    Parameters
    ----------
    fit
        A fit of a disease model.
    transition
        Its label, as in `ModelSpec.graph`; default: the first.
    interval
        Probability of the equal-tailed intervals.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    Axes
        Posterior median with interval, events per patient-year on a logarithmic axis, against time
        on the clock of the transition; the last window ends where the cohort was last seen.

    Raises
    ------
    OptionError
        An unknown transition, or an interval that is no probability.

    Examples
    --------
    >>> ax = plot_hazards(fit, "remission->relapse")
    >>> ax.get_ylabel()
    'Events per patient-year'
    """
    labels = fit.spec.graph.labels
    chosen = labels[0] if transition is None else require_known(transition, labels, "transition")
    tail = (1.0 - require_level(interval, "interval")) / 2
    k = labels.index(chosen)
    edges = fit.edges[k]
    posterior = fit.datatree[POSTERIOR].to_dataset()
    log = EventDraws.from_posterior(posterior, fit.encoding).log_baseline[:, k, : len(edges) - 1]
    low, middle, high = np.quantile(np.exp(log) * DAYS_PER_YEAR, (tail, 0.5, 1 - tail), axis=0)
    rows = fit.plan.events.rows
    end = float(rows.stop[rows.intensity == k].max(initial=1.0))
    used = edges[:-1] < end
    days = np.append(edges[:-1][used], end)
    clock, ax = Clock.covering(end), axes_of(ax)
    ax.stairs(middle[used], clock(days), color=BLUE, linewidth=2, baseline=None)
    ax.fill_between(
        clock(days), np.append(low[used], low[used][-1]), np.append(high[used], high[used][-1]),
        step="post", color=BLUE, alpha=0.2, linewidth=0,
    )  # fmt: skip
    log_axis(ax)
    ax.set_ylabel("Events per patient-year")
    since = "entry into the state" if fit.spec.graph.intensities[k].clock == "entry" else "origin"
    time_axis(ax, clock, end, f"Time since {since}")
    note(ax, f"{look_of(fit).way(chosen)}: median, {interval:.0%} equal-tailed interval")
    mark(ax, marks_of(fit))
    return ax


def _marked(fit: Drawn, found: Any) -> Any:
    """Write on a figure of Matplotlib what the verdict says against its use."""
    figure = found.viz["figure"].item()
    if isinstance(figure, Figure) and not fit.verdict.usable:
        figure.text(
            0.995, 0.005, "NOT FOR USE", ha="right", va="bottom", fontsize=8, fontweight="bold",
            color=VERMILION,
        )  # fmt: skip
    return found


def _chosen(fit: Drawn, var_names: Sequence[str] | str | None) -> xr.DataTree:
    """The posterior with the variables named, or with the entries that mix worst."""
    posterior = fit.datatree[POSTERIOR].to_dataset()
    if var_names is None:
        found = _worst(fit, posterior)
    else:
        names = [var_names] if isinstance(var_names, str) else list(var_names)
        for name in names:
            require_known(name, list(map(str, posterior.data_vars)), "variable of the posterior")
        if not names:
            raise OptionError("var_names is empty: name variables, or leave it out.")
        found = posterior[names]
    return xr.DataTree.from_dict({POSTERIOR: found})


def _worst(fit: Drawn, posterior: xr.Dataset) -> xr.Dataset:
    """Single entries, named as verdicts name them."""
    entries: dict[str, xr.DataArray] = {}
    table = fit.verdict.table
    ordered = table if table.empty else table.sort_values("max_rhat", ascending=False)
    for label in map(str, ordered.get("worst_rhat_at", ())):
        name = label.partition("[")[0]
        if name not in posterior or len(entries) == _WORST:
            continue
        values = posterior[name].transpose(CHAIN, DRAW, ...)
        for at in np.ndindex(values.shape[2:]):
            if _label(values, at) == label:
                entries[label] = values[(slice(None), slice(None), *at)].drop_vars(
                    [c for c in values.coords if c not in (CHAIN, DRAW)]
                )
                break
    return xr.Dataset(entries) if entries else posterior[list(posterior.data_vars)[:_WORST]]


def _label(values: xr.DataArray, at: tuple[int, ...]) -> str:
    parts = [
        str(values[dim].to_numpy()[k]) if dim in values.coords else str(k)
        for dim, k in zip(values.dims[2:], at, strict=True)
    ]
    return f"{values.name}[{', '.join(parts)}]" if parts else str(values.name)
