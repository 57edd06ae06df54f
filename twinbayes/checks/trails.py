"""What the curves of a fit's own patients add to their log hazards, draw by draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinbayes.errors import ModelError
from twinbayes.inference import Fit
from twinbayes.names import CHAIN, DRAW, POSTERIOR

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def along_curves(fit: Fit) -> Floats:
    """Return (chain, draw, point) what curves add at the points of the likelihood's quadrature.

    Raises
    ------
    ModelError
        The likelihood of a patient was weighted: curves are drawn given the whole record.
    """
    _require_whole_records(fit)
    twin, points = fit.twin(), fit.plan.events.points
    labels, sizes = fit.spec.graph.labels, fit.datatree[POSTERIOR].sizes
    out = np.empty((sizes[CHAIN] * sizes[DRAW], points.n_points))
    order = np.lexsort((points.intensity, points.patient))
    for own in _runs(order, points.patient):
        curves = twin.curves(int(points.patient[own[0]]))
        for mine in _runs(own, points.intensity):
            label = labels[points.intensity[mine[0]]]
            out[:, mine] = curves.trail(label, points.day[mine]).T
    return out.reshape(sizes[CHAIN], sizes[DRAW], points.n_points)


def _runs(order: Ints, by: Ints) -> list[Ints]:
    """Split indices where what they point at changes."""
    return np.split(order, np.flatnonzero(np.diff(by[order])) + 1) if len(order) else []


def _require_whole_records(fit: Fit) -> None:
    if not np.all(fit.weights == 1.0):
        raise ModelError(
            "Shares are not told of a joint model in which some patients count by a weight: their "
            "curves are drawn as if the whole record counted. Fit without weights, or without "
            "associations."
        )
