"""ModelSpec: the frozen description of a disease model, and its words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from twinbayes.arrays import Floats
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError, require_known
from twinbayes.model.catalogue import known_type, require_storable
from twinbayes.model.courses.graph import StateGraph
from twinbayes.model.courses.reporting import Reporting
from twinbayes.model.covariates.design import Encoding
from twinbayes.model.covariates.terms import Interaction, Term, without_covariates
from twinbayes.model.curves.association import (
    Association,
    Feature,
    Multiplier,
    features,
    followed,
)
from twinbayes.model.curves.trajectory import CurveEncoding, CurvePlan, Trajectories
from twinbayes.model.curves.waves import are_waves
from twinbayes.model.events.plan import EventPlan
from twinbayes.model.events.process import EventProcess
from twinbayes.model.notation.describe import describe_model
from twinbayes.model.notation.writing import write_model
from twinbayes.model.pooling.table import discounts
from twinbayes.model.storing import codec
from twinbayes.model.storing.fields import UNSET_IS_ABSENT
from twinbayes.model.storing.typed import found_as, typed
from twinbayes.names import FRAILTY_EFFECT
from twinbayes.priors.files.extended import OwnPriors
from twinbayes.showing import brief


@brief
@dataclass(frozen=True)
class Learnt:
    """What a model learns from one cohort before sampling, and applies to any other.

    Attributes
    ----------
    encoding
        How covariates that act on hazards become columns.
    edges
        Window edges of each baseline hazard, in days.
    curves
        Columns, knots and scales of trajectories, None without them.

    Examples
    --------
    >>> fit.learnt.edges[0][[0, -1]]
    array([ 0., inf])
    """

    encoding: Encoding
    edges: tuple[Floats, ...]
    curves: CurveEncoding | None = None


@brief
@dataclass(frozen=True)
class ModelPlan:
    """Everything about one cohort that a model needs, and nothing sampled.

    Attributes
    ----------
    patient_ids
        The patients, in order.
    events
        Histories, rows at risk, windows and covariates.
    curves
        Visits and what trajectories have learnt from them, None without trajectories.
    multipliers
        What the features of each association are multiplied by.

    Examples
    --------
    >>> plan = tb.disease("registry").plan(fit.cohort)
    >>> plan.patient_ids == fit.cohort.patient_ids
    True
    """

    patient_ids: tuple[str, ...]
    events: EventPlan
    curves: CurvePlan | None
    multipliers: tuple[Multiplier, ...]

    @cached_property
    def _weights(self) -> dict[tuple[int, int | None], Floats]:
        return {}

    def weights(self, feature: Feature) -> Floats:
        """(point, column) `Feature.weights` at every point of the events, found once.

        Raises
        ------
        ModelError
            The plan has no trajectories, or none of the marker of the feature.
        """
        key = feature.position, feature.column
        if key not in self._weights:
            if self.curves is None:
                raise ModelError("A plan without trajectories has no features of curves.")
            known, points = self.curves.learnt, self.events.points
            scale = known.get(feature.association.marker)
            starts = self.curves.visits[known.markers.index(scale)].starts
            times = self.multipliers[feature.position].value[points.patient]
            self._weights[key] = feature.weights(scale, points.day, starts[points.patient], times)
        return self._weights[key]

    @property
    def learnt(self) -> Learnt:
        """What has been learnt, apart from the cohort."""
        curves = None if self.curves is None else self.curves.learnt
        return Learnt(self.events.encoding, self.events.edges, curves)


@brief
@dataclass(frozen=True, kw_only=True, slots=True)
@typed
class ModelSpec:
    """What is modelled for one disease; the cohort and the priors come at fit time.

    Parameters
    ----------
    name, title
        Identifier and one line for people.
    events
        The event process.
    priors
        Name of the disease's file in the prior library, or a set of the disease's own.
    trajectories
        Curves of repeatedly measured markers.
    associations
        How those curves move hazards.
    reporting
        Defaults of patient reports, and labels by which people read states.

    Examples
    --------
    >>> spec = tb.disease("survival")
    >>> spec.name, spec.events.graph.states
    ('survival', ('alive', 'dead'))
    """

    name: str
    title: str
    events: EventProcess
    priors: str | OwnPriors
    trajectories: Trajectories | None = field(default=None, metadata=UNSET_IS_ABSENT)
    associations: tuple[Association, ...] = field(default=(), metadata=UNSET_IS_ABSENT)
    reporting: Reporting | None = field(default=None, metadata=UNSET_IS_ABSENT)

    def __post_init__(self) -> None:
        if self.reporting is not None:
            self.reporting.require_states(
                [s for s in self.graph.states if s not in self.graph.deaths]
            )
            self.reporting.require_labels(self.graph.states)
        if self.associations and self.trajectories is None:
            raise ModelError("Associations need trajectories: give the spec both.")
        if self.associations and self.events.frailty:
            raise ModelError(
                "Hazards follow curves of markers and a frailty: both are levels of the patient, "
                "and this likelihood integrates over one of them. Leave out one."
            )
        # What cannot be is refused here, not by the first fit.
        _ = self.features, followed(self.associations, self.graph)

    def plan(self, cohort: Cohort, learnt: Learnt | None = None) -> ModelPlan:
        """Lay a cohort out for the model, under what is learnt from it or was before.

        Raises
        ------
        ModelError
            There is no cohort, or it does not fit the model.
        """
        if not isinstance(cast(object, cohort), Cohort):
            raise ModelError(
                f"The model {self.name!r} needs patients: a cohort from `read_cohort`, not a "
                f"{type(cohort).__name__}."
            )
        curves = None
        if self.trajectories is not None:
            curves = self.trajectories.plan(cohort.dated(), learnt.curves if learnt else None)
        moved = followed(self.associations, self.graph)
        if learnt is None:
            events = self.events.plan(cohort, moved)
        else:
            events = self.events.plan_like(cohort, learnt.encoding, learnt.edges, moved)
        self.require_entries(cohort)
        multipliers = tuple(
            Multiplier.of(a, events.encoding, events.design) for a in self.associations
        )
        return ModelPlan(cohort.patient_ids, events, curves, multipliers)

    def require_entries(self, cohort: Cohort) -> None:
        """Refuse late entries where what hazards depend on decides who they are.

        Raises
        ------
        ModelError
            Says how many patients there are.
        """
        late = int((cohort.entries[0] > 0.0).sum())
        if self.associations and late:
            raise ModelError(
                f"Hazards follow curves, and {late} patient(s) come under observation after their "
                "origin: who did is told by the curves too, which this likelihood does not count. "
                "Leave out the associations, or these patients."
            )
        if self.events.frailty and late:
            raise ModelError(
                f"{late} patient(s) come under observation after their origin, and hazards have a "
                "frailty: who did is told by the frailty too, which this likelihood does not "
                "count. Leave out the frailty, or these patients."
            )

    def without_covariates(self, *names: str) -> ModelSpec:
        """Return the model without these covariates, and without interactions that have them.

        For cohorts in which a covariate does not vary; an interaction alone is named ``"a:b"``.
        A covariate of a `Group` is left out by itself where it has too few carriers.

        Raises
        ------
        OptionError
            A name is no covariate of a term, and no interaction.

        Examples
        --------
        >>> spec = tb.disease("aml")
        >>> fewer = spec.without_covariates("sex")
        >>> len(spec.events.covariates) - len(fewer.events.covariates)
        1
        """
        curves, events = self.trajectories, self.events
        terms = (*events.covariates, *(curves.covariates if curves is not None else ()))
        known = dict.fromkeys(t.name for t in terms if isinstance(t, Term))
        known |= dict.fromkeys(":".join(t.names) for t in terms if isinstance(t, Interaction))
        for name in names:
            require_known(name, known, "covariate")
        kept = without_covariates(events.covariates, names)
        groups = {term.group for term in kept}
        unshrunk = tuple(group for group in events.unshrunk if group in groups)
        if curves is not None:
            curves = replace(curves, covariates=without_covariates(curves.covariates, names))
        fewer = replace(events, covariates=kept, unshrunk=unshrunk)
        return replace(self, events=fewer, trajectories=curves)

    def ignoring(self, *events: str) -> ModelSpec:
        """Return the model to which these events of a cohort mean nothing: they move nobody.

        Raises
        ------
        ModelError
            The model has a transition by such an event.

        Examples
        --------
        >>> tb.disease("survival").ignoring("relapse").name
        'survival'
        """
        used = {event: t.label for t in self.graph.transitions for event in t.events}
        for event in events:
            if event in used:
                raise ModelError(
                    f"The event {event!r} cannot be ignored: {used[event]!r} happens by it. Ignore "
                    "another, or describe the disease without that transition."
                )
        ignored = tuple(dict.fromkeys((*self.graph.ignored_events, *events)))
        graph = replace(self.graph, ignored_events=ignored)
        return replace(self, events=replace(self.events, graph=graph))

    def of_events(self) -> ModelSpec:
        """Return the model of events alone, without curves of markers and what follows them.

        Examples
        --------
        >>> tb.disease("registry").of_events().trajectories is None
        True
        """
        return replace(self, trajectories=None, associations=())

    @property
    def graph(self) -> StateGraph:
        """States, transitions and treatments of the event process."""
        return self.events.graph

    @property
    def state_labels(self) -> dict[str, str]:
        """State → how people read it, in English; of states that have a label alone."""
        given = () if self.reporting is None else self.reporting.state_labels
        return {label.state: label.english for label in given}

    def discounts(self, plan: ModelPlan) -> Floats:
        """Powers to which power priors raise each patient's likelihood, shape (patient,).

        Raises
        ------
        ModelError
            A source is unknown, or power priors contradict each other.
        """
        curves, design, known = self.trajectories, plan.events.design, plan.events.encoding
        by_subgroup = [self.events.subgroup, *(e.pooling for e in self.graph.effects)]
        by_centre = [self.events.centre]
        if curves is not None:
            by_subgroup.append(curves.subgroup)
            by_centre.append(curves.centre)
        of_subgroup = discounts(by_subgroup, known.subgroups)[design.subgroup]
        of_centre = discounts(by_centre, known.centres)[design.centre]
        powers: Floats = of_subgroup * of_centre
        return powers

    def constants(self, learnt: Learnt) -> tuple[str, ...]:
        """Recorded quantities that are constant by construction.

        Correlations with oneself, effects of covariates on waves, which they do not have, walks of
        subgroups that are of no class, and a frailty where it moves nothing.
        """
        found: list[str] = []
        for effect in self.events.varying(learnt.encoding, learnt.edges):
            found += effect.constants(learnt.encoding.subgroups)
        if moved := self.events.frailty:
            found += [f"{FRAILTY_EFFECT}[{x}]" for x in self.graph.labels if x not in moved]
        curves = learnt.curves
        if curves is None:
            return tuple(found)
        varying = [curves.labels[k] for k in curves.varying]
        waves = [curves.labels[k] for k in np.flatnonzero(are_waves(curves.markers))]
        covariates = curves.encoding.labels if waves else ()
        return (
            *found,
            *(f"patient_correlation[{label}, {label}]" for label in varying),
            *(f"curve_effect[{x}, {wave}]" for x in covariates for wave in waves),
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        """What hazards follow, in the order of the log hazard ratios."""
        return features(self.associations, self.trajectories)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the whole description."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, JSON-ready; `from_dict` undoes it exactly."""
        encoded: dict[str, Any] = codec.encode(self)
        return encoded

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelSpec:
        """Rebuild a spec; only types of the `catalogue` are accepted."""
        spec = codec.decode(data, partial(known_type, whole=cls))
        if not isinstance(spec, cls):
            raise ModelError(
                f"Expected a ModelSpec, found {found_as(spec)}. Give what its `to_dict` has "
                "returned."
            )
        require_storable(spec, whole=cls)
        return spec

    def write(self, path: str | Path) -> Path:
        """Write the model as a disease file, which `disease` reads back to the same model.

        Parameters
        ----------
        path
            A file that ends in ``.yaml``.

        Raises
        ------
        ModelError
            The file cannot hold the model, or cannot be written.

        Examples
        --------
        >>> path = tb.disease("cml").write("cml.yaml")
        >>> tb.disease(path) == tb.disease("cml")
        True
        """
        return write_model(self, path)

    def describe(self) -> str:
        """The model in formulae and words, as plain text."""
        told = self.events, self.trajectories, self.features, self.state_labels
        return describe_model(f"{self.title} ({self.name})", *told)
