"""Plots of what was seen of a cohort: how many are in each state over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from twinbayes.checks.calibration.expected_events import counting_process
from twinbayes.checks.suppression import states_shown
from twinbayes.cohort import Cohort
from twinbayes.cohort.quality.suppression import SMALLEST_CELL
from twinbayes.errors import CohortError, require_level
from twinbayes.estimators import CountingProcess, aalen_johansen, spread_same_day
from twinbayes.model import ModelPlan, ModelSpec
from twinbayes.names import DAY, DEATH, EVENT, PATIENT_ID, TERMINAL_EVENTS
from twinbayes.plots.axes import axes_of, mark, note
from twinbayes.report.figures.look import (
    Clock,
    StateLook,
    look_of_model,
    percent_axis,
    styled,
    time_axis,
)


@dataclass(frozen=True)
class _LaidOut:
    """A model and a cohort laid out for it, without a fit."""

    spec: ModelSpec
    cohort: Cohort
    plan: ModelPlan


@styled
def plot_cohort(
    cohort: Cohort, spec: ModelSpec | None = None, *, level: float = 0.95, ax: Axes | None = None
) -> Axes:
    """Plot the probability of each state over time, as it was seen.

    Aalen-Johansen estimates from the origin on, with pointwise bands. Curves end where fewer than
    five patients are under observation; states that so few have ever been in, and as many others
    as it takes that these cannot be told from the rest, are named and not drawn.

    Parameters
    ----------
    cohort
        The patients.
    spec
        A model whose states are told apart; by default the living and the dead.
    level
        Probability of the bands.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    Axes
        One stepped line a state; time in months or years since the origin, and per cent.

    Raises
    ------
    CohortError
        There are fewer than five patients.
    ModelError
        The cohort does not fit the model.
    OptionError
        A level that is no probability.

    Examples
    --------
    >>> ax = plot_cohort(tb.datasets.registry(), tb.disease("registry"))
    >>> [line.get_label() for line in ax.lines][:2]
    ['induction', 'remission']
    """
    require_level(level)
    if cohort.n_patients < SMALLEST_CELL:
        raise CohortError(
            f"Cohorts of fewer than {SMALLEST_CELL} patients are not plotted: their curves would "
            "tell of each of them. Plot a larger cohort."
        )
    if spec is None:
        process, look = _living_and_dead(cohort), StateLook.of(("alive", "dead"), ("dead",))
    else:
        process = counting_process(_LaidOut(spec, cohort, spec.plan(cohort)))
        look = look_of_model(spec)
    found = aalen_johansen(process, level=level)
    end = _watched_until(process)
    seen = found.time <= end
    days = np.append(found.time[seen], end)
    clock, ax = Clock.covering(end), axes_of(ax)
    left_out, shown = [], states_shown(process)
    for k, state in enumerate(process.states):
        if state not in shown or not found.probability[:, k].any():
            left_out.append(look.name(state))
            continue
        value, low, high = (
            np.append(part[seen, k], part[seen, k][-1])
            for part in (found.probability, found.lower, found.upper)
        )
        colour, name = look.colour(state), look.name(state)
        ax.plot(clock(days), value, color=colour, drawstyle="steps-post", linewidth=2, label=name)
        ax.fill_between(clock(days), low, high, step="post", color=colour, alpha=0.18, linewidth=0)
    percent_axis(ax, "Probability of the state")
    time_axis(ax, clock, end, "Time since origin")
    ax.grid(axis="y")
    if len(left_out) < len(process.states):
        ax.legend(loc="best")
    few = f"; too few: {', '.join(left_out)}" if left_out else ""
    note(ax, f"Aalen-Johansen estimates, {level:.0%} pointwise bands{few}")
    mark(ax, ["SIMULATED DATA"] if cohort.simulated else [])
    return ax


def _living_and_dead(cohort: Cohort) -> CountingProcess:
    """From the entry of each patient to death, or to the last contact."""
    events = cohort.dated().events
    last = (
        events[events[EVENT].isin(TERMINAL_EVENTS)]
        .set_index(PATIENT_ID)
        .loc[list(cohort.patient_ids)]
    )
    ids = np.array(cohort.patient_ids, dtype=object)
    start, stop = spread_same_day(cohort.entries[0], last[DAY].to_numpy(dtype=float), ids)
    died = (last[EVENT] == DEATH).to_numpy()
    here = np.zeros(len(ids), dtype=np.int64)
    return CountingProcess(start, stop, here, np.where(died, 1, -1), ("alive", "dead"), ids)


def _watched_until(process: CountingProcess) -> float:
    """Last day on which enough patients are under observation, or in a state for good."""
    last: dict[object, float] = {}
    for who, stop, to in zip(process.patient, process.stop, process.to_state, strict=True):
        done = to >= 0 and process.states[to] in (process.absorbing or ())
        last[who] = np.inf if done else max(last.get(who, 0.0), float(stop))
    ends = sorted((e for e in last.values() if np.isfinite(e)), reverse=True)
    latest = float(process.stop.max())
    return min(latest, ends[SMALLEST_CELL - 1]) if len(ends) >= SMALLEST_CELL else latest
