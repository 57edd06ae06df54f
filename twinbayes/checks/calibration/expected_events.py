"""Events that a fit expects of each subgroup, beside those that happened."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import xarray as xr

from twinbayes.cohort import Cohort
from twinbayes.estimators import CountingProcess, spread_same_day
from twinbayes.inference import Fit
from twinbayes.model import ModelPlan, ModelSpec
from twinbayes.model.events.draws import EventDraws
from twinbayes.model.events.evaluation import mean_compensators
from twinbayes.model.events.packed import event_data
from twinbayes.model.events.quadrature import trail_points
from twinbayes.names import POSTERIOR, SUBGROUP, TRANSITION


class Traced(Protocol):
    """A cohort whose paths through the states of a model are known: a fit, or one in the making."""

    @property
    def spec(self) -> ModelSpec:
        """The model."""

    @property
    def cohort(self) -> Cohort:
        """The patients."""

    @property
    def plan(self) -> ModelPlan:
        """Their histories."""


def counting_process(fit: Traced) -> CountingProcess:
    """Return the cohort's observed paths through the states of the model.

    Events that recur within a state leave patients where they are.
    """
    graph = fit.spec.graph
    episodes = fit.plan.events.histories.episodes
    targets = [
        -1 if t.source == t.target else graph.states.index(t.target) for t in graph.transitions
    ]
    ids = fit.cohort.patient_ids
    patient = np.array([ids[e.patient] for e in episodes], dtype=object)
    start, stop = spread_same_day([e.start for e in episodes], [e.stop for e in episodes], patient)
    return CountingProcess(
        start,
        stop,
        np.array([graph.states.index(e.state) for e in episodes]),
        np.array([targets[e.exit] if 0 <= e.exit < len(targets) else -1 for e in episodes]),
        graph.states,
        patient,
        graph.absorbing,
    )


def observed_and_expected(fit: Fit) -> tuple[xr.DataArray, xr.DataArray]:
    """Count events by transition and subgroup, and those expected without the subgroup's level.

    Expected is the posterior mean of the cumulative hazard that the model gives these very
    patients over their own time at risk, with every term but the level of their subgroup, of all
    draws; a frailty is that which a patient's record up to then leaves.

    Returns
    -------
    observed, expected
        Dims transition, subgroup.
    """
    plan, design = fit.plan.events, fit.encoding.encode(fit.cohort)
    points = trail_points(plan.rows, plan.edges, {})
    data = event_data(plan.rows, plan.edges, design, points)
    draws = EventDraws.from_posterior(fit.datatree[POSTERIOR].to_dataset(), fit.encoding)
    hazard = mean_compensators(draws.without_subgroup_levels(), data, plan.rows)
    labels, subgroups = fit.spec.graph.labels, fit.encoding.subgroups
    shape = (len(labels), len(subgroups))
    cell = data.intensity * len(subgroups) + data.subgroup[data.patient]
    coords = {TRANSITION: list(labels), SUBGROUP: list(subgroups)}
    counts, means = (
        np.bincount(cell[rows], weights=weight, minlength=shape[0] * shape[1]).reshape(shape)
        for rows, weight in ((data.event_row, np.ones(len(data.event_row))), (..., hazard))
    )
    dims = (TRANSITION, SUBGROUP)
    return xr.DataArray(counts, coords, dims), xr.DataArray(means, coords, dims)
