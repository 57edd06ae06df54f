"""The baseline hazards of all intensities, in blocks of those that share a shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.model.baseline import Baseline, Counted, PiecewiseConstant, Spline
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.events.crude import Crude
from twinbayes.model.pooling.hazard_walks import Beside
from twinbayes.names import LOG_BASELINE, TRANSITION, WINDOW
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor


def build_baselines(
    graph: StateGraph, crude: Crude, priors: PriorSet, beside: Beside | None
) -> tuple[Tensor, Tensor]:
    """Stack the baselines; intensities that share a shape are built in one go."""
    blocks: dict[Baseline, list[int]] = {}
    for k, intensity in enumerate(graph.intensities):
        blocks.setdefault(intensity.baseline, []).append(k)
    all_edges = crude.plan.edges
    width = max(len(e) for e in all_edges) - 1
    if len(blocks) == 1:
        (baseline,) = blocks
        every, dims = range(len(all_edges)), (TRANSITION, WINDOW)
        return _built(baseline, crude, every, LOG_BASELINE, dims, graph.labels, priors, beside)
    order, at_event, on_average = [], [], []
    for n, (baseline, members) in enumerate(blocks.items()):
        dims = (f"{TRANSITION}_{n}", f"{WINDOW}_{n}")
        labels = [graph.labels[k] for k in members]
        n_windows = len(all_edges[members[0]]) - 1
        pm.modelcontext(None).add_coords({dims[0]: labels, dims[1]: range(n_windows)})
        name = f"{LOG_BASELINE}_{n}"
        log_event, log_mean = _built(baseline, crude, members, name, dims, labels, priors, beside)
        order += members
        on_average.append(_widen(log_mean, width))
        at_event.append(on_average[-1] if log_event is log_mean else _widen(log_event, width))
    back = np.argsort(order)
    mean = pm.Deterministic(
        LOG_BASELINE, pt.concatenate(on_average)[back], dims=(TRANSITION, WINDOW)
    )
    if all(a is b for a, b in zip(at_event, on_average, strict=True)):
        return mean, mean
    return pt.concatenate(at_event)[back], mean


def _built(
    baseline: Baseline,
    crude: Crude,
    members: Sequence[int],
    name: str,
    dims: tuple[str, str],
    labels: Sequence[str],
    priors: PriorSet,
    beside: Beside | None,
) -> tuple[Tensor, Tensor]:
    """Rates of the intensities `members`, built with what the data tell where that is of use."""
    edges, events, days = (
        np.stack([of[k] for k in members]) for of in (crude.plan.edges, crude.events, crude.days)
    )
    if isinstance(baseline, PiecewiseConstant | Spline):
        mine = None if beside is None else beside.take(members)
        return baseline.build(name, dims, labels, edges, priors, Counted(events, days, mine))
    return baseline.build(name, dims, labels, edges, priors)


def _widen(matrix: Tensor, width: int) -> Tensor:
    """Repeat the last window so that baselines of different resolution share one matrix."""
    columns = pt.minimum(pt.arange(width), matrix.shape[1] - 1)
    widened: Tensor = matrix[:, columns]
    return widened
