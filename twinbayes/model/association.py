"""Associations: how a trajectory moves hazards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.errors import ModelError, require_known
from twinbayes.model.event_op import Tensor
from twinbayes.model.graph import StateGraph
from twinbayes.model.nodes import TrailPoints
from twinbayes.model.time_basis import FORMS, VALUE
from twinbayes.model.trajectory import CurvePlan
from twinbayes.names import ASSOCIATION
from twinbayes.priors import PriorSet


@dataclass(frozen=True, kw_only=True, slots=True)
class Association:
    """A log hazard ratio per unit of one feature of a marker's curve.

    Parameters
    ----------
    marker
        A marker that has a trajectory.
    transitions
        Labels of the intensities that it moves.
    form
        ``value`` (the curve now), ``slope`` (its rise a year), or ``area`` (under the curve since
        the origin, in marker years).
    """

    marker: str
    transitions: tuple[str, ...]
    form: str = VALUE

    def __post_init__(self) -> None:
        require_known(self.form, FORMS, f"form of the association of {self.marker!r}")

    @property
    def labels(self) -> tuple[str, ...]:
        """``marker form on transition``, one a transition."""
        return tuple(f"{self.marker} {self.form} on {t}" for t in self.transitions)


def followed(associations: Sequence[Association], graph: StateGraph) -> frozenset[int]:
    """Indices of the intensities that some trajectory moves.

    Raises
    ------
    ModelError
        An association names an intensity that the graph does not have.
    """
    out = set()
    for association in associations:
        for label in association.transitions:
            if label not in graph.labels:
                raise ModelError(
                    f"The association of {association.marker!r} names {label!r}, which is no "
                    f"intensity of the model. Known: {', '.join(graph.labels)}."
                )
            out.add(graph.labels.index(label))
    return frozenset(out)


def build_trail(
    associations: Sequence[Association],
    graph: StateGraph,
    curves: CurvePlan,
    points: TrailPoints,
    curve: Tensor,
    priors: PriorSet,
) -> Tensor:
    """Add associations; return what they add to the log hazard at each point."""
    labels, learnt = [label for a in associations for label in a.labels], curves.learnt
    pm.modelcontext(None).add_coord(ASSOCIATION, labels)
    standard = priors.make("_association", "association", dims=(ASSOCIATION,), qualifiers=labels)
    per_unit = np.array([1.0 / learnt.get(a.marker).scale for a in associations for _ in a.labels])
    pm.Deterministic("association", standard * per_unit, dims=ASSOCIATION)
    trail = pt.zeros(points.n_points)
    first = 0
    for association in associations:
        mine = np.flatnonzero(
            np.isin(points.intensity, [graph.labels.index(t) for t in association.transitions])
        )
        which = {graph.labels.index(t): first + k for k, t in enumerate(association.transitions)}
        first += len(association.transitions)
        scale = learnt.get(association.marker)
        starts = curves.visits[learnt.markers.index(scale)].starts[points.patient[mine]]
        columns = scale.columns(points.day[mine], starts, association.form)
        own = curve[:, learnt.columns(association.marker)]
        # Column by column: long vectors, where rows would be two or three numbers each.
        feature = sum(
            columns[:, b] * own[:, b][points.patient[mine]] for b in range(columns.shape[1])
        )
        strength = standard[np.array([which[e] for e in points.intensity[mine]], dtype=np.int64)]
        trail = pt.inc_subtensor(trail[mine], strength * feature)
    return trail
