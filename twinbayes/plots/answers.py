"""Plots of forecasts and of contrasts, which are xarray datasets."""

from __future__ import annotations

from typing import Final

import xarray as xr
from matplotlib.axes import Axes

from twinbayes.errors import OptionError, require_known, told
from twinbayes.model import ModelSpec
from twinbayes.model.courses.labels import name_words
from twinbayes.names import PATIENT, STATE, STATE_PROBABILITY, SURVIVAL, TIME
from twinbayes.plots.axes import axes_of, mark, note
from twinbayes.report.figures.contrast import draw_difference, draw_survivals
from twinbayes.report.figures.look import (
    INK,
    Clock,
    StateLook,
    interval_words,
    look_of_model,
    percent_axis,
    styled,
    time_axis,
)
from twinbayes.report.figures.occupation import draw_occupation

STATES: Final = "states"
DIFFERENCE: Final = "difference"


@styled
def plot_forecast(
    forecast: xr.Dataset,
    *,
    what: str = STATES,
    patient: int = 0,
    spec: ModelSpec | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the forecast of one patient.

    Parameters
    ----------
    forecast
        As `Twin.forecast` returns it.
    what
        ``"states"``, mean probabilities stacked, with survival and its interval; or
        ``"survival"`` alone.
    patient
        Position along the patient dim.
    spec
        The model, for deaths in greys and for labels of states. Default: as the states are named.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    Axes
        Time in months or years from the landmark, and per cent. The title names the interval, and
        what the verdict of the fit says against its use.

    Raises
    ------
    OptionError
        Something else than a forecast, an unknown plot, or a patient who is not there.

    Examples
    --------
    >>> forecast = fit.twin(at=0).forecast(until=365.25, grid=4)
    >>> ax = plot_forecast(forecast, what="survival")
    >>> bool((ax.lines[0].get_ydata() == forecast["survival"][0]).all())
    True
    """
    require_known(what, (STATES, SURVIVAL), "plot of a forecast")
    one = _one(forecast, STATE_PROBABILITY, "Twin.forecast", patient)
    ax = axes_of(ax, 8.0)
    if what == STATES:
        draw_occupation(ax, one, _look(one, spec))
        _title(ax, forecast, "Means; survival with its")
        return ax
    days = one[TIME].to_numpy().astype(float)
    clock = Clock.covering(float(days[-1]))
    ax.plot(clock(days), one[SURVIVAL].to_numpy(), color=INK, linewidth=2, label="survival")
    low, high = (one[f"{SURVIVAL}{side}"].to_numpy() for side in ("_lower", "_upper"))
    ax.fill_between(clock(days), low, high, color=INK, alpha=0.16, linewidth=0)
    percent_axis(ax, "Probability of being alive")
    time_axis(ax, clock, float(days[-1]), "Time from the landmark")
    ax.grid(axis="y")
    _title(ax, forecast, "Posterior mean and")
    return ax


@styled
def plot_contrast(
    contrast: xr.Dataset, *, what: str = DIFFERENCE, patient: int = 0, ax: Axes | None = None
) -> Axes:
    """Plot the contrast of two scenarios for one patient.

    A contrast is an ordinary `xarray.Dataset`, whose own `plot` is xarray's: hence a function,
    as those of ArviZ.

    Parameters
    ----------
    contrast
        As `Twin.contrast` returns it.
    what
        ``"difference"`` of survival, or ``"survival"`` under each.
    patient
        Position along the patient dim.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    Axes
        Time in months or years from the landmark; percentage points or per cent. Every line has
        its interval, which the title names.

    Raises
    ------
    OptionError
        Something else than a contrast, an unknown plot, or a patient who is not there.

    Examples
    --------
    >>> transplant, none = (
    ...     Scenario.start("allogeneic_transplant", day=120),
    ...     Scenario.none("allogeneic_transplant"),
    ... )
    >>> twin = fit.twin(fit.cohort.patient_ids[0], at=0)
    >>> contrast = twin.contrast(transplant, none, until=365.25, grid=4)
    >>> ax = plot_contrast(contrast)
    >>> bool((ax.lines[0].get_ydata() == contrast["survival_difference"][0]).all())
    True
    """
    require_known(what, (DIFFERENCE, SURVIVAL), "plot of a contrast")
    one = _one(contrast, "survival_difference", "Twin.contrast", patient)
    ax = axes_of(ax)
    names = str(contrast.attrs["scenario_a"]), str(contrast.attrs["scenario_b"])
    if what == SURVIVAL:
        draw_survivals(ax, one, *names)
        ax.legend(loc="best")
    else:
        draw_difference(ax, one, *names)
    _title(ax, contrast, "Posterior mean and")
    return ax


def _one(answer: xr.Dataset, needed: str, maker: str, patient: int) -> xr.Dataset:
    if not isinstance(answer, xr.Dataset) or needed not in answer or PATIENT not in answer.dims:
        raise OptionError(
            f"This plot is of what {maker} returns; a {type(answer).__name__} was given that does "
            f"not have {needed!r} of patients."
        )
    n = answer.sizes[PATIENT]
    if isinstance(patient, bool) or not isinstance(patient, int) or not 0 <= patient < n:
        raise OptionError(
            f"patient is a position from 0 to {n - 1} along the patient dim, not {told(patient)}."
        )
    return answer.isel({PATIENT: patient})


def _look(one: xr.Dataset, spec: ModelSpec | None) -> StateLook:
    if spec is not None:
        return look_of_model(spec)
    states = [str(s) for s in one[STATE].to_numpy()]
    return StateLook.of(states, {s for s in states if name_words(s).split()[0] in _DEATHS})


_DEATHS: Final = ("death", "dead", "died")


def _title(ax: Axes, answer: xr.Dataset, begin: str) -> None:
    interval = interval_words(answer.attrs["interval_probability"], answer.attrs["interval_kind"])
    note(ax, f"{begin} {interval}")
    words = {"NOT FOR USE": answer.attrs.get("verdict") != "usable",
             "SIMULATED DATA": bool(answer.attrs.get("simulated_data"))}  # fmt: skip
    mark(ax, [word for word, is_so in words.items() if is_so])
