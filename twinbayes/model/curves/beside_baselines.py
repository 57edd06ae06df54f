"""What curves add to log hazards at events, roughly: levels of hazards are sampled with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt

from twinbayes.arrays import Floats
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.curves.association import Feature, Multiplier
from twinbayes.model.curves.patients import crude_curves
from twinbayes.model.curves.trajectory import CurvePlan
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.model.pooling.hazard_walks import Beside
from twinbayes.tensors import Tensor


def beside_baselines(
    every: Sequence[Feature],
    graph: StateGraph,
    curves: CurvePlan,
    points: TrailPoints,
    multipliers: Sequence[Multiplier],
    n_windows: Sequence[int],
    strength: Tensor,
) -> Beside:
    """Estimate what features of curves add to each log hazard, at the events of the cohort.

    From crude estimates of the patients' curves: nothing, where there are none. `n_windows` are
    those of each intensity, `strength` (association,) log hazard ratios on the sampling scale.
    """
    n, first = len(graph.labels), len(points.node_row)
    intensity = points.intensity[first:]
    count = np.asarray(n_windows, dtype=np.float64)[intensity]
    place = (points.event_window + 0.5) / count - 0.5
    centre = np.array([place[intensity == e].mean() if e in intensity else 0.0 for e in range(n)])
    away = place - centre[intensity]
    mean, rise = np.zeros((2, n, sum(len(f.labels) for f in every)))
    k = 0
    for feature in every:
        value = _at_events(feature, curves, points, multipliers[feature.position])
        for label in feature.association.transitions:
            e = graph.labels.index(label)
            mine = intensity == e
            if value is not None and mine.any():
                mean[e, k] = value[mine].mean()
                rise[e, k] = away[mine] @ value[mine] / (1.0 + away[mine] @ away[mine])
            k += 1
    return Beside(pt.as_tensor(mean) @ strength, pt.as_tensor(rise) @ strength, centre)


def _at_events(
    feature: Feature, curves: CurvePlan, points: TrailPoints, multiplier: Multiplier
) -> Floats | None:
    """(event,) crude estimates of a feature; None where there are none."""
    learnt, first = curves.learnt, len(points.node_row)
    scale = learnt.get(feature.association.marker)
    visits = curves.visits[learnt.markers.index(scale)]
    if feature.is_bent(scale) or (crude := crude_curves(visits)) is None:
        return None
    if feature.column is not None:
        crude = crude - crude.mean(axis=0)
    patient, day = points.patient[first:], points.day[first:]
    times = multiplier.value[patient] / multiplier.unit
    weights = feature.weights(scale, day, visits.starts[patient], times)
    value: Floats = (weights * crude[patient]).sum(axis=1)
    return value
