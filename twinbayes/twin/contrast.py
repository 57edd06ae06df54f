"""Contrasts between two scenarios, draw by draw, per patient and standardised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from twinbayes.model.event_data import Floats
from twinbayes.names import PATIENT, STATE, SUBGROUP, TIME
from twinbayes.twin.forecast import (
    OutputGrid,
    fatal_states,
    label,
    output_grid,
    scenario_nodes,
    survival_of,
    with_bounds,
)
from twinbayes.twin.paths import Path, over_patients
from twinbayes.twin.scenario import Scenario
from twinbayes.twin.summary_kernel import restricted_means, summarise

if TYPE_CHECKING:
    from twinbayes.twin.twin import Twin


@dataclass(frozen=True)
class _Part:
    """One patient's share: summaries, and the draws that standardisation averages."""

    summaries: dict[str, Floats]
    survival: Floats  # (time, draw)
    rmst: Floats  # (draw,)


def contrast_patients(
    twin: Twin,
    a: Scenario,
    b: Scenario,
    until: float,
    grid: int | ArrayLike | None,
    interval: float,
) -> xr.Dataset:
    """Contrast every patient of a twin; see `Twin.contrast`."""
    graph = twin.spec.graph
    out_grid = output_grid(until, grid, interval)
    landmarks = [p.day for p in twin.present]
    for scenario in (a, b):
        scenario.require_valid(graph, landmarks)
    fatal = fatal_states(graph)

    def work(i: int) -> _Part:
        nodes = scenario_nodes(until, twin.spec.graph, [a, b], landmarks[i], out_grid)
        standing = twin.standing(i)
        one, two = (twin.path(i, scenario, nodes, standing) for scenario in (a, b))
        return _difference(one, two, out_grid, fatal)

    groups = twin.cohort.patients[SUBGROUP].astype(str).to_numpy()
    labels = sorted(set(groups))
    shape = (len(labels), len(out_grid.times), twin.population.n_draws)
    survival, rmst = np.zeros(shape), np.zeros((shape[0], shape[2]))
    summaries: list[dict[str, Floats]] = []
    for i, part in enumerate(over_patients(len(groups), work)):
        g = labels.index(groups[i])
        survival[g] += part.survival
        rmst[g] += part.rmst
        summaries.append(part.summaries)
    data = _per_patient(summaries)
    _standardise(data, survival, rmst, np.array([np.sum(groups == x) for x in labels]), out_grid)
    dataset = label(twin, data, out_grid, {"scenario_a": a.label, "scenario_b": b.label})
    return dataset.assign_coords({SUBGROUP: labels})


def _difference(a: Path, b: Path, grid: OutputGrid, fatal: list[int]) -> _Part:
    nodes = a.nodes
    alive = [survival_of(p.occupation, fatal) for p in (a, b)]
    gain = alive[0] - alive[1]
    means = [restricted_means(x, nodes) for x in (*alive, gain)]
    return _Part(
        summaries={
            "survival_a": grid.summarise(nodes, alive[0])[:, 0],
            "survival_b": grid.summarise(nodes, alive[1])[:, 0],
            "survival_difference": grid.summarise(nodes, gain)[:, 0],
            "state_probability_difference": grid.summarise(nodes, a.occupation - b.occupation),
            "rmst_a": grid.summarise_total(means[0])[0],
            "rmst_b": grid.summarise_total(means[1])[0],
            "rmst_difference": grid.summarise_total(means[2])[0],
        },
        survival=grid.read_off(nodes, gain[:, 0]),
        rmst=means[2][0],
    )


def _per_patient(summaries: list[dict[str, Floats]]) -> dict[str, tuple[tuple[str, ...], Floats]]:
    data: dict[str, tuple[tuple[str, ...], Floats]] = {}
    for name in summaries[0]:
        stacked = np.stack([s[name] for s in summaries])
        dims = {2: (PATIENT,), 3: (PATIENT, TIME), 4: (PATIENT, TIME, STATE)}[stacked.ndim]
        with_bounds(data, name, dims, stacked)
        if name == "survival_difference":
            with_bounds(data, "risk_difference", dims, -stacked[..., [0, 2, 1]])
    return data


def _standardise(
    data: dict[str, tuple[tuple[str, ...], Floats]],
    survival: Floats,
    rmst: Floats,
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
    with_bounds(
        data, "subgroup_rmst_difference", (SUBGROUP,), grid.summarise_total(rmst / sizes[:, None])
    )
    with_bounds(
        data,
        "overall_rmst_difference",
        (),
        grid.summarise_total((rmst.sum(axis=0) / sizes.sum())[None])[0],
    )
