"""Associations: how a trajectory moves hazards.

Every feature is a sum over the coefficients of one curve, with weights that are known in advance,
or value or slope of a mean function: the twin finds a patient's coefficients by that. So no feature
bends the curve, as its square would; what acts on the logarithm of a marker has
``Trajectory.transform="log"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from twinbayes.arrays import Floats, Ints
from twinbayes.errors import ModelError, require_known
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.covariates.design import DesignMatrix, Encoding
from twinbayes.model.curves.basis import FORMS, VALUE
from twinbayes.model.curves.marker import MarkerScale
from twinbayes.model.curves.means.mean_function import MeanFunction
from twinbayes.model.curves.trail.op import TrailDesign, curve_trail
from twinbayes.model.curves.trajectory import CurveEncoding, CurvePlan, Trajectories
from twinbayes.model.events.quadrature import TrailPoints
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import typed
from twinbayes.names import ASSOCIATION, DAYS_PER_YEAR
from twinbayes.priors import PriorSet
from twinbayes.tensors import Tensor

EFFECTS: Final = "effects"


@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class Association:
    """A log hazard ratio per unit of one feature of a marker's curve, after its transform.

    Times the standard deviation of the marker in the cohort of the fit, ``scale`` of its
    `MarkerScale`, it is per standard deviation.

    Parameters
    ----------
    marker
        A marker that has a trajectory.
    transitions
        Labels of the intensities that it moves.
    form
        ``value`` (the curve now), ``slope`` (its rise a year), ``area`` (under the curve since
        the origin, in marker years), or ``effects``: every coefficient in which patients differ,
        minus its mean given covariates, subgroup and centre, each with a log hazard ratio of its
        own that is the same at all times.
    lag_days
        The hazard follows the curve as it was so many days ago; within them after the origin, as
        it was at the origin.
    by
        A covariate that the feature is multiplied by, beside an association without it: the
        label of one column of the event process, or a covariate that has one column. A 0/1
        column, such as ``sex=female``, counts as 0 or 1; a continuous one in its own units, after
        its transform, minus its mean in the cohort of the fit. A missing value is taken at its
        mean given what is known of the patient.

    Examples
    --------
    >>> Association(marker="bilirubin", transitions=("alive->dead",), form="slope").form
    'slope'
    """

    marker: str
    transitions: tuple[str, ...]
    form: str = VALUE
    lag_days: float = field(default=0.0, metadata=UNSET_IS_ABSENT)
    by: str | None = field(default=None, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        require_known(self.form, (*FORMS, EFFECTS), f"form of the association of {self.marker!r}")
        if not self.transitions:
            raise ModelError(
                f"The association of {self.marker!r} moves no hazard. Name intensities: "
                "transitions=('well->dead',)."
            )
        if not 0.0 <= self.lag_days < np.inf:
            raise ModelError(
                f"The association of {self.marker!r} has a lag of {self.lag_days!r} days. "
                "A lag is 0 or more: hazards do not know the future."
            )
        if self.lag_days and self.form == EFFECTS:
            raise ModelError(
                f"The association of {self.marker!r} has a lag, and effects do not change in "
                "time. Leave lag_days at 0, or choose another form."
            )


@dataclass(frozen=True, slots=True)
class Feature:
    """What an association takes of a curve; it has one log hazard ratio on each transition.

    Attributes
    ----------
    association, position
        The association, and which of the model it is.
    column, term
        Which coefficient of the marker it is, and its label; None where it is no coefficient.
    """

    association: Association
    position: int
    column: int | None = None
    term: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """``marker form on transition``, one a transition."""
        a = self.association
        form = a.form if self.column is None else f"effect[{self.term}]"
        lag = f" lagged {a.lag_days:g} days" if a.lag_days else ""
        by = "" if a.by is None else f" x {a.by}"
        return tuple(f"{a.marker} {form}{lag}{by} on {t}" for t in a.transitions)

    def unit(self, scale: MarkerScale) -> float:
        """How much of the feature, in units of the marker, is one on the sampling scale."""
        return scale.scale if self.column is None else float(scale.natural()[self.column])

    def is_bent(self, scale: MarkerScale) -> bool:
        """Whether it is no sum over coefficients, but value or slope of a mean function."""
        return self.column is None and scale.mean is not None

    def before(self, days: Floats) -> Floats:
        """(time,) days since origin on which the curve was as the hazard follows it."""
        return np.maximum(days - self.association.lag_days, 0.0)

    def weights(
        self, scale: MarkerScale, days: Floats, starts: Floats, times: Floats | float
    ) -> Floats:
        """(time, column) the feature per unit of each coefficient, on the sampling scale.

        `days` (time,) are since origin, `starts` as in `MarkerScale.columns`; `times` is the
        covariate that it is multiplied by, one number or one a time. Not of what `is_bent`.
        """
        if self.column is None:
            weights = scale.columns(self.before(days), starts, self.association.form)
        else:
            weights = np.zeros((len(days), len(scale.labels)))
            weights[:, self.column] = 1.0
        out: Floats = weights * np.broadcast_to(times, len(days))[:, None]
        return out


def features(
    associations: Sequence[Association], trajectories: Trajectories | None
) -> tuple[Feature, ...]:
    """Features of all associations, in the order of their log hazard ratios.

    Raises
    ------
    ModelError
        A marker has no trajectory or nothing in which patients differ, or two log hazard ratios
        would be of the same feature.
    """
    known = {} if trajectories is None else {t.marker: t for t in trajectories.markers}
    out: list[Feature] = []
    for k, a in enumerate(associations):
        if a.marker not in known:
            raise ModelError(
                f"The association of {a.marker!r} needs a trajectory of that marker. "
                f"Markers with one: {', '.join(map(repr, known)) or 'none'}."
            )
        curve = known[a.marker]
        if isinstance(curve.basis, MeanFunction) and a.form not in (*curve.basis.forms, EFFECTS):
            raise ModelError(
                f"The association of {a.marker!r} has the form {a.form!r}, which is not known of "
                f"its mean function ({curve.basis.kind}). Hazards may follow "
                f"{', '.join(map(repr, (*curve.basis.forms, EFFECTS)))}."
            )
        if a.form != EFFECTS:
            out.append(Feature(a, k))
            continue
        own = [
            Feature(a, k, c, term)
            for c, term in enumerate(curve.labels)
            if term not in curve.shared
        ]
        if not own:
            raise ModelError(
                f"The association of {a.marker!r} has the form 'effects', and patients differ in "
                "no coefficient of its curve. Let one vary, or choose another form."
            )
        out += own
    labels = [label for feature in out for label in feature.labels]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ModelError(
            f"The associations have {', '.join(map(repr, twice))} more than once. "
            "Name each transition in one of them."
        )
    return tuple(out)


def describe_features(every: Sequence[Feature]) -> list[str]:
    """Lines of a description: what log hazards gain, and what the words mean."""
    out = [f"  log h gains α × {label}" for feature in every for label in feature.labels]
    if any(f.column is not None for f in every):
        out.append("  effect[b]: c_b minus its mean given covariates, subgroup and centre")
    if any(f.association.by is not None for f in every):
        out.append("  x covariate: 0 or 1; if continuous, minus its mean in the cohort")
    return out


def acting_on(every: Sequence[Feature], transition: str) -> Iterator[tuple[int, Feature]]:
    """Features that move one intensity, each with the position of its log hazard ratio."""
    k = 0
    for feature in every:
        for label in feature.association.transitions:
            if label == transition:
                yield k, feature
            k += 1


def followed(
    associations: Sequence[Association], graph: StateGraph
) -> dict[int, tuple[float, ...]]:
    """Indices of the intensities that some trajectory moves, each with its lags in days.

    Raises
    ------
    ModelError
        An association names an intensity that the graph does not have.
    """
    out: dict[int, tuple[float, ...]] = {}
    for association in associations:
        lag = (association.lag_days,) if association.lag_days else ()
        for label in association.transitions:
            if label not in graph.labels:
                raise ModelError(
                    f"The association of {association.marker!r} names {label!r}, which is no "
                    f"intensity of the model. Known: {', '.join(graph.labels)}."
                )
            k = graph.labels.index(label)
            out[k] = tuple(sorted({*out.get(k, ()), *lag}))
    return out


@dataclass(frozen=True, slots=True)
class Multiplier:
    """What the features of one association are multiplied by.

    Attributes
    ----------
    value
        (patient,) 1 without a covariate; else the covariate, as `Association` says.
    unit
        Its standard deviation in the cohort of the fit where it is continuous, else 1.
    """

    value: Floats
    unit: float

    @classmethod
    def of(cls, association: Association, encoding: Encoding, design: DesignMatrix) -> Multiplier:
        """Read the covariate of an association.

        Raises
        ------
        ModelError
            The event process does not have it, or has it in several columns.
        """
        if association.by is None:
            return cls(np.ones(design.n_patients), 1.0)
        k = _column(association, encoding)
        column = encoding.columns[k]
        value = design.values[:, k] * column.scale
        return cls(value + column.centre if column.is_binary else value, column.scale)


def unit_of(association: Association, encoding: Encoding) -> float:
    """`Multiplier.unit`, without patients."""
    if association.by is None:
        return 1.0
    return float(encoding.columns[_column(association, encoding)].scale)


def _column(association: Association, encoding: Encoding) -> int:
    by, columns = association.by, encoding.columns
    simple = [c for c in columns if c.function != "spline"]
    mine = [c for c in columns if c.sources == (by,)] or [c for c in simple if c.label == by]
    where = f"The association of {association.marker!r} is multiplied by {by!r}, which"
    if not mine:
        raise ModelError(
            f"{where} is no covariate of the event process. Add it to EventProcess.covariates, "
            f"or name one of these: {', '.join(c.label for c in simple) or 'none'}."
        )
    if len(mine) > 1:
        raise ModelError(
            f"{where} has the columns {', '.join(repr(c.label) for c in mine)}. Name one of a "
            "category's columns, or let the covariate enter in one column."
        )
    return columns.index(mine[0])


def build_effects(
    every: Sequence[Feature], learnt: CurveEncoding, units: Sequence[float], priors: PriorSet
) -> Tensor:
    """Add the log hazard ratios of associations; return those on the sampling scale.

    `units` are those of what the features of each association are multiplied by.
    """
    labels = [label for f in every for label in f.labels]
    pm.modelcontext(None).add_coord(ASSOCIATION, labels)
    standard = priors.make("_association", "association", dims=(ASSOCIATION,), qualifiers=labels)
    whole = [
        f.unit(learnt.get(f.association.marker)) * units[f.position]
        for f in every
        for _ in f.labels
    ]
    pm.Deterministic("association", standard * (1.0 / np.array(whole)), dims=ASSOCIATION)
    return standard


def build_trail(
    every: Sequence[Feature],
    graph: StateGraph,
    curves: CurvePlan,
    points: TrailPoints,
    multipliers: Sequence[Multiplier],
    drawn: tuple[Tensor, Tensor],
    priors: PriorSet,
) -> Tensor:
    """Add associations; return what they add to the log hazard at each point.

    `drawn` are the coefficients (patient, term) and their means; `multipliers` are those of the
    associations.
    """
    learnt = curves.learnt
    standard = build_effects(every, learnt, [m.unit for m in multipliers], priors)
    straight = _Straight(points, len(graph.labels))
    trail = pt.zeros(points.n_points)
    first = 0
    for f in every:
        moves = [graph.labels.index(t) for t in f.association.transitions]
        which = {e: first + k for k, e in enumerate(moves)}
        first += len(moves)
        mine = np.flatnonzero(np.isin(points.intensity, moves))
        patient = points.patient[mine]
        scale = learnt.get(f.association.marker)
        by = multipliers[f.position]
        times = by.value[patient] / by.unit
        own, mean = (x[:, learnt.columns(f.association.marker)] for x in drawn)
        if f.is_bent(scale):
            years = f.before(points.day[mine]) / DAYS_PER_YEAR
            each = [own[:, b][patient] for b in range(len(scale.labels))]
            feature = times * scale.follow(years, each, f.association.form)
            ratio = np.array([which[e] for e in points.intensity[mine]], dtype=np.int64)
            trail = pt.inc_subtensor(trail[mine], standard[ratio] * feature)
            continue
        starts = curves.visits[learnt.markers.index(scale)].starts[patient]
        weights = f.weights(scale, points.day[mine], starts, times)
        if f.column is not None:
            own = (own - mean)[:, f.column : f.column + 1]
            weights = weights[:, f.column : f.column + 1]
        straight.add(which, own, mine, weights)
    return straight.trail(standard) + trail if straight.curves else trail


class _Straight:
    """Features that are sums over coefficients, put side by side for one pass over the points."""

    def __init__(self, points: TrailPoints, n_intensities: int) -> None:
        self._points, self._n_intensities = points, n_intensities
        self._which: list[Ints] = []
        self._weights: list[Floats] = []
        self.curves: list[Tensor] = []

    def add(self, which: Mapping[int, int], curve: Tensor, mine: Ints, weights: Floats) -> None:
        """Add a feature: (patient, column) `curve` times `weights` (point, column) at `mine`.

        `which` gives the log hazard ratio of each intensity that it moves.
        """
        row = np.full(self._n_intensities, -1)
        row[list(which)] = list(which.values())
        whole = np.zeros((self._points.n_points, weights.shape[1]))
        whole[mine] = weights
        self._which.append(row)
        self._weights.append(whole)
        self.curves.append(curve)

    def trail(self, strength: Tensor) -> Tensor:
        """(point,) the sum of all features, each times its log hazard ratio."""
        widths = [w.shape[1] for w in self._weights]
        design = TrailDesign(
            patient=self._points.patient,
            intensity=self._points.intensity,
            which=np.array(self._which),
            start=np.cumsum([0, *widths]),
            weights=np.concatenate(self._weights, axis=1),
        )
        return curve_trail(strength, pt.concatenate(self.curves, axis=1), design)
