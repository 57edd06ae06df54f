"""Forecast datasets: paths summarised at output times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.arrays import Floats
from twinbayes.errors import TwinError
from twinbayes.names import (
    CUMULATIVE_INCIDENCE,
    EXPECTED_EVENTS,
    MARKER,
    MARKER_CURVE,
    MARKER_VALUE,
    PATIENT,
    RECURRENT_EVENT,
    RESTRICTED_MEAN_TIME,
    RMST,
    SAMPLE,
    STATE,
    STATE_PROBABILITY,
    SURVIVAL,
    TIME,
)
from twinbayes.twin.answers.grid import (
    Data,
    OutputGrid,
    as_days,
    each_patient,
    events_of,
    label,
    output_grid,
    require_room,
    require_scenarios,
    survival_of,
    with_bounds,
)
from twinbayes.twin.answers.summaries import restricted_means, summarise
from twinbayes.twin.occupation.paths import Path
from twinbayes.twin.on_paths import CurvesOnPaths
from twinbayes.twin.patients import Patients
from twinbayes.twin.scenario import POLICY, Scenario
from twinbayes.twin.weighting.patient_draws import PatientDraws


def forecast_patients(
    patients: Patients,
    until: float,
    grid: int | ArrayLike | None,
    scenario: Scenario,
    interval: float,
    draws: bool,
) -> xr.Dataset:
    """Forecast every patient; see `Twin.forecast`."""
    graph, fatal = patients.graph, patients.chart.fatal
    out_grid = output_grid(until, grid, interval)
    require_scenarios(patients, scenario)
    if draws:
        require_room(patients, len(patients.patient_ids) * len(out_grid.times) * len(graph.states))

    def work(i: int, drawn: PatientDraws, nodes: Floats) -> dict[str, Floats]:
        present = patients.present[i]
        path, curves = patients.followed(i, scenario, nodes, drawn)
        out = _summarise(path, out_grid, fatal, draws)
        if patients.chart.events:
            out[EXPECTED_EVENTS] = out_grid.summarise(path.nodes, events_of(path, patients.chart))
        if present.state in patients.chart.absorbing:
            out["entries"][:, graph.states.index(present.state)] = 0.0
        if curves is not None:
            out |= _markers(curves, out_grid)
        return out

    parts = list(each_patient(patients, [scenario], until, out_grid, work))
    stacked = {key: np.stack([p[key] for p in parts]) for key in parts[0]}
    data: Data = {}
    with_bounds(data, STATE_PROBABILITY, (PATIENT, TIME, STATE), stacked["state"])
    with_bounds(data, SURVIVAL, (PATIENT, TIME), stacked[SURVIVAL])
    with_bounds(data, CUMULATIVE_INCIDENCE, (PATIENT, TIME, STATE), stacked["entries"])
    if patients.chart.events:
        dims = (PATIENT, TIME, RECURRENT_EVENT)
        with_bounds(data, EXPECTED_EVENTS, dims, stacked[EXPECTED_EVENTS])
    with_bounds(data, RESTRICTED_MEAN_TIME, (PATIENT, STATE), stacked["time_in_state"])
    with_bounds(data, RMST, (PATIENT,), stacked[RMST])
    if "marker" in stacked:
        with_bounds(data, MARKER_CURVE, (PATIENT, MARKER, TIME), stacked["marker"])
        with_bounds(data, MARKER_VALUE, (PATIENT, MARKER, TIME), stacked["measured"])
    if draws:
        data["state_probability_draws"] = ((PATIENT, TIME, STATE, SAMPLE), stacked["draws"])
        alive = 1.0 - stacked["draws"][:, :, list(fatal)].sum(axis=2)
        data["survival_draws"] = ((PATIENT, TIME, SAMPLE), alive)
    return label(patients, data, out_grid, {"scenario": scenario.label})


def _summarise(
    path: Path,
    grid: OutputGrid,
    fatal: Sequence[int],
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
        SURVIVAL: grid.summarise(path.nodes, alive)[:, 0],
        "entries": entries,
        "time_in_state": grid.summarise_total(restricted_means(path.occupation, path.nodes)),
        RMST: grid.summarise_total(restricted_means(alive, path.nodes))[0],
    }
    if draws:
        out["draws"] = grid.read_off(path.nodes, path.occupation)
    return out


def _markers(on_paths: CurvesOnPaths, grid: OutputGrid) -> dict[str, Floats]:
    """(marker, time, 3) mean curves of those alive, and what a measurement in one would show."""
    curves, days = on_paths.curves, on_paths.journey.present.day + grid.times
    names = [m.marker for m in curves.population.learnt.markers]
    groups = on_paths.by_group(*names)
    parts: dict[str, list[Floats]] = {"marker": [], "measured": []}
    for name in names:
        curve = curves.marker(name, days)
        if groups is None:
            mean = curves.stands_for(name, curve)
        else:
            alive = groups.of_the_living(name)
            ends = grid.read_off_steps(on_paths.path.nodes, alive.mean.begin, alive.mean.end)
            mean = curves.averaged(name, ends)
            curve += alive.departures(grid.times)
        for key, values in (("marker", mean), ("measured", curves.measured_around(name, curve))):
            parts[key].append(summarise(values[None], *grid.tails)[0])
    return {key: np.stack(some) for key, some in parts.items()}


def survival_frame(patients: Patients, horizons: Sequence[float]) -> pd.DataFrame:
    """Posterior mean survival of every patient; see `Twin.survival_frame`."""
    times = as_days(horizons, "horizons")
    if not times.min() >= 0.0:
        raise TwinError("horizons are days since the landmark: give none below 0.")
    result = forecast_patients(patients, float(times.max()), np.unique(times), POLICY, 0.9, False)
    frame = pd.DataFrame(
        result[SURVIVAL].to_numpy(),
        index=pd.Index(patients.patient_ids, name=PATIENT),
        columns=pd.Index(result[TIME].to_numpy(), name=TIME),
    )
    chosen = frame[list(times)]
    if "warning" in result.attrs:
        chosen.attrs["warning"] = result.attrs["warning"]
    return chosen
