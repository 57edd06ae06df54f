"""The baseline hazards of all intensities, in blocks of those that share a shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.model.baseline import Baseline, Counted, PiecewiseConstant, Spline
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.events.crude import CrudeEstimates
from twinbayes.model.pooling.hazard_walks import Beside
from twinbayes.names import LOG_BASELINE, TRANSITION, WINDOW
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

type Edges = tuple[Floats, ...]


def build_baselines(
    graph: StateGraph,
    all_edges: Edges,
    crude: CrudeEstimates,
    priors: PriorSet,
    beside: Beside | None,
) -> tuple[Tensor, Tensor]:
    """Stack the baselines; intensities that share a shape are built in one go."""
    blocks: dict[Baseline, list[int]] = {}
    for k, intensity in enumerate(graph.intensities):
        blocks.setdefault(intensity.baseline, []).append(k)
    width = max(len(e) for e in all_edges) - 1
    if len(blocks) == 1:
        (baseline,) = blocks
        every, dims = range(len(all_edges)), (TRANSITION, WINDOW)
        mine = _Members(every, graph.labels, all_edges, crude)
        return _built(baseline, mine, LOG_BASELINE, dims, priors, beside)
    order, at_event, on_average = [], [], []
    for n, (baseline, members) in enumerate(blocks.items()):
        dims = (f"{TRANSITION}_{n}", f"{WINDOW}_{n}")
        labels = [graph.labels[k] for k in members]
        n_windows = len(all_edges[members[0]]) - 1
        pm.modelcontext(None).add_coords({dims[0]: labels, dims[1]: range(n_windows)})
        name = f"{LOG_BASELINE}_{n}"
        mine = _Members(members, labels, all_edges, crude)
        log_event, log_mean = _built(baseline, mine, name, dims, priors, beside)
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


@dataclass(frozen=True)
class _Members:
    """Intensities that share a shape: their positions and labels, and all there is to know."""

    at: Sequence[int]
    labels: Sequence[str]
    all_edges: Edges
    crude: CrudeEstimates

    def stacked(self, each: Edges) -> np.ndarray:
        return np.stack([each[k] for k in self.at])


def _built(
    baseline: Baseline,
    mine: _Members,
    name: str,
    dims: tuple[str, str],
    priors: PriorSet,
    beside: Beside | None,
) -> tuple[Tensor, Tensor]:
    """Rates of these intensities, built with what the data tell where that is of use."""
    edges = mine.stacked(mine.all_edges)
    if isinstance(baseline, PiecewiseConstant | Spline):
        own = None if beside is None else beside.take(mine.at)
        told = Counted(mine.stacked(mine.crude.events), mine.stacked(mine.crude.days), own)
        return baseline.build(name, dims, mine.labels, edges, priors, told)
    return baseline.build(name, dims, mine.labels, edges, priors)


def _widen(matrix: Tensor, width: int) -> Tensor:
    """Repeat the last window so that baselines of different resolution share one matrix."""
    columns = pt.minimum(pt.arange(width), matrix.shape[1] - 1)
    widened: Tensor = matrix[:, columns]
    return widened
