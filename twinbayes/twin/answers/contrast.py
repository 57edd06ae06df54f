"""Contrasts between two scenarios, draw by draw, per patient and standardised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.arrays import Floats
from twinbayes.names import (
    EXPECTED_EVENTS,
    PATIENT,
    QUALITY_ADJUSTED_TIME,
    RECURRENT_EVENT,
    RISK_DIFFERENCE,
    RMST,
    STATE,
    SUBGROUP,
    TIME,
)
from twinbayes.twin.answers.grid import (
    Data,
    OutputGrid,
    each_patient,
    events_of,
    label,
    output_grid,
    require_scenarios,
    survival_of,
    with_bounds,
)
from twinbayes.twin.answers.quality_of_life import Quality
from twinbayes.twin.answers.summaries import restricted_means, summarise
from twinbayes.twin.occupation.paths import Path
from twinbayes.twin.occupation.places import Chart
from twinbayes.twin.patients import Patients
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.weighting.patient_draws import PatientDraws


@dataclass(frozen=True)
class _Part:
    """One patient's share: summaries, and the draws that standardisation averages."""

    summaries: dict[str, Floats]
    survival: Floats  # (time, draw)
    events: Floats  # (time, event, draw)
    totals: dict[str, Floats]  # (draw,) each


def contrast_patients(
    patients: Patients,
    a: Scenario,
    b: Scenario,
    until: float,
    grid: int | ArrayLike | None,
    interval: float,
    quality: Quality | None = None,
) -> xr.Dataset:
    """Contrast every patient; see `Twin.contrast`."""
    out_grid = output_grid(until, grid, interval)
    require_scenarios(patients, a, b)
    fatal = patients.chart.fatal
    weights = None if quality is None else quality.weights(patients)

    def share(i: int, drawn: PatientDraws, nodes: Floats) -> _Part:
        sides = [patients.followed(i, scenario, nodes, drawn) for scenario in (a, b)]
        times = []
        if weights is not None:
            times = [weights.along(path, curves).time for path, curves in sides]
        (one, _), (two, _) = sides
        return _difference(one, two, times, out_grid, patients.chart, fatal)

    def work(i: int, drawn: PatientDraws, nodes: Floats) -> _Part:
        found = share(i, drawn, nodes)
        if drawn.weights is None or len(patients.patient_ids) == 1:
            return found
        # Weights reorder the draws of one patient; means need the same draw of everybody.
        unweighted = share(i, patients.unweighted(i), nodes)
        return replace(unweighted, summaries=found.summaries)

    groups = patients.cohort.patients[SUBGROUP].astype(str).to_numpy()
    labels = sorted(set(groups))
    shape = (len(labels), len(out_grid.times), patients.population.n_draws)
    survival = np.zeros(shape)
    events = np.zeros((*shape[:2], len(patients.chart.events), shape[2]))
    totals: dict[str, Floats] = {}
    summaries: list[dict[str, Floats]] = []
    for i, part in enumerate(each_patient(patients, [a, b], until, out_grid, work)):
        g = labels.index(groups[i])
        survival[g] += part.survival
        events[g] += part.events
        for name, draws in part.totals.items():
            totals.setdefault(name, np.zeros((shape[0], shape[2])))[g] += draws
        summaries.append(part.summaries)
    data = _per_patient(summaries)
    sizes = np.array([np.sum(groups == x) for x in labels])
    _standardise(data, survival, totals, sizes, out_grid)
    if patients.chart.events:
        _standardise_events(data, events, sizes, out_grid)
    attrs = {"scenario_a": a.label, "scenario_b": b.label}
    attrs |= {} if weights is None else {"quality": weights.label}
    dataset = label(patients, data, out_grid, attrs)
    return dataset.assign_coords({SUBGROUP: labels})


def _difference(
    a: Path,
    b: Path,
    times: list[Floats],
    grid: OutputGrid,
    chart: Chart,
    fatal: Sequence[int],
) -> _Part:
    """Summaries of one patient; `times` are quality-adjusted, or empty."""
    nodes = a.nodes
    alive = [survival_of(p.occupation, fatal) for p in (a, b)]
    gain = alive[0] - alive[1]
    totals = {RMST: [restricted_means(x, nodes)[0] for x in (*alive, gain)]}
    if times:
        totals[QUALITY_ADJUSTED_TIME] = [*times, times[0] - times[1]]
    counts = [events_of(p, chart) for p in (a, b)]
    recurrent = {}
    if chart.events:
        sides = zip(("a", "b", "difference"), (*counts, counts[0] - counts[1]), strict=True)
        recurrent = {f"{EXPECTED_EVENTS}_{k}": grid.summarise(nodes, x) for k, x in sides}
    return _Part(
        summaries={
            "survival_a": grid.summarise(nodes, alive[0])[:, 0],
            "survival_b": grid.summarise(nodes, alive[1])[:, 0],
            "survival_difference": grid.summarise(nodes, gain)[:, 0],
            "state_probability_difference": grid.summarise(nodes, a.occupation - b.occupation),
            **recurrent,
            **{
                f"{name}_{side}": grid.summarise_total(draws[None])[0]
                for name, sides in totals.items()
                for side, draws in zip(("a", "b", "difference"), sides, strict=True)
            },
        },
        survival=grid.read_off(nodes, gain[:, 0]),
        events=grid.read_off(nodes, counts[0] - counts[1]),
        totals={name: sides[-1] for name, sides in totals.items()},
    )


def _per_patient(summaries: list[dict[str, Floats]]) -> Data:
    data: Data = {}
    for name in summaries[0]:
        stacked = np.stack([s[name] for s in summaries])
        last = RECURRENT_EVENT if name.startswith(EXPECTED_EVENTS) else STATE
        dims = {2: (PATIENT,), 3: (PATIENT, TIME), 4: (PATIENT, TIME, last)}[stacked.ndim]
        with_bounds(data, name, dims, stacked)
        if name == "survival_difference":
            with_bounds(data, RISK_DIFFERENCE, dims, -stacked[..., [0, 2, 1]])
    return data


def _standardise_events(data: Data, events: Floats, sizes: np.ndarray, grid: OutputGrid) -> None:
    """The same of the expected numbers of events that recur, (subgroup, time, event, draw)."""
    name = f"{EXPECTED_EVENTS}_difference"
    groups = (events / sizes[:, None, None, None]).astype(np.float32)
    rows = np.stack([summarise(one, *grid.tails) for one in groups])
    with_bounds(data, f"subgroup_{name}", (SUBGROUP, TIME, RECURRENT_EVENT), rows)
    everybody = (events.sum(axis=0) / sizes.sum()).astype(np.float32)
    rows = summarise(everybody, *grid.tails)
    with_bounds(data, f"overall_{name}", (TIME, RECURRENT_EVENT), rows)


def _standardise(
    data: Data,
    survival: Floats,
    totals: dict[str, Floats],
    sizes: np.ndarray,
    grid: OutputGrid,
) -> None:
    """Average the draws over the patients of each subgroup, and over all, then summarise."""

    def store(name: str, dims: tuple[str, ...], draws: Floats) -> None:
        with_bounds(data, name, dims, summarise(draws.astype(np.float32), *grid.tails))

    groups = survival / sizes[:, None, None]
    store("subgroup_survival_difference", (SUBGROUP, TIME), groups)
    everybody = survival.sum(axis=0) / sizes.sum()
    rows = summarise(everybody[None].astype(np.float32), *grid.tails)[0]
    with_bounds(data, "overall_survival_difference", (TIME,), rows)
    for name, sums in totals.items():
        means = grid.summarise_total(sums / sizes[:, None])
        with_bounds(data, f"subgroup_{name}_difference", (SUBGROUP,), means)
        mean = grid.summarise_total((sums.sum(axis=0) / sizes.sum())[None])[0]
        with_bounds(data, f"overall_{name}_difference", (), mean)
