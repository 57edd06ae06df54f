"""Events that a fit expects of each subgroup, beside those that happened."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from twinbayes.estimators import CountingProcess, spread_same_day
from twinbayes.inference import CompiledFit, Fit
from twinbayes.model.covariates.design import DesignMatrix
from twinbayes.model.events.acting import acting_effects
from twinbayes.model.events.rows import RowTable
from twinbayes.names import (
    CENTRE,
    CHAIN,
    COVARIATE,
    DRAW,
    POSTERIOR,
    SAMPLE,
    SUBGROUP,
    TRANSITION,
    WINDOW,
)

type FloatArray = npt.NDArray[np.float64]

_DRAWS: Final = 100  # a mean over draws needs no more


def counting_process(fit: Fit | CompiledFit) -> CountingProcess:
    """Return the cohort's observed paths through the states of the model."""
    graph = fit.spec.graph
    episodes = fit.plan.events.histories.episodes
    targets = [graph.states.index(t.target) for t in graph.transitions]
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
    patients over their own time at risk, with every term but the level of their subgroup.

    Returns
    -------
    observed, expected
        Dims transition, subgroup.
    """
    rows, subgroups = fit.plan.events.rows, fit.encoding.subgroups
    design = fit.encoding.encode(fit.cohort)
    posterior = fit.datatree[POSTERIOR].to_dataset().stack({SAMPLE: (CHAIN, DRAW)})
    step = max(1, posterior.sizes[SAMPLE] // _DRAWS)
    posterior = posterior.isel({SAMPLE: slice(None, None, step)})
    hazard = _cumulative_hazard(fit, rows, design, posterior)
    shape = (len(fit.spec.graph.labels), len(subgroups))
    cell = rows.intensity * len(subgroups) + design.subgroup[rows.patient]
    coords = {TRANSITION: list(fit.spec.graph.labels), SUBGROUP: list(subgroups)}
    counts, means = (
        np.bincount(cell, weights=weight, minlength=shape[0] * shape[1]).reshape(shape)
        for weight in (rows.is_event.astype(np.float64), hazard)
    )
    dims = (TRANSITION, SUBGROUP)
    return xr.DataArray(counts, coords, dims), xr.DataArray(means, coords, dims)


def _cumulative_hazard(
    fit: Fit, rows: RowTable, design: DesignMatrix, posterior: xr.Dataset
) -> FloatArray:
    """Posterior mean cumulative hazard of each row at risk, shape (rows,)."""
    n_columns = len(fit.encoding.columns)
    x, variance = design.values[:, :n_columns], design.variances[:, :n_columns]
    lengths = [len(e) for e in rows.effects]
    acting_row = np.repeat(np.arange(len(lengths)), lengths)
    acting = np.array([k for e in rows.effects for k in e], dtype=np.int64)
    acting_subgroup = design.subgroup[rows.patient][acting_row]
    of_intensity = [np.flatnonzero(rows.intensity == k) for k in range(len(fit.edges))]
    total = np.zeros(len(rows.patient))
    for s in range(posterior.sizes[SAMPLE]):
        one = posterior.isel({SAMPLE: s})
        rate = np.exp(one["log_baseline"].transpose(TRANSITION, WINDOW).to_numpy())
        predictor = np.zeros((design.n_patients, rate.shape[0]))
        if "beta" in one:
            beta = one["beta"].transpose(COVARIATE, TRANSITION).to_numpy()
            predictor += x @ beta + 0.5 * variance @ beta**2
        if "centre_effect" in one:
            predictor += one["centre_effect"].transpose(CENTRE, TRANSITION).values[design.centre]
        log_ratio = predictor[rows.patient, rows.intensity]
        effect = acting_effects(one, len(fit.encoding.subgroups))
        np.add.at(log_ratio, acting_row, effect[acting, acting_subgroup])
        baseline = np.empty_like(total)
        for mine, edges, rates in zip(of_intensity, fit.edges, rate, strict=True):
            baseline[mine] = _between(rows.start[mine], rows.stop[mine], edges, rates)
        total += baseline * np.exp(log_ratio)
    return total / posterior.sizes[SAMPLE]


def _between(
    start: FloatArray, stop: FloatArray, edges: FloatArray, rates: FloatArray
) -> FloatArray:
    """Integrate a rate that is constant within windows; the last one has no end."""
    last = float(stop.max(initial=0.0)) + 1.0
    ends = np.where(np.isfinite(edges), edges, np.maximum(last, edges[-2] + 1.0))
    cumulative = np.concatenate([[0.0], np.cumsum(rates[: len(ends) - 1] * np.diff(ends))])
    area: FloatArray = np.interp(stop, ends, cumulative) - np.interp(start, ends, cumulative)
    return area
