"""What all answers share: output times, the loop over patients, bounds, labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import CohortError, ScenarioError, TwinError, told
from twinbayes.estimators.observed import as_numbers
from twinbayes.names import (
    CENTRE,
    CUMULATIVE_INCIDENCE,
    LANDMARK_DAY,
    MARKER,
    NEEDS_REFIT,
    PATIENT,
    PATIENT_SUBGROUP,
    RECURRENT_EVENT,
    RMST,
    STATE,
    SUBGROUP,
    TIME,
)
from twinbayes.twin.answers.follow_up import with_follow_up
from twinbayes.twin.answers.summaries import Draws, summarise
from twinbayes.twin.occupation.paths import Path, over_patients, time_nodes
from twinbayes.twin.occupation.places import Chart
from twinbayes.twin.patients import Patients
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.weighting.patient_draws import PatientDraws

_DEFAULT_STEPS = 60
_FEW_TIMES = 16  # output times that become nodes of the time grid, so that they are exact
_MAX_DRAWS_BYTES = 2 * 1024**3
_SHORTEST: Final = 1e-3  # days to forecast, well above the rounding of the time grid
_LONGEST: Final = 365_250.0  # days, a thousand years
_MOST_STEPS: Final = 10_000
_DAYS: Final = (RMST, "mean_time", "adjusted_time")  # in names of what is in days

type Data = dict[str, tuple[tuple[str, ...], Floats]]


@dataclass(frozen=True)
class OutputGrid:
    """Output times and where they lie among the nodes.

    Attributes
    ----------
    times
        Days since the landmark.
    interval
        Probability of the intervals.
    """

    times: Floats
    interval: float

    @property
    def tails(self) -> tuple[float, float]:
        """Probabilities of the lower and the upper bound."""
        return (1 - self.interval) / 2, (1 + self.interval) / 2

    @property
    def exact(self) -> Floats:
        """Output times to be computed, not interpolated: all, where they are few."""
        return self.times if len(self.times) <= _FEW_TIMES else self.times[:0]

    def read_off(self, nodes: Floats, values: Draws) -> Floats:
        """Values at the output times, linear between the nodes along the first axis.

        For means this is exact; a bound between two nodes is interpolated between their bounds.
        """
        step = self._step(nodes)
        share = np.clip((self.times - nodes[step]) / np.diff(nodes)[step], 0.0, 1.0)
        weight = share.reshape(-1, *([1] * (values.ndim - 1)))
        out: Floats = (1 - weight) * values[step] + weight * values[step + 1]
        return out

    def read_off_steps(self, nodes: Floats, begin: Floats, end: Floats) -> Floats:
        """(time, ...) values at the output times, linear within each step.

        `begin` and `end` (step, ...) are those at its ends; they may jump between two steps.
        """
        step = self._step(nodes)
        share = np.clip((self.times - nodes[step]) / np.diff(nodes)[step], 0.0, 1.0)
        weight = share.reshape(-1, *([1] * (begin.ndim - 1)))
        out: Floats = (1 - weight) * begin[step] + weight * end[step]
        return out

    def _step(self, nodes: Floats) -> Ints:
        """Node at or before each output time, never the last one."""
        out: Ints = np.searchsorted(nodes, self.times, side="right") - 1
        return np.clip(out, 0, len(nodes) - 2)

    def summarise(self, nodes: Floats, path: Draws) -> Floats:
        """(node, column, draw) -> (time, column, 3): mean, lower, upper."""
        step = self._step(nodes)
        beside = np.unique([step, step + 1])
        return self.read_off(nodes, summarise(path, *self.tails, beside))

    def summarise_total(self, draws: Draws) -> Floats:
        """(row, draw) -> (row, 3): mean, lower, upper."""
        out: Floats = summarise(draws[None].astype(np.float32), *self.tails)[0]
        return out


def output_grid(until: float, grid: int | ArrayLike | None, interval: float) -> OutputGrid:
    """Check horizon, grid and interval.

    Raises
    ------
    TwinError
        Naming what is wrong and what would be right.
    """
    if not _lies_between(until, _SHORTEST, _LONGEST):
        raise TwinError(
            f"until must be a positive number of days after the landmark, from {_SHORTEST:g} to "
            f"{_LONGEST:g}, not {told(until)}."
        )
    if not _lies_between(interval, 0.0, 1.0) or interval in (0.0, 1.0):
        raise TwinError(f"interval must be a probability between 0 and 1, not {told(interval)}.")
    if grid is None or isinstance(grid, int | np.integer):
        count = _DEFAULT_STEPS if grid is None else int(grid)
        if isinstance(grid, bool) or not 1 <= count <= _MOST_STEPS:
            raise TwinError(
                f"grid must be a number of steps from 1 to {_MOST_STEPS}, or increasing days since "
                f"the landmark, not {told(grid)}."
            )
        return OutputGrid(np.linspace(0.0, until, count + 1), interval)
    times = as_days(grid, "grid")
    ordered = np.all(np.diff(times) > 0)
    if not ordered or not (times[0] >= 0 and times[-1] <= until):
        raise TwinError(
            "grid must be increasing days since the landmark, from 0 to `until` "
            f"({until:g}), or a number of steps."
        )
    return OutputGrid(times, interval)


def _lies_between(value: object, low: float, high: float) -> bool:
    """Whether a value is a real number between two others, which may be it too."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return low <= float(value) <= high


def as_days(values: ArrayLike, what: str) -> Floats:
    """Read one or more days, (time,).

    Raises
    ------
    TwinError
        They are no sequence of finite numbers, or none.
    """
    try:
        days = as_numbers(values, what, "day")
    except CohortError:
        days = np.zeros(0)
    if days.ndim != 1 or not len(days) or not np.isfinite(days).all():
        raise TwinError(
            f"{what} must be a sequence of at least one finite number of days since the landmark, "
            f"such as [365.25, 1826.25]; found {type(values).__name__}."
        )
    return days


def survival_of(path: Draws, fatal: Sequence[int]) -> Draws:
    """(node, 1, draw): probability of being alive."""
    alive: Draws = np.ones_like(path[:, :1])
    for state in fatal:
        alive -= path[:, [state]]
    return alive


def events_of(path: Path, chart: Chart) -> Draws:
    """(node, event, draw): expected number, since the landmark, of each event that recurs."""
    shape = len(path.nodes), len(chart.events), path.repeats.shape[-1]
    out = np.zeros(shape, dtype=np.float32)
    for column, (_, event) in enumerate(chart.recurrent):
        out[:, event] += path.repeats[:, column]
    return out


def with_bounds(
    out: Data,
    name: str,
    dims: tuple[str, ...],
    summary: Floats,
) -> None:
    """Store mean and bounds; `summary` has them along its last axis."""
    for k, suffix in enumerate(("", "_lower", "_upper")):
        out[f"{name}{suffix}"] = (dims, np.array(summary[..., k]))


def scenario_nodes(
    until: float,
    patients: Patients,
    scenarios: Sequence[Scenario],
    i: int,
    drawn: PatientDraws,
    grid: OutputGrid,
) -> Floats:
    """The time grid of patient `i`, with a node where a scenario acts or an era of entry ends."""
    landmark = patients.present[i].day
    days = [a.day for s in scenarios for a in s.assumptions if a.day is not None]
    cuts = [d - landmark for d in (*days, *patients.chart.cuts)]
    longest = min(patients.longest_step(i, drawn, s) for s in scenarios)
    return time_nodes(until, [*cuts, *grid.exact], longest)


def each_patient[T](
    patients: Patients,
    scenarios: Sequence[Scenario],
    until: float,
    grid: OutputGrid,
    work: Callable[[int, PatientDraws, Floats], T],
) -> Iterator[T]:
    """Results of `work` for every patient in order, several at a time; see `over_patients`.

    Parameters
    ----------
    work
        Takes the position of the patient, the patient's draws, and the nodes of the patient's
        time grid under the scenarios, in days since the landmark.
    """

    def of(i: int) -> T:
        drawn = patients.patient_draws(i)
        return work(i, drawn, scenario_nodes(until, patients, scenarios, i, drawn, grid))

    return over_patients(len(patients.patient_ids), of)


def require_scenarios(patients: Patients, *scenarios: Scenario) -> None:
    """Refuse scenarios that some of the patients cannot be given at their landmark.

    Raises
    ------
    ScenarioError
        What is no scenario; otherwise see `Scenario.require_valid`.
    """
    for given in scenarios:
        if not isinstance(given, Scenario):
            raise ScenarioError(
                f"A scenario is made by Scenario.policy, none, start or given, not {told(given)}."
            )
    landmarks = [p.day for p in patients.present]
    for scenario in scenarios:
        if scenario.assumptions or scenario.settings:  # the policy itself needs nothing
            scenario.require_valid(patients.graph, landmarks)


def label(
    patients: Patients,
    data: Data,
    grid: OutputGrid,
    attrs: dict[str, str],
    undefined: Collection[str] = (),
) -> xr.Dataset:
    """Add coordinates, units and provenance, once nothing undefined is among the numbers.

    Parameters
    ----------
    undefined
        Names of what may be without a value, such as a ratio to 0.

    Raises
    ------
    TwinError
        A number is not finite, naming the variable.
    """
    require_finite(data, undefined)
    table, trust = patients.cohort.patients, patients.trust_table
    landmarks = np.array([p.day for p in patients.present])
    dataset = xr.Dataset(
        data,
        coords={
            PATIENT: list(patients.patient_ids),
            TIME: (TIME, grid.times, {"units": "days", "long_name": "time since the landmark"}),
            **({STATE: list(patients.graph.states)} if STATE in _dims(data) else {}),
            **_marker_coord(patients, data),
            **_event_coord(patients, data),
            LANDMARK_DAY: (PATIENT, landmarks, {"units": "days"}),
            SUBGROUP if SUBGROUP not in _dims(data) else PATIENT_SUBGROUP: (
                PATIENT,
                table[SUBGROUP].astype(str).to_numpy(dtype=object),
            ),
            CENTRE: (PATIENT, table[CENTRE].astype(str).to_numpy(dtype=object)),
            NEEDS_REFIT: (PATIENT, trust[NEEDS_REFIT].to_numpy(dtype=bool)),
        },
        attrs={
            "interval_probability": grid.interval,
            "interval_kind": "equal-tailed",
            "disease": patients.spec.name,
            "simulated_data": int(patients.cohort.simulated),
            "verdict": "usable" if patients.usable else "not for use",
            **warning_of(trust),
            **_ended(patients),
            **attrs,
        },
    )
    for name in dataset.data_vars:
        if any(word in str(name) for word in _DAYS):
            dataset[name].attrs["units"] = "days"
    return with_follow_up(dataset, patients)


def require_finite(data: Data, undefined: Collection[str] = ()) -> None:
    """Refuse an answer of which a number is not finite.

    Only the initial state has no cumulative incidence: nobody enters it.

    Raises
    ------
    TwinError
        Naming the variable, and of how many patients it is.
    """
    for name, (dims, values) in data.items():
        if name in undefined:
            continue
        numbers = values[..., 1:] if name.startswith(CUMULATIVE_INCIDENCE) else values
        bad = ~np.isfinite(numbers)
        if not bad.any():
            continue
        axes = tuple(range(1, bad.ndim))
        who = f" of {int(bad.any(axis=axes).sum())} patient(s)" if dims[:1] == (PATIENT,) else ""
        raise TwinError(
            f"{name}{who} is not finite under some draws of the fit, so that there is no answer. "
            "Look for covariates and measurements far from those of the fit, for a horizon far "
            "beyond its follow-up, and for a family or a mean function without a value there."
        )


def _ended(patients: Patients) -> dict[str, str]:
    """An attribute `ended` for datasets where nothing is left to forecast for some patient."""
    final = [p.state for p in patients.present if p.state in patients.chart.absorbing]
    if not final:
        return {}
    return {
        "ended": f"{len(final)} of {len(patients.patient_ids)} patient(s) are in a state that is "
        f"never left at their landmark ({', '.join(sorted(set(final)))}): nothing is left to "
        "forecast for them. An earlier landmark, fit.twin(..., at=day), shows what was expected."
    }


def _marker_coord(patients: Patients, data: Data) -> dict[str, list[str]]:
    if MARKER not in _dims(data) or patients.learnt.curves is None:
        return {}
    return {MARKER: [m.marker for m in patients.learnt.curves.markers]}


def _event_coord(patients: Patients, data: Data) -> dict[str, list[str]]:
    found = RECURRENT_EVENT in _dims(data)
    return {RECURRENT_EVENT: list(patients.chart.events)} if found else {}


def _dims(data: Data) -> set[str]:
    return {dim for dims, _ in data.values() for dim in dims}


def warning_of(reliability: pd.DataFrame) -> dict[str, str]:
    """Return an attribute `warning` for datasets where some patient needs a refit."""
    bad = reliability[reliability[NEEDS_REFIT]]
    if bad.empty:
        return {}
    reasons = dict.fromkeys(r for some in bad["reason"] for r in some.split("; "))
    return {
        "warning": f"NEEDS REFIT: {len(bad)} of {len(reliability)} patient(s), see the coordinate "
        f"{NEEDS_REFIT!r}. Found: {'; '.join(reasons)}."
    }


def require_room(patients: Patients, numbers: int) -> None:
    """Refuse to return every draw of this many numbers where memory may not hold them.

    Raises
    ------
    TwinError
        They would take more than 2 GiB.
    """
    if 8 * numbers * patients.population.n_draws > _MAX_DRAWS_BYTES:
        raise TwinError(
            "Every draw of this forecast would take more than 2 GiB. Ask for fewer patients or "
            "times, or leave draws=False: means and intervals use every draw anyway."
        )
