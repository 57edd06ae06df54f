"""Forecast datasets: paths summarised at output times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.errors import TwinError
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.events.rows import Floats, Ints
from twinbayes.names import (
    CENTRE,
    DEATH,
    MARKER,
    NEEDS_REFIT,
    PATIENT,
    SAMPLE,
    STATE,
    SUBGROUP,
    TIME,
)
from twinbayes.twin.answers.reliability import warning_of
from twinbayes.twin.answers.summaries import Draws, restricted_means, summarise
from twinbayes.twin.curves.patient import PatientCurves
from twinbayes.twin.occupation.paths import Path, over_patients, time_nodes
from twinbayes.twin.scenario import Scenario

if TYPE_CHECKING:
    from twinbayes.twin.twin import Twin

_DEFAULT_STEPS = 60
_FEW_TIMES = 16  # output times that become nodes of the time grid, so that they are exact
_MAX_DRAWS_BYTES = 2 * 1024**3
_DAYS: Final = ("rmst", "mean_time", "adjusted_time")  # in names of what is in days


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
    if not (np.isfinite(until) and until > 0):
        raise TwinError(f"until must be a positive number of days, not {until!r}.")
    if not 0 < interval < 1:
        raise TwinError(f"interval must be a probability between 0 and 1, not {interval!r}.")
    if grid is None or isinstance(grid, int | np.integer):
        count = _DEFAULT_STEPS if grid is None else int(grid)
        if count < 1:
            raise TwinError(f"grid must be at least one step, not {count}.")
        return OutputGrid(np.linspace(0.0, until, count + 1), interval)
    times = np.asarray(grid, dtype=float)
    ordered = times.ndim == 1 and len(times) > 0 and np.all(np.diff(times) > 0)
    if not ordered or not (times[0] >= 0 and times[-1] <= until):
        raise TwinError(
            "grid must be increasing days since the landmark, from 0 to `until` "
            f"({until:g}), or a number of steps."
        )
    return OutputGrid(times, interval)


def fatal_states(graph: StateGraph) -> list[int]:
    """Indices of the states that are deaths; all absorbing states where none is by death."""
    dead = {t.target for t in graph.transitions if t.events == (DEATH,)}
    return [k for k, s in enumerate(graph.states) if s in (dead or graph.absorbing)]


def survival_of(path: Draws, fatal: list[int]) -> Draws:
    """(node, 1, draw): probability of being alive."""
    alive: Draws = 1.0 - path[:, [fatal[0]]]
    for state in fatal[1:]:
        alive -= path[:, [state]]
    return alive


def with_bounds(
    out: dict[str, tuple[tuple[str, ...], Floats]],
    name: str,
    dims: tuple[str, ...],
    summary: Floats,
) -> None:
    """Store mean and bounds; `summary` has them along its last axis."""
    for k, suffix in enumerate(("", "_lower", "_upper")):
        out[f"{name}{suffix}"] = (dims, np.array(summary[..., k]))


def forecast_patients(
    twin: Twin,
    until: float,
    grid: int | ArrayLike | None,
    scenario: Scenario,
    interval: float,
    draws: bool,
) -> xr.Dataset:
    """Forecast every patient of a twin; see `Twin.forecast`."""
    graph = twin.spec.graph
    out_grid = output_grid(until, grid, interval)
    landmarks = [p.day for p in twin.present]
    scenario.require_valid(graph, landmarks)
    if draws:
        require_room(twin, len(landmarks) * len(out_grid.times) * len(graph.states))
    fatal = fatal_states(graph)

    def work(i: int) -> dict[str, Floats]:
        nodes = scenario_nodes(until, graph, [scenario], landmarks[i], out_grid)
        drawn = twin.patient_draws(i)
        path, curves = twin.path(i, scenario, nodes, drawn), drawn.turning(scenario)
        present = graph.states.index(twin.present[i].state)
        out = _summarise(path, out_grid, fatal, draws)
        if twin.present[i].state in graph.absorbing:
            out["entries"][:, present] = 0.0
        if curves is not None:
            out |= _markers(curves, out_grid, landmarks[i])
        return out

    parts = list(over_patients(len(landmarks), work))
    stacked = {key: np.stack([p[key] for p in parts]) for key in parts[0]}
    data: dict[str, tuple[tuple[str, ...], Floats]] = {}
    with_bounds(data, "state_probability", (PATIENT, TIME, STATE), stacked["state"])
    with_bounds(data, "survival", (PATIENT, TIME), stacked["survival"])
    with_bounds(data, "cumulative_incidence", (PATIENT, TIME, STATE), stacked["entries"])
    with_bounds(data, "restricted_mean_time", (PATIENT, STATE), stacked["time_in_state"])
    with_bounds(data, "rmst", (PATIENT,), stacked["rmst"])
    if "marker" in stacked:
        with_bounds(data, "marker_curve", (PATIENT, MARKER, TIME), stacked["marker"])
        with_bounds(data, "marker_value", (PATIENT, MARKER, TIME), stacked["measured"])
    if draws:
        data["state_probability_draws"] = ((PATIENT, TIME, STATE, SAMPLE), stacked["draws"])
        alive = 1.0 - stacked["draws"][:, :, fatal].sum(axis=2)
        data["survival_draws"] = ((PATIENT, TIME, SAMPLE), alive)
    return label(twin, data, out_grid, {"scenario": scenario.label})


def scenario_nodes(
    until: float, graph: StateGraph, scenarios: list[Scenario], landmark: float, grid: OutputGrid
) -> Floats:
    """The time grid of one patient, with a node where a scenario acts or an era of entry ends."""
    days = [a.day for s in scenarios for a in s.assumptions if a.day is not None]
    return time_nodes(until, [*(d - landmark for d in (*days, *graph.entry_cuts)), *grid.exact])


def label(
    twin: Twin,
    data: dict[str, tuple[tuple[str, ...], Floats]],
    grid: OutputGrid,
    attrs: dict[str, str],
) -> xr.Dataset:
    """Add coordinates, units and provenance."""
    patients, trust = twin.cohort.patients, twin.reliability()
    dataset = xr.Dataset(
        data,
        coords={
            PATIENT: list(twin.patient_ids),
            TIME: (TIME, grid.times, {"units": "days", "long_name": "time since the landmark"}),
            **({STATE: list(twin.spec.graph.states)} if STATE in _dims(data) else {}),
            **_marker_coord(twin, data),
            "landmark_day": (PATIENT, np.array([p.day for p in twin.present]), {"units": "days"}),
            SUBGROUP if SUBGROUP not in _dims(data) else "patient_subgroup": (
                PATIENT,
                patients[SUBGROUP].astype(str).to_numpy(dtype=object),
            ),
            CENTRE: (PATIENT, patients[CENTRE].astype(str).to_numpy(dtype=object)),
            NEEDS_REFIT: (PATIENT, trust[NEEDS_REFIT].to_numpy(dtype=bool)),
        },
        attrs={
            "interval_probability": grid.interval,
            "interval_kind": "equal-tailed",
            "disease": twin.spec.name,
            "simulated_data": int(twin.cohort.simulated),
            "verdict": "usable" if twin.usable else "not for use",
            **warning_of(trust),
            **attrs,
        },
    )
    for name in dataset.data_vars:
        if any(word in str(name) for word in _DAYS):
            dataset[name].attrs["units"] = "days"
    return dataset


def _marker_coord(
    twin: Twin, data: dict[str, tuple[tuple[str, ...], Floats]]
) -> dict[str, list[str]]:
    if MARKER not in _dims(data) or twin.learnt.curves is None:
        return {}
    return {MARKER: [m.marker for m in twin.learnt.curves.markers]}


def _dims(data: dict[str, tuple[tuple[str, ...], Floats]]) -> set[str]:
    return {dim for dims, _ in data.values() for dim in dims}


def _summarise(
    path: Path,
    grid: OutputGrid,
    fatal: list[int],
    draws: bool,
) -> dict[str, Floats]:
    """Summaries of one patient; of a state never left, occupation and entries are the same."""
    alive = survival_of(path.occupation, fatal)
    state = grid.summarise(path.nodes, path.occupation)
    entries = state.copy()
    entries[:, 0] = np.nan  # nobody enters the initial state of a course
    if path.entered:
        entries[:, path.entered] = grid.summarise(path.nodes, path.entries)
    out = {
        "state": state,
        "survival": grid.summarise(path.nodes, alive)[:, 0],
        "entries": entries,
        "time_in_state": grid.summarise_total(restricted_means(path.occupation, path.nodes)),
        "rmst": grid.summarise_total(restricted_means(alive, path.nodes))[0],
    }
    if draws:
        out["draws"] = grid.read_off(path.nodes, path.occupation)
    return out


def _markers(curves: PatientCurves, grid: OutputGrid, landmark: float) -> dict[str, Floats]:
    """(marker, time, 3) curves on the markers' own scales, and what a measurement would show."""
    names = [m.marker for m in curves.population.learnt.markers]
    parts: dict[str, list[Floats]] = {"marker": [], "measured": []}
    for name in names:
        for key, values in (
            ("marker", curves.natural(name, landmark + grid.times)),
            ("measured", curves.measured(name, landmark + grid.times)),
        ):
            parts[key].append(summarise(values[None], *grid.tails)[0])
    return {key: np.stack(some) for key, some in parts.items()}


def require_room(twin: Twin, numbers: int) -> None:
    """Refuse to return every draw of this many numbers where memory may not hold them.

    Raises
    ------
    TwinError
        They would take more than 2 GiB.
    """
    if 8 * numbers * twin.population.n_draws > _MAX_DRAWS_BYTES:
        raise TwinError(
            "Every draw of this forecast would take more than 2 GiB. Ask for fewer patients or "
            "times, or leave draws=False: means and intervals use every draw anyway."
        )


def survival_frame(twin: Twin, horizons: Sequence[float]) -> pd.DataFrame:
    """Posterior mean survival of every patient; see `Twin.survival_frame`."""
    times = np.asarray(horizons, dtype=float)
    if times.ndim != 1 or len(times) == 0:
        raise TwinError("horizons must be a sequence of at least one number of days.")
    result = twin.forecast(float(times.max()), np.unique(times))
    frame = pd.DataFrame(
        result["survival"].to_numpy(),
        index=pd.Index(twin.patient_ids, name=PATIENT),
        columns=pd.Index(result[TIME].to_numpy(), name=TIME),
    )
    return frame[list(times)]
